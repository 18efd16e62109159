"""Host headers that are not this machine's, and HEAD where GET is."""

from __future__ import annotations

import pytest
from attacks.raw import request, send

from toolkit.deployment.serving import Server, ServerSettings

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture(scope="module")
def server(finished):
    with Server({"tickets": finished("text-classification")}, ServerSettings(port=0)) as started:
        yield started


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost", "127.0.0.1", "[::1]", "localhost:1", "127.0.0.1:65535", "[::1]:80"],
)
def test_names_of_this_machine_are_taken(server, host):
    assert send(server, request(path="/health", Host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost:evil.com", "localhost.evil.com", "evil.com", "localhost@evil.com", "localhost:",
        "localhost:99999", "localhost:80:80", "::1", "[::1", "::1]", "[::1].evil.com", "[::1]evil",
        "127.0.0.1.evil.com", "127.0.0.1 evil.com", "localhost/evil.com", "localhost,evil.com",
        "localhost:\xb2", "localhost:+80", "[::]", "",
    ],
)  # fmt: skip
def test_other_names_are_refused(server, host):
    assert send(server, request(path="/health", Host=host)).status in (400, 421)


def test_two_names_are_refused(server):
    for first, second in (("localhost", "evil.com"), ("evil.com", "localhost")):
        sent = request(path="/health", Host=first).replace(
            b"\r\n\r\n", f"\r\nHost: {second}\r\n\r\n".encode()
        )
        assert send(server, sent).status in (400, 421)


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/page.js", "/page.css", "/health", "/metrics", "/info", "/report",
     "/openapi.json", "/models/tickets/info", "/models/tickets/report"],
)  # fmt: skip
def test_head_is_answered_where_get_is_with_its_headers_alone(server, path):
    got, head = (send(server, request(path=path, method=method)) for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (got.status, "") == (200, "")
    kinds = [[line for line in one.headers.split("\r\n") if line.startswith("content-type")]
             for one in (got, head)]  # fmt: skip
    assert kinds[0] == kinds[1] != []


def test_head_is_refused_where_get_is(server):
    assert send(server, request(path="/predict", method="HEAD")).status == 405
    assert send(server, request(path="/nothing", method="HEAD")).status == 404
