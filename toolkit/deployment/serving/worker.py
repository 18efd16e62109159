"""The thread that runs all models: it is noticed when it dies or hangs, and is replaced."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from toolkit.errors import ToolkitError

T = TypeVar("T")
Queue = SimpleQueue["tuple[Future[Any], Callable[[], Any]] | None"]

CLOSING = 1.0  # seconds that a thread has to end its job when the server stops


class DiedError(ToolkitError):
    """A job raised what ends threads or event loops, as the panic of a library in Rust does."""


class HungError(ToolkitError):
    """A job does not end."""


def as_error(error: BaseException) -> Exception:
    """Return an exception that a future can hold, and that ends neither a task nor the loop."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    died = DiedError(f"{type(error).__name__}: {error}")
    died.__cause__ = error
    return died


class Worker:
    """One thread for all models, as several would compete for the same cores.

    A thread cannot be killed: one that hangs is left behind, and another takes its place. At most
    one is left behind at a time, so that no more than two models' memory is held.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._left: threading.Thread | None = None
        self._stuck: Future[Any] | None = None
        self._start()

    async def run(self, job: Callable[[], T], patience: float) -> T:
        """Return what a job returns; one runs at a time.

        Raises:
            DiedError: it raised what is no `Exception`.
            HungError: it, or one before it, has been running for more than `patience` seconds.
        """
        async with self._turn:
            if self._stuck is not None and not self._stuck.done():
                raise HungError("an earlier prediction does not end")
            future: Future[T] = Future()
            self._jobs.put((future, job))
            ended = asyncio.wrap_future(future)
            # asyncio would log the error of a job that ends after it was left behind.
            ended.add_done_callback(lambda one: one.cancelled() or one.exception())
            done, _ = await asyncio.wait([ended], timeout=patience)
            if not done:
                self._leave(future)
                raise HungError(f"a prediction has not ended after {patience:g} s")
            return ended.result()

    def close(self) -> bool:
        """End the thread; return whether it still runs, as nothing can stop it."""
        self._jobs.put(None)
        self._thread.join(CLOSING)
        return self._thread.is_alive() or self._behind

    @property
    def _behind(self) -> bool:
        return self._left is not None and self._left.is_alive()

    def _leave(self, future: Future[Any]) -> None:
        if self._behind:
            self._stuck = future
            return
        self._jobs.put(None)  # for when it comes back
        self._left = self._thread
        self._start()

    def _start(self) -> None:
        self._jobs: Queue = SimpleQueue()
        # A daemon: Python waits for all others before it ends.
        self._thread = threading.Thread(
            target=_work, args=(self._jobs,), name="models", daemon=True
        )
        self._thread.start()


def _work(jobs: Queue) -> None:
    while (given := jobs.get()) is not None:
        future, job = given
        try:
            future.set_result(job())
        except BaseException as error:
            future.set_exception(as_error(error))
        del given, future, job  # they hold rows and predictions until the next ones come
