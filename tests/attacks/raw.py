"""Requests byte by byte, for what no client would send."""

from __future__ import annotations

import json
import re
import socket
from contextlib import suppress
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """status: 0 where the server closed without a word. body: JSON, or text."""

    status: int
    headers: str
    body: Any


def connect(server: Any) -> socket.socket:
    """Return a connection that waits no longer than a minute."""
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def request(body: Any = None, path: str = "/predict", method: str = "", **headers: str) -> bytes:
    """Return a request; a header of "" is left out."""
    content = (
        body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    )
    given = {"Host": "localhost", "Content-Type": "application/json", "Connection": "close"}
    given |= {"Content-Length": str(len(content))} if content else {}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method or ('POST' if content else 'GET')} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in given.items() if value]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + content


def reply(client: socket.socket) -> Reply:
    """Return what comes until the server closes the connection."""
    found = b""
    with suppress(ConnectionError):
        while part := client.recv(1 << 16):
            found += part
    head, _, body = found.partition(b"\r\n\r\n")
    told = re.match(rb"HTTP/1\.1 (\d+)", head)
    text = body.decode("utf-8", "replace")
    with suppress(ValueError):
        text = json.loads(text)
    return Reply(int(told[1]) if told else 0, head.decode("latin-1").lower(), text)


def send(server: Any, *parts: bytes) -> Reply:
    """Send bytes as far as the server takes them, and return its answer."""
    with connect(server) as client:
        with suppress(ConnectionError):
            for part in parts:
                client.sendall(part)
        return reply(client)


def is_well(server: Any) -> bool:
    """Return whether a good request is answered, and health says so."""
    good = send(server, request({"text": "my red apple"}))
    return good.status == 200 and send(server, request(path="/health")).status == 200
