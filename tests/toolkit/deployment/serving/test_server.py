"""`toolkit serve`: what it answers, what it refuses, and to whom."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import re
import shutil
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit import Run
from toolkit.cli.main import outcome
from toolkit.deployment.serving import Server, ServerSettings
from toolkit.deployment.serving.server import named
from toolkit.errors import UserError

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
KEY = "a key that is long enough"


def ask(url, body=None, method=None, **headers):
    """Return status, headers and JSON (or text) of an answer."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)  # noqa: S310 - our own address
    request.add_header("Content-Type", "application/json")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            text, status, found = answer.read(), answer.status, answer.headers
    except urllib.error.HTTPError as error:
        text, status, found = error.read(), error.code, error.headers
    kind = found.get_content_type()
    return status, found, json.loads(text) if kind == "application/json" else text.decode()


@pytest.fixture(scope="module")
def run(finished):
    return finished("text-classification")


@pytest.fixture(scope="module")
def pictures(finished):
    return finished("image-classification")


@pytest.fixture(scope="module")
def server(run, pictures):
    limits = ServerSettings(port=0, request_rows=8, body_bytes=20_000, wait=0.02)
    with Server({"tickets": run, "photos": pictures}, limits) as started:
        yield started


TEXTS = ["my red apple", "the old hammer is here", "a heron", "one new drill"]


def test_one_row_and_many_are_answered_as_the_run_predicts(server, run):
    before = run.predict([{"text": text} for text in TEXTS])
    for path in ("/predict", "/models/tickets/predict"):
        status, _, found = ask(server.url + path, [{"text": text} for text in TEXTS])
        assert status == 200
        assert [p["label"] for p in found] == [p["label"] for p in before]
        for one, other in zip(found, before, strict=True):
            assert one["scores"] == pytest.approx(other["scores"], abs=1e-5)
    status, _, found = ask(server.url + "/predict", {"text": TEXTS[2], "id": "passed over"})
    assert (status, found["label"]) == (200, before[2]["label"])


def test_many_at_once_share_batches_and_get_their_own_answers(server, run):
    texts = [f"{text} {word}" for text in TEXTS for word in ("is", "here", "red", "plum", "saw")]
    before = run.predict([{"text": text} for text in texts])

    def measured():
        lines = ask(server.url + "/metrics")[2].splitlines()
        values = dict(line.rsplit(" ", 1) for line in lines if line[0] != "#")
        names = ("toolkit_batch_rows_sum", "toolkit_batch_rows_count", "toolkit_rows_total")
        return [float(values.get(f'{name}{{model="tickets"}}', 0)) for name in names]

    first = measured()  # of other tests
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda t: ask(server.url + "/predict", {"text": t}), texts))
    assert [status for status, _, _ in found] == [200] * 20
    for (_, _, one), other in zip(found, before, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-5)
    rows, batches, counted = (now - then for now, then in zip(measured(), first, strict=True))
    assert rows > batches
    assert rows == counted == 20


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 422, "Invalid JSON"),
        (b"{", 422, "Invalid JSON"),
        (b"[]", 422, "holds no row"),
        (b"[" * 9000, 422, "recursion"),
        (b"\xff\xfe", 422, "Invalid JSON"),
        (b'{"text": "\\ud800"}', 422, "Invalid JSON"),
        (b"7", 422, "object"),
        ([7], 422, "object"),
        ({"txt": "a"}, 422, "Did you mean 'txt'?"),
        ({"text": None}, 422, "string"),
        ({"text": ["a"]}, 422, "string"),
        ({"text": ""}, 422, "empty text"),
        ([{"text": ""}, {"text": "  "}], 422, "empty text"),
        ([{"text": ""}, {"txt": "a"}], 422, "is missing"),
        ([{"text": "a"}] * 9, 422, "9 rows, of 8 at most"),
        ({"text": "a" * 30_000}, 413, "20,000 bytes"),
    ],
)  # fmt: skip
def test_what_cannot_be_predicted_is_told(server, body, status, told):
    found, _, answer = ask(server.url + "/predict", body)
    assert found == status
    assert told in json.dumps(answer)


def test_the_place_of_what_is_wrong_is_told(server):
    _, _, answer = ask(server.url + "/predict", [{"text": []}, {"text": {}}, {"txt": "b"}])
    assert [one["loc"] for one in answer["detail"]] == [
        ["body", str(row), "text"] for row in range(3)
    ]  # fmt: skip


