"""uvicorn: bound, started, drained."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.deployment.serving.settings import ServerSettings
from toolkit.errors import Fault, UserError
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.folder import Run
from toolkit.utils.packages import extra

if TYPE_CHECKING:
    import uvicorn


class Server:
    """Models served on a port.

    Args:
        runs: name -> run; the first of them is also at `/predict`.

    Raises:
        UserError: a run is not finished, the port is taken, or a key is needed.
    """

    def __init__(self, runs: Mapping[str, Run], settings: ServerSettings | None = None) -> None:
        self.settings = settings or ServerSettings()
        self.settings.check()
        try:
            import uvicorn

            from toolkit.deployment.serving.app import application
            from toolkit.deployment.serving.connection import limited
        except ImportError as error:
            raise UserError(f"serving needs {error.name}: {extra('serve')}") from None

        self._socket = _bound(self.settings)
        try:
            models = _served(runs, ComputeConfig(self.settings.runtime, self.settings.dtype))
            self._app = application(models, self.settings)
            # Malformed requests are warnings of its logger, and anybody may send them.
            config = uvicorn.Config(
                self._app, http=limited(self.settings), ws="none", log_level="error",
                timeout_graceful_shutdown=round(self.settings.timeout) + 1, server_header=False,
                access_log=False,
            )  # fmt: skip
        except BaseException:
            self._socket.close()
            raise
        self._uvicorn = _stopped_by_signals(config)
        self._thread: threading.Thread | None = None

    @property
    def hangs(self) -> bool:
        """Whether a prediction still runs in a server that has stopped: nothing can end it."""
        return bool(getattr(self._app.state, "hangs", False))

    @property
    def url(self) -> str:
        """Its address."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http://{host}:{self._socket.getsockname()[1]}"

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM, and complete the requests in progress.

        Raises:
            UserError: an event loop runs in this thread already, as in notebooks.
            KeyboardInterrupt: a second signal; requests in progress are dropped.
        """
        with contextlib.suppress(RuntimeError):  # there is none
            asyncio.get_running_loop()
            self._socket.close()
            raise UserError("notebooks have an event loop already: use serve(block=False), and "
                            "stop() to end it")  # fmt: skip
        self._uvicorn.run([self._socket])

    def start(self) -> Server:
        """Serve in a thread, until `stop`; for notebooks and tests."""
        if self._thread is not None:  # `with run.serve(block=False)`
            return self
        self._thread = threading.Thread(
            target=self._uvicorn.run, args=([self._socket],), name="server", daemon=True
        )
        self._thread.start()
        while not self._uvicorn.started:
            self._thread.join(0.02)
            if not self._thread.is_alive():
                raise UserError("the server could not be started; its log has the reason")
        return self

    def stop(self) -> None:
        """Stop serving; requests in progress are completed."""
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
    if faults := [Fault("", f"{run.path} is {run.state}: {what}")
                  for run in runs.values() if run.status != "finished"]:  # fmt: skip
        raise UserError(faults)
    quiet_loggers()
    quiet_libraries()
    return [Served(name, run, partial(load_predictor, run.path, computing))
            for name, run in runs.items()]  # fmt: skip


def _bound(settings: ServerSettings) -> socket.socket:
    """Return a listening socket."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"cannot listen at {settings.host}:{settings.port}: {why}; choose another "
                        "--port, 0 for a free one") from None  # fmt: skip


def _stopped_by_signals(config: uvicorn.Config) -> uvicorn.Server:
    """Return a server that shuts down at the first SIGINT or SIGTERM, and aborts at the second.

    uvicorn's own raises the signal again after its shutdown.
    """
    import uvicorn

    class Stopped(uvicorn.Server):
        def handle_exit(self, *_: Any) -> None:
            if self.should_exit:
                # It would log tracebacks of aborted requests. The next server's Config undoes it.
                logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
                raise KeyboardInterrupt
            self.should_exit = True

    return Stopped(config)


def named(texts: Sequence[str]) -> dict[str, Run]:
    """Return name -> run for "NAME=RUN", or "RUN", whose name is its folder's.

    Raises:
        UserError: a folder that is no run, or a name that is repeated or unfit for a URL.
    """
    found: dict[str, Run] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or Path(text).is_dir():
            name, path = Path(text).resolve().name, text
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise UserError(f"{text}: a model's name may have letters, digits, dots and dashes: "
                            "write NAME=RUN")  # fmt: skip
        if name in found:
            raise UserError(f"two models are called {name!r}: name one as NAME=RUN")
        found[name] = Run(path)
    return found
