"""Connections that are slow, half open, many, or that send headers without an end."""

from __future__ import annotations

import resource
import socket
import time
from contextlib import ExitStack, suppress

import pytest
from attacks.raw import connect, is_well, reply, request, send

from toolkit.deployment.serving import Server, ServerSettings

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
KEY = "a key that is long enough"


@pytest.fixture(scope="module")
def server(finished):
    limits = ServerSettings(port=0, timeout=2.0, head_seconds=0.5, connections=12, wait=0.0)
    with Server({"tickets": finished("text-classification")}, limits) as started:
        yield started


@pytest.fixture(scope="module")
def locked(finished):
    """A server that asks for a key."""
    limits = ServerSettings(port=0, head_seconds=0.5, api_key=KEY)
    with Server({"tickets": finished("text-classification")}, limits) as started:
        yield started


def drip(client, text):
    """Send a byte at a time until the server has had enough."""
    with suppress(OSError):
        for byte in text:
            client.sendall(bytes([byte]))
            time.sleep(0.05)


def test_headers_that_come_byte_by_byte_are_not_waited_for(locked):
    with connect(locked) as client:
        drip(client, request(path="/health", X_Filler="a" * 200))
        assert reply(client).status == 408


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET", b"GET /health HTTP/1.1\r\nHost: localh"])
def test_half_open_connections_are_closed(locked, sent):
    with connect(locked) as client:
        client.sendall(sent)
        assert reply(client).status in (0, 408)


def test_one_that_was_of_use_is_closed_when_it_sends_line_ends_alone(locked):
    with connect(locked) as client:
        client.sendall(request(path="/health", Connection="keep-alive"))
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")
        drip(client, b"\r\n" * 30)
        assert reply(client).status in (0, 408)


@pytest.mark.parametrize(
    "sent",
    [
        request(path="/health", **{f"X_{n}": "a" for n in range(200)}),
        request(path="/health", X_Long="a" * 100_000),
        request(path="/" + "a" * 100_000),
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 5_000_000,
        b"a" * 5_000_000,
        b"GET /health HTTP/1.1\r\n" + b"X" * 5_000_000,
    ],
    ids=["many", "long", "a long path", "endless", "no method", "a name without an end"],
)
def test_headers_have_a_limit_before_the_key_is_asked_for(locked, sent):
    assert send(locked, sent).status in (400, 431)
    assert send(locked, request(path="/info")).status == 401


CHUNKED = {"Transfer_Encoding": "chunked", "Content_Length": ""}
HEAD = request(b" ", **CHUNKED)[:-1]
BODY = b'{"text": "my red apple"}'


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def test_chunked_bodies_are_taken_of_any_size_of_chunks(server):
    for parts in ([BODY], [bytes([byte]) for byte in BODY]):
        assert send(server, HEAD + chunks(*parts, b"")).status == 200
    trailer = chunks(BODY) + b"0\r\nX-Sum: 1\r\n\r\n"
    assert send(server, HEAD + trailer).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        chunks(BODY) + b"0\r\n" + b"X: a\r\n" * 200 + b"\r\n",
        chunks(BODY) + b"0\r\nX: " + b"a" * 5_000_000,
        b"1;" + b"a" * 5_000_000,
        b"zz\r\n",
        b"ffffffffffffffffff\r\n",
    ],
    ids=["trailers", "a long trailer", "a long extension", "no size", "a size beyond all bounds"],
)
def test_chunks_without_a_body_have_a_limit(server, sent):
    assert send(server, HEAD + sent).status in (0, 200, 400, 413, 431)
    assert is_well(server)


def test_more_connections_than_there_may_be_cost_the_idle_ones(server):
    with ExitStack() as opened:
        for _ in range(40):
            opened.enter_context(connect(server))
            assert is_well(server)


def test_busy_connections_are_not_closed_for_new_ones(finished):
    limits = ServerSettings(port=0, connections=3, wait=1.0)
    with (
        Server({"tickets": finished("text-classification")}, limits) as started,
        ExitStack() as opened,
    ):
        busy = [opened.enter_context(connect(started)) for _ in range(3)]
        for client in busy:
            client.sendall(request({"text": "a heron"}))
        time.sleep(0.2)
        refused = send(started, request(path="/health"))
        assert (refused.status, refused.body["detail"]) == (503, "all 3 connections are in use")
        assert [reply(client).status for client in busy] == [200] * 3


def test_a_body_that_nobody_reads_does_not_hold_the_connection(server):
    with connect(server) as client:
        client.sendall(request(path="/health", Content_Length="1000", Connection="keep-alive"))
        drip(client, b"a" * 100)
        with suppress(ConnectionError):
            while client.recv(1 << 16):
                pass


def test_a_slow_body_is_not_waited_for(server):
    with connect(server) as client:
        client.sendall(request(BODY)[:-10])
        assert reply(client).status == 408


def test_a_flood_of_requests_without_waiting_for_answers_is_refused(server):
    send(server, request(path="/health", Connection="keep-alive") * 5000)
    assert is_well(server)


def test_an_upgrade_and_a_tunnel_are_not_taken(server):
    for sent in (
        request(path="/health", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Key="a"),
        b"CONNECT evil:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ):
        assert send(server, sent).status in (0, 200, 400, 404, 405)
    assert is_well(server)


def test_a_client_that_reads_no_answer_does_not_hold_the_server(server, finished):
    report = finished("text-classification").report.stat().st_size
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = server.url.removeprefix("http://").split(":")
        client.connect((host, int(port)))
        with suppress(OSError):
            for _ in range(2 + 8_000_000 // report):
                client.sendall(request(path="/report", Connection="keep-alive"))
        assert is_well(server)


def test_open_files_leave_room_for_connections(finished):
    from toolkit.deployment.serving.connection import limited

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
    try:
        assert limited(ServerSettings()).most == 100
        assert limited(ServerSettings(connections=9)).most == 9
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
