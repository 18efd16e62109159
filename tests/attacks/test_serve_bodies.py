"""Bodies that are large, deep, many, compressed, or full of pictures."""

from __future__ import annotations

import base64
import gzip
import json
from contextlib import ExitStack

import pytest
from attacks.raw import connect, is_well, reply, request, send
from image_rows import as_bytes
from PIL import Image

from toolkit.deployment.serving import Server, ServerSettings

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
ROW = {"text": "my red apple"}
PHOTOS = "/models/photos/predict"


@pytest.fixture(scope="module")
def server(finished):
    runs = {"tickets": finished("text-classification"), "photos": finished("image-classification")}
    limits = ServerSettings(port=0, request_rows=8, request_pixels=1_000_000, timeout=20.0)
    with Server(runs, limits) as started:
        yield started


def text_of(found):
    return json.dumps(found.body)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"[" + b"1," * 4_900_000 + b"1]", "more than 1,000,000 values"),
        (b"[" + b"[]," * 900 + b"{}]", "901 rows, of 8 at most"),
        (b"[" + b"1," * 400_000 + b"1]", "400,001 rows, of 8 at most"),
        (b"[" * 4_000_000, "more than 1,000,000 values"),
        (b"[" * 400_000, "recursion"),
        (b'{"a":' * 400_000, "recursion"),
        (b"9" * 9_000_000, "Invalid JSON"),
        (b'"' * 9_000_000, "Invalid JSON"),
        (b'"\\' * 4_500_000, "Invalid JSON"),
        (b'{"text": "' + b"a" * 9_000_000, "Invalid JSON"),
        (json.dumps(dict.fromkeys(map(str, range(300_000)), 1)).encode(), "is missing"),
        (json.dumps({"text": [1] * 900_000}).encode(), "string"),
    ],
    ids=["ones", "rows", "many rows", "deep", "less deep", "deep objects", "a number", "quotes",
         "escapes", "a text without an end", "keys", "a list for a text"],
)  # fmt: skip
def test_large_bodies_are_refused_by_what_they_hold(server, body, told):
    found = send(server, request(body))
    assert found.status == 422
    assert told in text_of(found)[:2000]
    assert is_well(server)


def test_texts_of_nothing_but_what_separates_values_are_texts(server):
    found = send(server, request({"text": ',[{\\"' * 900_000}))
    assert found.status == 200


def test_a_byte_order_mark_and_blanks_are_taken(server):
    body = json.dumps(ROW).encode()
    for sent in (b"\xef\xbb\xbf" + body, b"\r\n\t " + body + b"\n"):
        assert send(server, request(sent)).body["label"]


def test_compressed_bodies_are_not_taken(server):
    for coding in ("gzip", "br", "deflate, gzip", "identity, gzip"):
        found = send(server, request(gzip.compress(b"[]" * 999), Content_Encoding=coding))
        assert (found.status, "Content-Encoding" in text_of(found)) == (415, True)
    assert send(server, request(ROW, Content_Encoding="Identity")).status == 200


@pytest.mark.parametrize("length", ["10000001", "99999999999999999999", "-1", "1e3", "0x10"])
def test_a_length_is_refused_before_anything_of_it_comes(server, length):
    head = request(b" ", Content_Length=length)[:-1]
    assert send(server, head).status in (400, 413)


def test_large_bodies_have_a_limit_together_and_small_ones_room(finished):
    limits = ServerSettings(port=0, body_bytes=100_000, timeout=20.0)
    large = request({"text": "a" * 90_000})
    with (
        Server({"tickets": finished("text-classification")}, limits) as started,
        ExitStack() as opened,
    ):
        half = [opened.enter_context(connect(started)) for _ in range(8)]
        for client in half:
            client.sendall(large[:-1])
        refused = send(started, large, large)
        assert (refused.status, "retry-after: 1" in refused.headers) == (503, True)
        assert is_well(started)
        for client in half:
            client.sendall(large[-1:])
        assert [reply(client).status for client in half] == [200] * 8
        assert send(started, large).status == 200


def photo(*size, mode="RGB", wrap=False):
    content = as_bytes(Image.new(mode, size))
    coded = base64.encodebytes(content) if wrap else base64.b64encode(content)
    return {"image": coded.decode()}


def test_base64_in_lines_is_taken(server):
    given = photo(30, 30, wrap=True)["image"]
    assert "\n" in given
    for text in (given, given.replace("\n", "\r\n"), "data:image/png;base64," + given, f" {given}"):
        assert send(server, request({"image": text}, PHOTOS)).status == 200
    for text in ("====", "a", "\n", "QQ==QQ=="):
        assert send(server, request({"image": text}, PHOTOS)).status == 422


@pytest.mark.parametrize(
    "rows",
    [
        [photo(1001, 1000)],
        [photo(500, 500)] * 5,
        [photo(40_000, 40_000, mode="1")],
        [photo(1, 1_000_001, mode="1")],
    ],
    ids=["one", "several", "a bomb", "narrow"],
)
def test_pictures_have_a_budget_of_pixels(server, rows):
    found = send(server, request(rows, PHOTOS))
    assert (found.status, "pixels, of 1,000,000 at most" in text_of(found)) == (422, True)


def test_pictures_within_the_budget_are_predicted_however_narrow(server):
    rows = [photo(500, 500), photo(14_000, 1), photo(1, 14_000), photo(1, 1)]
    found = send(server, request(rows, PHOTOS))
    assert (found.status, [sorted(one) for one in found.body]) == (
        200, [["label", "score", "scores"]] * 4
    )  # fmt: skip


def test_waiting_pictures_have_a_budget_too():
    import asyncio

    from fastapi import HTTPException

    from toolkit.deployment.serving.batcher import Batcher
    from toolkit.deployment.serving.measures import Measures
    from toolkit.deployment.serving.worker import Worker

    class Model:
        """Says how many requests came together."""

        name = "m"

        def answers(self, requests, wanted):
            return [[len(requests)] * len(rows) for rows in requests]

        def restore(self, afresh):
            """Nothing is to be loaded."""

    async def scenario():
        limits = ServerSettings(wait=0.05, request_pixels=100)
        batcher = Batcher(Model(), Worker(), Measures(), limits)
        tasks = [asyncio.create_task(batcher.predict([{}], 5, 60)) for _ in range(6)]
        await asyncio.sleep(0)
        with pytest.raises(HTTPException) as refused:
            await batcher.predict([{}], 5, 60)
        assert refused.value.status_code == 429
        return [(await task)[0] for task in tasks]

    assert asyncio.run(scenario()) == [1] * 6  # two of them are too many for one batch
