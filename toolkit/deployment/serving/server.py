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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.deployment.serving.settings import ServerSettings
from toolkit.errors import Fault, UserError
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.folder import Run

if TYPE_CHECKING:
    import uvicorn


class Server:
    """Models that answer on a port.

    Args:
        runs: name -> run; the first of them also answers `/predict`.

    Raises:
        UserError: a run is not finished, the port is taken, or a key is needed.
    """

    def __init__(self, runs: Mapping[str, Run], settings: ServerSettings | None = None) -> None:
        self.settings = settings or ServerSettings()
        self.settings.check()
        try:
            import uvicorn

            from toolkit.deployment.serving.app import application
        except ImportError as error:
            raise UserError(f"serving needs {error.name}: pip install 'toolkit[serve]'") from None

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
        self._uvicorn = _stopped_by_signals(config)
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
        with contextlib.suppress(RuntimeError):  # there is none
            asyncio.get_running_loop()
            self._socket.close()
            raise UserError("notebooks have a loop of their own: serve(block=False) answers beside "
                            "it, until stop()")  # fmt: skip
        self._uvicorn.run([self._socket])

    def start(self) -> Server:
        """Answer in a thread, until `stop`; for notebooks and tests."""
        if self._thread is not None:  # `with run.serve(block=False)`
            return self
        self._thread = threading.Thread(
            target=self._uvicorn.run, args=([self._socket],), name="server", daemon=True
        )
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


def _served(runs: Mapping[str, Run], computing: ComputeConfig) -> list[Any]:
    from toolkit.deployment.serving.model import Served
    from toolkit.runs.predictor import load_predictor
    from toolkit.utils.logging import quiet_libraries, quiet_loggers

    what = "only a finished run has a model to serve"
    if faults := [Fault("", f"{run.path} is {run.status}: {what}")
                  for run in runs.values() if run.status != "finished"]:  # fmt: skip
        raise UserError(faults)
    quiet_loggers()
    quiet_libraries()
    return [Served(name, run, load_predictor(run.path, computing)) for name, run in runs.items()]


def _bound(settings: ServerSettings) -> socket.socket:
    """Return a socket that listens."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"cannot listen at {settings.host}:{settings.port}: {why}; --port names "
                        "another port, 0 a free one") from None  # fmt: skip


def _stopped_by_signals(config: uvicorn.Config) -> uvicorn.Server:
    """Return a server that the first SIGINT or SIGTERM ends in order, and the second at once.

    uvicorn's own sends the signal to the process again when all is answered.
    """
    import uvicorn

    class Stopped(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            log.disabled = False
            if threading.current_thread() is not threading.main_thread():
                yield  # signals are the main thread's
                return
            numbers = (signal.SIGINT, signal.SIGTERM)
            before = {number: signal.signal(number, self.handle_exit) for number in numbers}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        def handle_exit(self, *_: Any) -> None:
            if self.should_exit:
                log.disabled = True  # of what is broken off it would log tracebacks
                raise KeyboardInterrupt
            self.should_exit = True

    log = logging.getLogger("uvicorn.error")
    return Stopped(config)


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
