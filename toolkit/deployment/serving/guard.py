"""Checks of every request: host name and API key."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from toolkit.deployment.serving.settings import ServerSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN = ("/health",)  # for monitoring
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?", re.IGNORECASE)
LOCAL = ("127.0.0.1", "localhost", "[::1]")
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

    On loopback it also refuses other host names than this machine's, against DNS rebinding. HEAD is
    answered as GET, whose body uvicorn leaves out.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        refused = self._refused(scope) if scope["type"] == "http" else None
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET"}
        await (refused or self.app)(scope, receive, send)

    def _refused(self, scope: Scope) -> JSONResponse | None:
        headers, key = Headers(scope=scope), self.settings.api_key
        if self.settings.on_loopback and not _is_local(headers.getlist("host")):
            return JSONResponse({"detail": "this server accepts requests to localhost only"}, 421)
        if key is None or scope["path"] in OPEN:
            return None
        if hmac.compare_digest(_key(headers.get("authorization", "")), key.encode()):
            return None
        return JSONResponse({"detail": "API key required: Authorization: Bearer KEY"}, 401, ASK)


def _is_local(hosts: Sequence[str]) -> bool:
    """Return whether a request's Host headers are one, of a name of this machine."""
    found = HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    return found is not None and found[1].lower() in LOCAL and int(found[2] or 0) < 1 << 16


def _key(header: str) -> bytes:
    """Return the key of a header: a Bearer token, or the password of basic authentication."""
    kind, _, value = header.partition(" ")
    if kind.lower() == "bearer":
        return value.strip().encode()
    with suppress(ValueError):
        if kind.lower() == "basic":
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    return b""