def test_malformed_rows_of_a_list_leave_the_others_alone(server):
    given = [{"text": "a"}, {"text": {}}, {"text": "  "}, {"txt": "b"}, {"text": "b c"}]
    status, _, answer = ask(server.url + "/predict", given)
    assert status == 200
    assert [one.get("error") for one in answer] == [
        None, "text Input should be a valid string", "empty text",
        "text is missing. Did you mean 'txt'?", None,
    ]  # fmt: skip
    alone = [ask(server.url + "/predict", given[place])[2] for place in (0, 4)]
    assert [one["label"] for one in alone] == [answer[0]["label"], answer[4]["label"]]


def test_a_row_that_stands_alone_has_no_number(server):
    _, _, answer = ask(server.url + "/predict", {"text": "  "})
    assert answer["detail"] == [{"loc": ["body"], "msg": "empty text"}]
    _, _, answer = ask(server.url + "/predict", [{"text": ""}, {"text": "  "}])
    assert answer["detail"][1] == {"loc": ["body", "1"], "msg": "empty text"}


def test_other_kinds_and_methods_and_paths_are_refused(server):
    assert ask(server.url + "/predict", b"text=a", Content_Type="text/plain")[0] == 415
    assert ask(server.url + "/predict")[0] == 405
    assert ask(server.url + "/models/nobody/predict", {"text": "a"})[0] == 404
    # A page elsewhere whose name someone has pointed to this machine.
    assert ask(server.url + "/predict", {"text": "a"}, Host="evil.example")[0] == 421


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["text", "image", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_is_the_servers_fault(server, body):
    for path in ("/predict", "/models/photos/predict"):
        assert ask(server.url + path, body)[0] in (200, 413, 422)


def test_pictures_come_as_base64_and_never_as_paths(server, pictures):
    url = server.url + "/models/photos/predict"
    _, _, about = ask(server.url + "/models/photos/info")
    status, _, found = ask(url, about["example"])
    column = about["columns"][0]["name"]
    assert (status, about["columns"][0]["kind"]) == (200, "file")
    held = base64.b64decode(about["example"][column])
    assert found["label"] == pictures.predict([{column: {"bytes": held, "path": None}}])[0]["label"]
    photo = next((pictures.path.parent / "in" / "photos").rglob("*.png"))
    for path in (str(photo), "file://" + str(photo), {"path": str(photo)}):
        assert ask(url, {column: path})[0] == 422
    assert ask(url, {column: "data:image/png;base64," + about["example"][column]})[0] == 200


def test_a_broken_picture_hurts_nobody_beside_it(server):
    url = server.url + "/models/photos/predict"
    example = ask(server.url + "/models/photos/info")[2]["example"]
    column = next(iter(example))
    broken = {column: base64.b64encode(b"no picture").decode()}
    start = threading.Barrier(8)

    def send(place):
        start.wait()
        return ask(url, broken if place % 4 == 0 else example)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(send, range(8)))
    assert [status for status, _, _ in found] == [422, 200, 200, 200] * 2
    assert "image cannot be read" in json.dumps(found[0][2])


def test_the_document_and_the_pages_are_of_the_scenario(server, run):
    _, _, document = ask(server.url + "/openapi.json")
    body = document["paths"]["/models/tickets/predict"]["post"]["requestBody"]
    row = body["content"]["application/json"]["schema"]["oneOf"][0]
    assert row["required"] == ["text"]
    assert ask(server.url + "/predict", row["example"])[0] == 200
    assert ask(server.url + "/health")[2] == {"status": "ok", "models": ["tickets", "photos"]}
    about = ask(server.url + "/info")[2]
    assert about["metrics"] == run.metrics["test"]
    status, headers, page = ask(server.url + "/")
    assert (status, page.count("<form")) == (200, 2)
    score = run.metrics["test"]["accuracy"]
    assert f"accuracy {score['value']:.3f} [{score['low']:.3f}, " in page
    assert page.count("best baseline") == 2
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    for host in (server.url.removeprefix("http://"), "localhost:80"):
        page = ask(server.url + "/docs", Host=host)[2]
        assert f"@row.json http://{host}/models/tickets/predict" in page
        assert "HOST:PORT" not in page
    assert "<html" in ask(server.url + "/models/tickets/report")[2]
    for name in ("page.js", "page.css"):
        assert ask(f"{server.url}/{name}")[0] == 200


