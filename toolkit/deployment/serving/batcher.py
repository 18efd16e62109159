"""Requests joined to batches: while a batch is predicted, the next one is collected."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from fastapi import HTTPException

from toolkit.deployment.serving.measures import Measures
from toolkit.deployment.serving.settings import ServerSettings
from toolkit.deployment.serving.worker import DiedError, HungError, Worker

Rows = list[dict[str, Any]]
RESTORING = 600.0  # seconds that a model may take to be loaded again
log = logging.getLogger("toolkit.deployment.serving")


class Model(Protocol):
    """What a batcher needs of a model; all of it is called in the worker's thread."""

    name: str

    def answers(
        self, requests: Sequence[Rows], wanted: Callable[[], bool]
    ) -> Sequence[Sequence[Any] | Exception]:
        """Return the predictions of each request, or its error.

        Args:
            wanted: whether anybody still waits for one of them.
        """
        ...

    def restore(self, afresh: bool) -> None:
        """See to it that the model predicts; raise where it cannot.

        Args:
            afresh: load it again in any case.
        """
        ...


def later(status: int, what: str, seconds: float) -> HTTPException:
    """Return a refusal with the seconds after which the client may try again."""
    wait = max(1, round(seconds))
    return HTTPException(status, f"{what}: try again in {wait} s", {"Retry-After": str(wait)})


@dataclass
class _Waiting:
    rows: Rows
    pixels: int
    answer: asyncio.Future[list[Any]]
    since: float  # by the clock of the event loop


class Batcher:
    """The queue of one model.

    A request with more rows than a batch may have is a batch of its own.

    fault: why the model cannot predict at present; "" where it can.
    """

    def __init__(
        self, model: Model, worker: Worker, measures: Measures, limits: ServerSettings
    ) -> None:
        self.model, self.worker = model, worker
        self.measures, self.limits = measures, limits
        self.fault = ""
        self._afresh = False  # what was left hanging may still use the model
        self._queue: deque[_Waiting] = deque()
        self._running: list[_Waiting] = []
        self._rows = self._pixels = 0  # in the queue
        self._arrived = asyncio.Event()
        self._row_seconds = 0.01  # per row, in the last batch
        self._task: asyncio.Task[None] | None = None  # while requests wait
        measures.waiting.labels(model.name).set_function(lambda: self._rows)

    async def stop(self) -> None:
        """Complete the waiting requests; give up what nobody waits for, or what hangs."""
        waiting = [job.answer for job in (*self._running, *self._queue) if not job.answer.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=self.limits.timeout)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def predict(self, rows: Rows, timeout: float, pixels: int = 0) -> list[Any]:
        """Return one prediction per row.

        Args:
            pixels: of all images in the rows.

        Raises:
            HTTPException: too many rows or pixels are waiting.
            TimeoutError: it took more than `timeout` seconds.
        """
        if self._rows and (
            self._rows + len(rows) > self.limits.queue_rows
            or self._pixels + pixels > self.limits.queue_pixels
        ):
            raise later(429, "too many rows are waiting", self._rows * self._row_seconds)
        loop = asyncio.get_running_loop()
        job = _Waiting(rows, pixels, loop.create_future(), loop.time())
        self._queue.append(job)
        self._rows += len(rows)
        self._pixels += pixels
        self._arrived.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work_off())
        return await asyncio.wait_for(job.answer, timeout)

    async def _work_off(self) -> None:
        while self._queue:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._queue[0].since + self.limits.wait):
                    while self._rows < self.limits.batch_rows:
                        self._arrived.clear()
                        await self._arrived.wait()
            if batch := self._next():
                await self._answer(batch)

    def _next(self) -> list[_Waiting]:
        """Take the next batch from the queue, without requests whose client has disconnected."""
        batch, room, pixels = list[_Waiting](), self.limits.batch_rows, self.limits.request_pixels
        while self._queue and (
            not batch or (len(self._queue[0].rows) <= room and self._queue[0].pixels <= pixels)
        ):
            job = self._queue.popleft()
            self._rows -= len(job.rows)
            self._pixels -= job.pixels
            if not job.answer.done():
                batch.append(job)
                room -= len(job.rows)
                pixels -= job.pixels
        return batch

    async def _answer(self, batch: list[_Waiting]) -> None:
        start, self._running = time.perf_counter(), batch
        if self.fault:
            await self._restore()
        found = await self._found(batch)
        seconds, count = time.perf_counter() - start, sum(len(job.rows) for job in batch)
        self._row_seconds = seconds / count
        self.measures.batch_rows.labels(self.model.name).observe(count)
        self.measures.batch_seconds.labels(self.model.name).observe(seconds)
        for job, answer in zip(batch, found, strict=True):
            if job.answer.done():  # it timed out, or its client disconnected
                continue
            if isinstance(answer, Exception):
                job.answer.set_exception(answer)
            else:
                job.answer.set_result(list(answer))
        self._running = []
        if ill := next((one for one in found if isinstance(one, DiedError | HungError)), None):
            self.fault, self._afresh = str(ill), self._afresh or isinstance(ill, HungError)
            log.error("%s: the model's thread failed: %s", self.model.name, ill, exc_info=ill)
            await self._restore()

    async def _found(self, batch: list[_Waiting]) -> Sequence[Sequence[Any] | Exception]:
        def wanted() -> bool:
            return not all(job.answer.done() for job in batch)

        work = partial(self.model.answers, [job.rows for job in batch], wanted)
        try:
            # All of them came before it began: after one timeout nobody waits for it any more, and
            # after two it has not even noticed that.
            return await self.worker.run(work, 2 * self.limits.timeout)
        except Exception as error:  # passed to all requests of the batch, and logged by the routes
            return [error] * len(batch)

    async def _restore(self) -> None:
        try:
            await self.worker.run(partial(self.model.restore, self._afresh), RESTORING)
        except Exception as error:
            self.fault = str(error) or type(error).__name__
            log.exception("%s: the model could not be restored", self.model.name)
        else:
            self.fault, self._afresh = "", False
