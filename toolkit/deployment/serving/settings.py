"""Address and limits of a server."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.errors import UserError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SHORTEST_KEY = 16  # characters


@dataclass(frozen=True)
class ServerSettings:
    """Address and limits of a server.

    port: 0 takes a free one. api_key: required for any host but loopback. batch_rows: most rows of
    a batch. wait: seconds that a batch waits for further requests. queue_rows: most rows that wait.
    request_rows, body_bytes, request_pixels: limits of one request. timeout: of a request, in
    seconds. connections: that are open at the same time. head_seconds: from a connection, or a
    request's first byte, to the end of its headers.
    runtime, dtype: as of `toolkit.runs.compute.ComputeConfig`.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str | None = None
    batch_rows: int = 64
    wait: float = 0.005
    queue_rows: int = 2048
    request_rows: int = 256
    body_bytes: int = 10_000_000
    request_pixels: int = 100_000_000
    timeout: float = 30.0
    connections: int = 512
    head_seconds: float = 10.0
    runtime: str = "torch"
    dtype: str = "auto"

    @property
    def queue_pixels(self) -> int:
        """Most pixels of images that wait."""
        return 4 * self.request_pixels

    @property
    def body_room(self) -> int:
        """Most bytes that the bodies of all requests may have together."""
        return 8 * self.body_bytes

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can send requests."""
        return self.host in LOOPBACK

    def check(self) -> None:
        """Raise UserError for an unsuitable key, or where other machines would need none."""
        key = self.api_key
        if key is not None and len(key) < SHORTEST_KEY:
            raise UserError(f"the API key has {len(key)} characters: take {SHORTEST_KEY} or more")
        if key is not None and not (key.isascii() and key.isprintable()):
            raise UserError("the API key must be printable ASCII, as it is sent in a header")
        if not self.on_loopback and key is None:
            raise UserError(
                f"--host {self.host} is open to other machines: set TOOLKIT_API_KEY, which they "
                "must send, or omit --host to serve this machine only"
            )
