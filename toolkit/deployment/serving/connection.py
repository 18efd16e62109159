"""A client's connection: how much it may send, and how long it may take, before anybody is asked.

uvicorn waits for ever for the headers of a request, and holds whatever comes of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from toolkit.deployment.serving.settings import ServerSettings

HEADERS = 100  # of a request, trailers included
HEAD_BYTES = 1 << 15  # of its first line and headers; and between two parts of a body
PIECE = 1 << 14  # bytes that are parsed between two looks at the limits
PIPELINED = 16  # requests that wait for the answer to one before them


class Connection(HttpToolsProtocol):
    """A connection with limits. `settings` and `most` are set by `limited`.

    settings: its timeouts. most: connections that are open at the same time. rank: whether it has
    been of use, and since when it waits; the lowest goes first.
    """

    settings: ServerSettings
    most: int
    _in_body = _began = False
    _idle_bytes = 0  # since something was complete
    _refusal: tuple[int, str] | None = None
    _timer: Any = None
    _running: Any = None  # the request that is answered, of those that came together

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for headers; where all are taken, one that waits makes room."""
        super().connection_made(transport)
        self.rank = False, self.loop.time()
        self._expect_head()
        if len(self.connections) > self.most:
            others: Any = self.connections - {self}
            waiting = [one for one in others if one.is_idle and not one.transport.is_closing()]
            if waiting:
                min(waiting, key=lambda one: one.rank).end()
            else:
                self._refuse(503, f"all {self.most:,} connections are in use")

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request in progress; uvicorn tells the last one, which may wait behind it."""
        self._stop_timer()
        super().connection_lost(exc)
        self.pipeline.clear()
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Parse what came, piece by piece."""
        if self._timer is None and not self._in_body:
            self._expect_head()
        for start in range(0, len(data), PIECE):
            if self.transport.is_closing():
                return
            piece, self._began = data[start : start + PIECE], False
            super().data_received(piece)
            self._idle_bytes = 0 if self._began else self._idle_bytes + len(piece)
            if self._idle_bytes > HEAD_BYTES:
                self._refuse(431, f"more than {HEAD_BYTES:,} bytes of headers")
            elif len(self.pipeline) > PIPELINED:
                self._refuse(429, f"more than {PIPELINED} requests without waiting for an answer")

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._began = True
        if self._timer is None:
            self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        super().on_header(name, value)
        if len(self.headers) > HEADERS:
            self._refusal = 431, f"more than {HEADERS} headers"
            raise ValueError(self._refusal)  # ends the parser, which calls `send_400_response`

    def on_headers_complete(self) -> None:
        """Start the request; the rest of it must come in time, whether anybody reads it or not."""
        self._in_body = self._began = True
        self._start_timer(self.settings.timeout + 1, self.end)
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._began = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the clock: the rest is up to the server."""
        self._in_body, self._began = False, True
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the client to read this response."""
        super().on_response_complete()
        self.rank = True, self.loop.time()
        if self.transport.is_closing():
            self._start_timer(self.settings.timeout, self.transport.abort)
        elif self._in_body and self._timer is None:  # of which nobody wants the rest
            self._start_timer(self.settings.timeout, self.end)

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not for ever."""
        super().pause_writing()
        self._start_timer(self.settings.timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        self._stop_timer()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection without a further request."""
        self.end()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser does not take."""
        self._refuse(*(self._refusal or (400, msg)))

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress."""
        return self.cycle is None or self.cycle.response_complete

    def end(self) -> None:
        """Close it when what was written has been sent, at the latest after the timeout."""
        self._stop_timer()
        self.transport.close()
        self._start_timer(self.settings.timeout, self.transport.abort)

    def _expect_head(self) -> None:
        self._start_timer(self.settings.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        if not self.is_idle:  # the headers of a next request, while one is answered
            self._expect_head()
        elif self._idle_bytes or self.headers:
            self._refuse(408, f"no headers within {self.settings.head_seconds:g} s")
        else:
            self.end()

    def _refuse(self, status: int, what: str) -> None:
        if self.transport.is_closing():
            return
        if self.is_idle:  # else it would stand in the middle of another answer
            body = json.dumps({"detail": what}).encode()
            kind, size = b"content-type: application/json", b"content-length: %d" % len(body)
            lines = [STATUS_LINE[status] + kind, size, b"connection: close", b"", body]
            self.transport.write(b"\r\n".join(lines))
        self.end()

    def _start_timer(self, seconds: float, action: Callable[[], object]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, action)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def limited(settings: ServerSettings) -> type[Connection]:
    """Return the class of connections with these limits, and those of this process's open files."""
    most = settings.connections
    try:
        import resource
    except ImportError:  # Windows
        pass
    else:  # a request may open a file beside its connection
        most = min(most, max(4, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100) // 2))
    return type("LimitedConnection", (Connection,), {"settings": settings, "most": most})
