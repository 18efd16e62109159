"""Bodies of requests: received within limits, and read outside of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from fastapi import HTTPException

from toolkit.deployment.serving.batcher import later
from toolkit.deployment.serving.settings import ServerSettings

if TYPE_CHECKING:
    from starlette.requests import Request

T = TypeVar("T")
SMALL = 1 << 15  # bytes: these are read at once, and always have room


class Bodies:
    """Receives and reads bodies; all that are in work have a limit together."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self._held = 0  # bytes of the bodies that are not small
        # One at a time: what is read takes several times the memory of its text.
        self._reader = ThreadPoolExecutor(1, "bodies")

    @asynccontextmanager
    async def of(self, request: Request) -> AsyncIterator[bytes]:
        """Hold the body of a request.

        Raises:
            HTTPException: it is no JSON, compressed, too large, too slow, or there is no room.
        """
        self._check(request)
        body = bytearray()
        try:
            await self._receive(request, body)
            yield bytes(body)
        finally:
            self._held -= _counted(body)

    async def read(self, body: bytes, reader: Callable[[bytes], T]) -> T:
        """Return what a reader makes of a body."""
        if len(body) <= SMALL:
            return reader(body)
        return await asyncio.get_running_loop().run_in_executor(self._reader, reader, body)

    def close(self) -> None:
        """End the thread that reads."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    async def _receive(self, request: Request, body: bytearray) -> None:
        seconds = self.settings.timeout
        try:
            async with asyncio.timeout(seconds):
                async for part in request.stream():
                    before = _counted(body)
                    body += part
                    self._held += _counted(body) - before
                    self._check_size(len(body))
                    if _counted(body) and self._held > self.settings.body_room:
                        raise later(503, "too many large requests", 1)
        except TimeoutError:
            what = f"the body did not come within {seconds:g} s"
            raise HTTPException(408, what, {"Connection": "close"}) from None

    def _check(self, request: Request) -> None:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise HTTPException(415, "send JSON, with the header Content-Type: application/json")
        coded = request.headers.get("content-encoding", "identity").strip().lower()
        if coded != "identity":
            raise HTTPException(415, f"send the body as it is, without Content-Encoding: {coded}")
        length = request.headers.get("content-length", "0")
        self._check_size(int(length) if length.isdecimal() else 0)

    def _check_size(self, size: int) -> None:
        if size > self.settings.body_bytes:
            what = f"the body is larger than {self.settings.body_bytes:,} bytes"
            raise HTTPException(413, what, {"Connection": "close"})


def _counted(body: bytearray) -> int:
    return len(body) if len(body) > SMALL else 0
