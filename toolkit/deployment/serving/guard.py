"""Checks of every request: host name, API key, size and time limit of the body."""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from toolkit.deployment.serving.settings import ServerSettings

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN = ("/health",)  # for monitoring
LOCAL = re.compile(r"(127\.0\.0\.1|localhost|\[?::1\]?)(:\d+)?")  # a Host header
SECURE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' blob: data:; media-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
# report.html has its style and images inline, and no script.
REPORT = SECURE | {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "media-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
ASK = {"WWW-Authenticate": 'Basic realm="toolkit: any name, and the key as password"'}


class Guard:
    """Refuses requests without the API key, where one is set.

    On loopback it also refuses other host names than this machine's, against DNS rebinding.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        refused = self._refused(scope) if scope["type"] == "http" else None
        await (refused or self.app)(scope, receive, send)

    def _refused(self, scope: Scope) -> JSONResponse | None:
        headers, key = Headers(scope=scope), self.settings.api_key
        if self.settings.on_loopback and not LOCAL.fullmatch(headers.get("host", "")):
            return JSONResponse({"detail": "this server accepts requests to localhost only"}, 421)
        if key is None or scope["path"] in OPEN:
            return None
        if hmac.compare_digest(_key(headers.get("authorization", "")), key.encode()):
            return None
        return JSONResponse({"detail": "API key required: Authorization: Bearer KEY"}, 401, ASK)


def _key(header: str) -> bytes:
    """Return the key of a header: a Bearer token, or the password of basic authentication."""
    kind, _, value = header.partition(" ")
    if kind.lower() == "bearer":
        return value.strip().encode()
    with suppress(ValueError):
        if kind.lower() == "basic":
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    return b""


async def body_of(request: Request, most: int, seconds: float) -> bytes:
    """Return the body of a request for predictions.

    Raises:
        HTTPException: its content type is not JSON, it is larger than `most` bytes, or too slow.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "send JSON, with the header Content-Type: application/json")
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    what = f"the body is larger than {most:,} bytes"
                    raise HTTPException(413, what, {"Connection": "close"})
    except TimeoutError:
        raise HTTPException(408, f"the body did not come within {seconds:g} s") from None
    return bytes(body)
