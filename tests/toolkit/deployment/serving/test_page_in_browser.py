"""The page of `toolkit serve` in headless Chromium: a person tries the model of each scenario.

Needs what toolkit/reporting/test_report_in_browser.py needs.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest
from browser import AXE, BROWSER, NAMES
from walkthrough import ROOT

from toolkit.deployment.serving import Server, ServerSettings

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.enable_socket,
    pytest.mark.skipif(BROWSER is None, reason=f"there is none of {', '.join(NAMES)}"),
]
playwright = pytest.importorskip("playwright.sync_api", reason="extra `browser` is not installed")
KEY = "a key that is long enough"
MODELS = {"tickets": "text-classification", "photos": "image-classification",
          "answers": "question-answering", "payments": "fraud-detection"}  # fmt: skip
WAYS = pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (390, "dark")], ids=["desk", "phone"]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module")
def runs(finished):
    """A run of each scenario."""
    return {name: finished(scenario) for name, scenario in MODELS.items()}


@pytest.fixture(scope="module")
def server(runs):
    with Server(runs, ServerSettings(port=0, body_bytes=1_000_000)) as started:
        yield started


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """A function that opens an address; nothing may be complained of, and nothing else fetched.

    Of complaints those may be there that hold its `told`, which a test sets.
    """
    contexts, said, asked = [], [], []

    def open_page(url: str, width: int = 1280, **settings):
        context = chromium.new_context(viewport={"width": width, "height": 900}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append((urljoin(url, "/"), request.url)))
        page.goto(url)
        return page

    open_page.told = None
    yield open_page
    for context in contexts:
        context.close()
    assert not [text for text in said if open_page.told is None or open_page.told not in text]
    assert not [url for own, url in asked if not url.startswith((own, "data:", f"blob:{own}"))]


def form(page, name):
    return page.locator("section").filter(has=page.get_by_role("heading", name=name, exact=True))


def predicted(form):
    """Press the button; return the text of what is predicted, and the probabilities."""
    form.get_by_role("button", name="Predict").click()
    form.locator(".result details").wait_for()
    names = form.locator(".bars bdi").all_inner_texts()
    values = [float(text) for text in form.locator(".bars .number").all_inner_texts()]
    return form.locator(".best bdi").inner_text(), dict(zip(names, values, strict=True))


def assert_the_same(found, prediction):
    label, scores = found
    assert label == prediction["label"]
    assert scores == pytest.approx(prediction["scores"], abs=0.0006)
    assert list(scores.values()) == sorted(scores.values(), reverse=True)


def test_a_person_types_a_text(server, runs, opened):
    tickets = form(opened(server.url), "tickets")
    tickets.get_by_label("text").fill("the old hammer is here")
    found = predicted(tickets)
    assert_the_same(found, runs["tickets"].predict([{"text": "the old hammer is here"}])[0])
    tickets.locator("summary").click()
    assert '"scores"' in tickets.locator("pre").inner_text()


def test_a_person_drops_a_picture(server, runs, opened):
    photos = form(opened(server.url), "photos")
    photo = next((runs["photos"].path.parent / "in" / "photos").rglob("*.png"))
    drop = """(place, bytes) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], "photo.png", { type: "image/png" }));
      for (const kind of ["dragenter", "dragover", "drop"])
        place.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true,
                                                  cancelable: true }));
    }"""
    photos.locator(".field.file").evaluate(drop, list(photo.read_bytes()))
    shown = photos.locator("img.preview")
    assert shown.is_visible()
    assert shown.evaluate("async image => { await image.decode(); return image.naturalWidth }") > 0
    row = {"image": {"bytes": photo.read_bytes(), "path": None}}
    assert_the_same(predicted(photos), runs["photos"].predict([row])[0])


def test_a_person_asks_a_question(server, runs, opened):
    answers = form(opened(server.url), "answers")
    row = {"question": "what colour has the cup ?", "context": "the cup is red . the hat is blue ."}
    for name, text in row.items():
        answers.get_by_label(name).fill(text)
    label, scores = predicted(answers)
    expected = runs["answers"].predict([row])[0]
    assert label == (expected["answer"] or "(no answer)")
    best = max(one["score"] for one in expected["n_best"])
    assert max(scores.values()) == pytest.approx(best, abs=0.0006)
    assert "no_answer_score" in answers.locator("dl").inner_text()


def test_a_person_fills_in_a_transaction(server, runs, opened):
    payments = form(opened(server.url), "payments")
    row = {"time": "2026-02-01 08:30:00", "amount": 512.4, "customer": "7", "terminal": "3",
           "channel": "chip"}  # fmt: skip
    for name, value in row.items():
        payments.get_by_label(name).fill(str(value))
    payments.get_by_label("channel").press("Enter")  # as in any form of one-line fields
    payments.locator(".result details").wait_for()
    assert_the_same(predicted(payments), runs["payments"].predict([row])[0])
    assert "alarm" in payments.locator("dl").inner_text()


def test_rows_of_the_test_split_fill_the_form(server, runs, opened):
    page = opened(server.url)
    for name in MODELS:
        section, label = form(page, name), None
        for button in section.locator(".samples button").all()[:2]:
            button.click()
            assert not section.locator(".result > *").count()
            predicted(section)
            (note,) = section.get_by_text("(test row ").all_inner_texts()
            assert note != label
            label = note
    tickets = form(page, "tickets")
    tickets.locator(".samples button").first.click()
    text = tickets.get_by_label("text").input_value()
    label, _ = predicted(tickets)
    assert label == runs["tickets"].predict([{"text": text}])[0]["label"]
    tickets.get_by_label("text").fill(f"{text} !")
    predicted(tickets)
    assert not tickets.get_by_text("(test row ").count()  # it is another text now
    photos = form(page, "photos")
    assert "threshold for “lying” 0." in photos.locator(".result").inner_text()


def test_javascript_asks_as_the_docs_say(server, opened):
    page = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
    code = re.search(r"```javascript\n(.*?)```", page, re.DOTALL)[1]
    found = opened(server.url).evaluate(f"async () => {{ {code} return prediction; }}")
    assert set(found) == {"label", "score", "scores"}


def test_a_wrong_input_shows_its_reason(server, opened, folder):
    opened.told = "status of 4"  # Chromium writes such answers to its console, whatever a page does
    page = opened(server.url)
    (folder / "no-picture.png").write_bytes(b"no picture")
    (folder / "large.png").write_bytes(bytes(3_000_000))

    def refused(name):
        form(page, name).get_by_role("button", name="Predict").click()
        wrong = form(page, name).locator(".wrong")
        wrong.wait_for()
        return wrong.inner_text().strip()

    form(page, "tickets").get_by_label("text").fill("  ")
    assert refused("tickets") == "empty text"
    form(page, "photos").locator("input").set_input_files(folder / "no-picture.png")
    assert refused("photos") == "image cannot be read"
    form(page, "photos").locator("input").set_input_files(folder / "large.png")
    form(page, "photos").get_by_role("button", name="Predict").click()
    form(page, "photos").get_by_text("larger than 1,000,000 bytes").wait_for()
    form(page, "payments").get_by_label("time").fill("yesterday")
    assert "write 2024-12-31T23:59:59" in refused("payments")
    form(page, "tickets").get_by_label("text").fill("a heron")
    assert predicted(form(page, "tickets"))[1]  # and the reason is gone
    assert not form(page, "tickets").locator(".wrong").count()


def test_a_server_that_has_gone_is_told(runs, opened):
    with Server({"tickets": runs["tickets"]}, ServerSettings(port=0)) as started:
        page = opened(started.url)
    opened.told = "net::ERR_CONNECTION_REFUSED"
    page.get_by_role("button", name="Predict").click()
    page.get_by_text("the server cannot be reached").wait_for()


@pytest.mark.parametrize("name", MODELS)
def test_the_link_leads_to_the_report(server, opened, name):
    page = opened(server.url)
    form(page, name).get_by_role("link", name="Report").click()
    page.wait_for_url(f"**/models/{name}/report")
    assert page.locator("section").count() == 5


@WAYS
def test_nothing_is_wider_than_the_screen(server, runs, opened, width, scheme):
    page = opened(server.url, width, color_scheme=scheme)
    fill(page, runs)
    parts = page.locator("section, form, .field, .field > *, .bars > *, .bars meter, button")
    boxes = [box for box in (part.bounding_box() for part in parts.all()) if box]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    assert all(meter.bounding_box()["width"] > width / 10 for meter in page.locator("meter").all())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for long in page.locator("textarea").all():
        assert long.evaluate("area => area.scrollHeight <= area.clientHeight")
    page.goto(server.url + "/docs")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def fill(page, runs):
    """Let each model predict its example, or a picture."""
    for one in page.locator("form").all():
        if one.locator("input[type=file]").count():
            photo = next((runs["photos"].path.parent / "in" / "photos").rglob("*.png"))
            one.locator("input[type=file]").set_input_files(photo)
        assert predicted(one)[0]


def test_the_keyboard_suffices(server, opened):
    page = opened(server.url)
    page.keyboard.press("Tab")
    focus = page.locator(":focus")
    assert focus.inner_text() == "API"
    for _ in range(9):  # the report, six rows of the test split, the text
        page.keyboard.press("Tab")
    assert focus.inner_text() == "Predict"
    page.keyboard.press("Enter")
    form(page, "tickets").locator(".result details").wait_for()


def test_without_scripts_the_page_says_what_to_do(server, opened):
    page = opened(server.url, java_script_enabled=False)
    page.get_by_role("link", name="the API").click()
    assert page.locator("h1").inner_text() == "API"


def test_with_a_key_the_browser_asks_for_it(runs, opened):
    opened.told = "status of 401"
    settings = ServerSettings(port=0, api_key=KEY)
    with Server({"tickets": runs["tickets"]}, settings) as started:
        page = opened(started.url, http_credentials={"username": "me", "password": KEY})
        assert predicted(form(page, "tickets"))[0]
        page.goto(started.url + "/docs")
        assert "Authorization: Bearer" in page.locator("main").inner_text()
        stranger = opened(started.url, http_credentials={"username": "me", "password": "guess"})
        assert "API key required" in stranger.locator("body").inner_text()


@pytest.mark.skipif(not AXE.is_file(), reason="no axe.min.js: npm i axe-core, or AXE=its path")
@pytest.mark.parametrize("path", ["/", "/docs"])
@WAYS
def test_axe_finds_nothing(server, runs, opened, path, width, scheme):
    page = opened(server.url + path, width, color_scheme=scheme, bypass_csp=True)
    if path == "/":
        fill(page, runs)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("async () => await axe.run()")
    assert {"color-contrast", "document-title"} <= {one["id"] for one in result["passes"]}
    bad = [f"{one['id']}: {one['help']} {[n['target'] for n in one['nodes'][:3]]}"
           for one in result["violations"]]  # fmt: skip
    assert not bad, "\n".join(bad)
