"""uvicorn: bound, started, drained."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import UserError
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.folder import Run

if TYPE_CHECKING:
    import uvicorn

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SHORTEST_KEY = 16  # characters


@dataclass(frozen=True)
class Settings:
    """How a server is reached, and what it takes.

    port: 0 takes a free one. api_key: needed for any host but loopback. batch_rows: rows of a batch
    at most. wait: seconds that a batch waits for further requests. queue_rows: rows that may wait.
    request_rows, body_bytes: of one request. timeout: seconds until a request is given up.
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
    timeout: float = 30.0
    runtime: str = "torch"
    dtype: str = "float32"

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can ask."""
        return self.host in LOOPBACK

    @property
    def computing(self) -> ComputeConfig:
        """How the models compute."""
        return ComputeConfig(self.runtime, self.dtype)

    def check(self) -> None:
        """Raise UserError where others could ask without a key."""
        if self.api_key is not None and len(self.api_key) < SHORTEST_KEY:
            raise UserError(f"the API key has {len(self.api_key)} characters: take {SHORTEST_KEY} "
                            "or more")  # fmt: skip
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise UserError("the API key holds characters that a header cannot: take printable "
                            "ASCII")  # fmt: skip
        if not self.on_loopback and self.api_key is None:
            raise UserError(
                f"--host {self.host} lets other machines ask: set TOOLKIT_API_KEY to a key that "
                "they must bring, or leave --host away for this machine alone"
            )


class Server:
    """Models that answer on a port.

    Args:
        runs: name -> run; the first of them also answers `/predict`.

    Raises:
        UserError: a run is not finished, the port is taken, or a key is needed.
    """

    def __init__(self, runs: Mapping[str, Run], settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.settings.check()
        _require_libraries()
        import uvicorn

        from toolkit.deployment.serving.app import application

        self._socket = _bound(self.settings)
        try:
            models = _served(runs, self.settings.computing)
            config = uvicorn.Config(
                application(models, self.settings), log_level="warning", access_log=False,
                timeout_graceful_shutdown=round(self.settings.timeout) + 1, server_header=False,
            )  # fmt: skip
        except BaseException:
            self._socket.close()
            raise
        self._uvicorn = _quiet(config)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http://{host}:{self._socket.getsockname()[1]}"

    def run(self) -> None:
        """Answer until SIGINT or SIGTERM, and what is under way at that moment.

        Raises:
            UserError: a loop runs in this thread already, as in notebooks.
            KeyboardInterrupt: a second signal; the rows under way are predicted for nobody.
        """
        if _in_a_loop():
            self._socket.close()
            raise UserError("notebooks have a loop of their own: serve(block=False) answers beside "
                            "it, until stop()")  # fmt: skip
        with _stopped_by_signals(self._uvicorn):
            self._uvicorn.run([self._socket])

    def start(self) -> Server:
        """Answer in a thread, until `stop`; for notebooks and tests."""
        if self._thread is not None:  # `with run.serve(block=False)`
            return self
        self._thread = threading.Thread(target=self._in_thread, name="server", daemon=True)
        self._thread.start()
        while not self._uvicorn.started:
            self._thread.join(0.02)
            if not self._thread.is_alive():
                raise UserError("the server could not be started; its log says why")
        return self

    def stop(self) -> None:
        """End what `start` began; requests that are under way are answered."""
        self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join()
        self._socket.close()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _repr_html_(self) -> str:
        return f'<a href="{self.url}">{self.url}</a>'

    def _in_thread(self) -> None:
        self._uvicorn.run([self._socket])


def _in_a_loop() -> bool:
    """Return whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _require_libraries() -> None:
    """Raise UserError where the extra is not installed."""
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UserError(f"serving needs {error.name}: pip install 'toolkit[serve]'") from None


def _served(runs: Mapping[str, Run], computing: ComputeConfig) -> list[Any]:
    from toolkit.deployment.serving.model import Served
    from toolkit.runs.predictor import load_predictor
    from toolkit.utils.logging import quiet_libraries, quiet_loggers

    unfinished = [run for run in runs.values() if run.status != "finished"]
    if unfinished:
        raise UserError("\n".join(
            f"{run.path} is {run.status}: only a finished run has a model to serve"
            for run in unfinished
        ))  # fmt: skip
    quiet_loggers()
    quiet_libraries()
    return [Served(name, run, load_predictor(run.path, computing)) for name, run in runs.items()]


def _bound(settings: Settings) -> socket.socket:
    """Return a socket that listens."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"cannot listen at {settings.host}:{settings.port}: {why}; --port names "
                        "another port, 0 a free one") from None  # fmt: skip


def _quiet(config: uvicorn.Config) -> uvicorn.Server:
    """Return a server that leaves the process's signals alone."""
    import uvicorn

    class Quiet(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Quiet(config)


@contextlib.contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end the server in order, and the second at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return

    log = logging.getLogger("uvicorn.error")

    def stop(*_: Any) -> None:
        if server.should_exit:
            log.disabled = True  # of what is broken off it would log tracebacks
            raise KeyboardInterrupt
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        log.disabled = False
        for number, handler in before.items():
            signal.signal(number, handler)


def named(texts: Sequence[str]) -> dict[str, Run]:
    """Return name -> run for "NAME=RUN", or "RUN", whose name is its folder's.

    Raises:
        UserError: a folder that is no run, a name that stands twice or has no place in an address.
    """
    found: dict[str, Run] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or Path(text).is_dir():
            name, path = Path(text).resolve().name, text
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise UserError(f"{text}: a model's name is of letters, digits, dots and dashes: say "
                            "NAME=RUN")  # fmt: skip
        if name in found:
            raise UserError(f"two models are called {name!r}: name one as NAME=RUN")
        found[name] = Run(path)
    return found