def test_the_page_offers_rows_of_the_test_split_that_the_model_takes(server, run, pictures):
    page = ask(server.url + "/")[2]
    kept = [html.unescape(text) for text in re.findall(r'data-row="([^"]*)"', page)]
    rows = [json.loads(text) for text in kept]
    of_photos = [row for row in rows if "image" in row]
    texts = [row["text"] for row in rows if "text" in row]
    asked = {json.loads(line)["text"] for line in
             (run.path.parent / "in" / "test.jsonl").read_text().splitlines()}  # fmt: skip
    assert len(texts) == 6
    assert set(texts) <= asked
    assert len(of_photos) == 6
    assert ask(server.url + "/models/photos/predict", of_photos[0])[0] == 200
    labels = re.findall(r'data-actual="(\w+) \(test row', page)
    assert {"lying", "standing"} <= set(labels)
    assert page.count('data-threshold="threshold for “lying” 0.') == 1


def test_a_run_without_kept_rows_offers_the_example(run, tmp_path):
    older = shutil.copytree(run.path, tmp_path / "older")
    (older / "logs" / "test_rows.jsonl").unlink()
    with Run(older).serve(block=False, port=0) as started:
        page = ask(started.url)[2]
    assert "data-row" not in page
    assert "The parcel has not come yet" in page


def test_a_key_that_is_asked_for_is_needed_for_all_but_health(run):
    with run.serve(block=False, port=0, api_key=KEY) as started:
        for path in ("/", "/docs", "/openapi.json", "/metrics", "/info", "/report", "/predict"):
            status, headers, _ = ask(started.url + path)
            assert (status, headers["WWW-Authenticate"][:5]) == (401, "Basic")
        wrong = (f"Bearer {KEY}x", "Bearer", "Basic !", f"Digest {KEY}", "Bearer \u00fc")
        for given_key in wrong:
            asked = given_key.encode().decode("latin-1")
            assert ask(started.url + "/info", Authorization=asked)[0] == 401
        basic = base64.b64encode(f"me:{KEY}".encode()).decode()
        for given_key in (f"Bearer {KEY}", f"Basic {basic}"):
            assert ask(started.url + "/info", Authorization=given_key)[0] == 200
        assert ask(started.url + "/health")[0] == 200


def test_it_is_started_once(run):
    def servers():
        return [thread.name for thread in threading.enumerate()].count("server")

    before = servers()
    with run.serve(block=False, port=0) as started:
        assert started.start() is started
        assert servers() == before + 1
        assert ask(started.url + "/health")[0] == 200


def test_in_a_loop_of_a_notebook_it_says_how_to_serve(run):
    async def cell():
        run.serve(port=0)

    with pytest.raises(UserError, match="block=False"):
        asyncio.run(cell())


def test_others_may_ask_with_a_key_alone(run, monkeypatch, capsys):
    monkeypatch.delenv("TOOLKIT_API_KEY", raising=False)
    assert outcome(["serve", str(run.path), "--host", "0.0.0.0", "--port", "0"]) == 2  # noqa: S104 - refused
    assert "TOOLKIT_API_KEY" in capsys.readouterr().err
    monkeypatch.setenv("TOOLKIT_API_KEY", "short")
    assert outcome(["serve", str(run.path), "--port", "0"]) == 2
    assert "16 or more" in capsys.readouterr().err


def test_names_and_ports_and_runs_that_cannot_be_had(run, tmp_path, server):
    assert list(named([str(run.path), f"other={run.path}"])) == ["tickets", "other"]
    for words, told in (
        ([str(run.path)] * 2, "two models"),
        ([f"a b={run.path}"], "NAME=RUN"),
        ([f"x={tmp_path}"], "no run"),
    ):
        with pytest.raises(UserError, match=told):
            named(words)
    taken = int(server.url.rpartition(":")[2])
    with pytest.raises(UserError, match="cannot listen"):
        Server({"a": run}, ServerSettings(port=taken))
    (tmp_path / "half").mkdir()
    record = json.dumps({**run.record, "status": "failed"})
    (tmp_path / "half" / "run.json").write_text(record)
    with pytest.raises(UserError, match="is failed"):
        Server({"a": Run(tmp_path / "half")}, ServerSettings(port=0))


def test_a_request_that_takes_too_long_is_given_up(run):
    with Server({"a": run}, ServerSettings(port=0, timeout=0.2, wait=1.0)) as started:
        status, headers, _ = ask(started.url + "/predict", {"text": "a"})
    assert (status, headers["Retry-After"]) == (503, "1")
