"""The report of each scenario in headless Chromium: with scripts on and off, and for everybody.

Needs a Chromium (`apt-get install chromium`) and `pip install 'finetune-toolkit[browser]'`.
axe-core is found by AXE (the path of axe.min.js) or below node_modules (`npm i axe-core`).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from browser import AXE, BROWSER, NAMES
from finished import RUNS
from hostile import COLUMN, LABEL, NAME
from report_folders import classified, folder

from toolkit.cli.main import outcome
from toolkit.reporting import html

NEEDS_AXE = pytest.mark.skipif(
    not AXE.is_file(), reason="no axe.min.js: npm i axe-core, or AXE=its path"
)
WAYS = pytest.mark.parametrize(
    ("width", "scheme", "scripts"),
    [(1280, "light", True), (390, "dark", True), (390, "light", False)],
    ids=["desk", "phone", "no-scripts"],
)

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.enable_socket,
    pytest.mark.skipif(BROWSER is None, reason=f"there is none of {', '.join(NAMES)}"),
]
playwright = pytest.importorskip("playwright.sync_api", reason="extra `browser` is not installed")


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=[*RUNS, "hostile"])
def report(request, tmp_path_factory, finished):
    """The report of a small run of a scenario, and one of names that nobody would wish for."""
    base = tmp_path_factory.mktemp("report")
    if request.param == "hostile":
        rows = {str(n): {"cells": {LABEL: COLUMN}, "prediction": LABEL, "reference": NAME}
                for n in range(8)}  # fmt: skip
        kept = {"kinds": {"mistakes": list(range(8))}, "scores": {}, "rows": rows}
        pairs = classified([LABEL, COLUMN, NAME, "x" * 5000, "\u05e9\u05dc\u05d5\u05dd"], 60)
        return html.write(folder(base / "run", pairs, kept, recipe=NAME))
    return finished(request.param).report


@pytest.fixture
def opened(chromium):
    """A function that opens a file; nothing may be complained of, and nothing else fetched."""
    contexts, said, asked = [], [], []

    def open_page(path: Path, width: int = 1280, **settings):
        context = chromium.new_context(viewport={"width": width, "height": 900}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not said
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    assert len([url for url in asked if url.startswith("file:")]) == len(contexts)


@WAYS
def test_it_opens_without_a_word_or_a_request(report, opened, width, scheme, scripts):
    page = opened(report, width, java_script_enabled=scripts, color_scheme=scheme)
    assert page.locator("h1").inner_text()
    assert page.locator("section").count() == 5
    assert page.locator("main svg").count() >= 2
    for chart in page.locator("main svg").all():
        box = chart.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width + 1
    boxes = [row.bounding_box() for row in page.locator("section, header, footer").all()]
    assert all(box["x"] + box["width"] <= width for box in boxes)


def test_numbers_open_by_the_keyboard(report, opened):
    page = opened(report, java_script_enabled=False)
    summary = page.locator("summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("details table").first.is_visible()


def test_it_prints(report, opened, tmp_path):
    page = opened(report)
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").stat().st_size > 10_000


def serious(page):
    """Return what axe calls serious or critical on a page, its details open."""
    for details in page.locator("details").all():
        details.evaluate("element => { element.open = true }")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("async () => await axe.run()")
    assert {"color-contrast", "document-title"} <= {one["id"] for one in result["passes"]}
    bad = [one for one in result["violations"] if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['help']} {[n['target'] for n in one['nodes'][:3]]}" for one in bad]


@NEEDS_AXE
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_serious(report, opened, width, scheme):
    assert not serious(opened(report, width, color_scheme=scheme, bypass_csp=True))


def otherwise(prediction):
    """Return another label, or no answer."""
    if "scores" in prediction:
        return {"label": next(one for one in prediction["scores"] if one != prediction["label"])}
    return {"answer": "none of these", "start": None, "end": None}


@NEEDS_AXE
@pytest.mark.parametrize("scenario", RUNS)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_serious_in_a_comparison(
    finished, opened, tmp_path, scenario, width, scheme
):
    run = finished(scenario)
    other = shutil.copytree(run.path, tmp_path / "other")
    lines = [json.loads(line) for line in (other / "predictions.jsonl").read_text().splitlines()]
    for line in lines[:5]:
        line["prediction"] |= otherwise(line["prediction"])
    (other / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = tmp_path / "page.html"
    assert outcome(["compare", str(run.path), str(other), "--html", str(page)]) == 0
    shown = opened(page, width, color_scheme=scheme, bypass_csp=True)
    assert shown.locator(".example").count() > 1
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert not serious(shown)
