"""What no request gets past: the name of the host, the key, and the size and time of a body."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from toolkit.deployment.serving.server import LOOPBACK

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN = ("/health",)  # for whoever watches over the process
SECURE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
# report.html brings its style and pictures along, and no script.
REPORT = SECURE | {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}


class RefusedError(Exception):
    """A request that is not answered as asked. detail: a text, or a list of problems."""

    def __init__(self, status: int, detail: Any, **headers: str) -> None:
        super().__init__(str(detail))
        self.status, self.detail = status, detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> JSONResponse:
        """Return it as clients see it."""
        return JSONResponse({"detail": self.detail}, self.status, self.headers)


class Guard:
    """Lets requests through that name this host and bring the key.

    Args:
        key: None where anybody on this machine may ask.
        own_names: whether only names of this machine are let through: pages from elsewhere, whose
            name someone has pointed here, are not (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, key: str | None, own_names: bool) -> None:
        self.app, self.key, self.own_names = app, key, own_names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the application's place, or let it answer."""
        if scope["type"] == "http":
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            try:
                self._check(scope["path"], headers)
            except RefusedError as refused:
                await refused.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _check(self, path: str, headers: dict[bytes, str]) -> None:
        if self.own_names and _host(headers.get(b"host", "")) not in LOOPBACK:
            raise RefusedError(421, "this server answers to localhost alone")
        if self.key is None or path in OPEN:
            return
        given = _given_key(headers.get(b"authorization", ""))
        if given is None or not hmac.compare_digest(given.encode(), self.key.encode()):
            raise RefusedError(
                401,
                "a key is needed: Authorization: Bearer KEY",
                WWW_Authenticate='Basic realm="toolkit: any name, and the key as password"',
            )


def _host(header: str) -> str:
    """Return the name in a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if header.count(":") == 1 else header


def _given_key(header: str) -> str | None:
    """Return the key of a header: a Bearer's, or the password that a browser has asked for."""
    kind, _, value = header.partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            text = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            return None
        return text.partition(":")[2]
    return None


async def body_of(request: Request, most: int, seconds: float) -> bytes:
    """Return the body of a request for predictions.

    Raises:
        RefusedError: it is no JSON by its header, larger than `most` bytes, or too slow to come.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusedError(415, "send JSON, with the header Content-Type: application/json")
    too_large = RefusedError(413, f"the body is larger than {most:,} bytes", Connection="close")
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > most:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise RefusedError(408, f"the body did not come within {seconds:g} s") from None
    return b"".join(parts)
