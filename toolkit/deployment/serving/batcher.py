"""Requests joined to batches: while a batch is predicted, the next one is collected."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException

from toolkit.deployment.serving.measures import Measures
from toolkit.deployment.serving.settings import ServerSettings

Rows = list[dict[str, Any]]
#: From requests to the predictions of each, or its error.
Work = Callable[[Sequence[Rows]], "list[list[Any] | Exception]"]


def later(status: int, what: str, seconds: float) -> HTTPException:
    """Return a refusal with the seconds after which the client may try again."""
    wait = max(1, round(seconds))
    return HTTPException(status, f"{what}: try again in {wait} s", {"Retry-After": str(wait)})


@dataclass
class _Waiting:
    rows: Rows
    answer: asyncio.Future[list[Any]]
    since: float  # by the clock of the event loop


class Batcher:
    """The queue of one model.

    Args:
        work: predicts; called in `executor`, one batch at a time. A request with more rows than a
            batch may have is a batch of its own.
    """

    def __init__(
        self, name: str, work: Work, executor: Executor, measures: Measures, limits: ServerSettings
    ) -> None:
        self.name, self.work, self.executor = name, work, executor
        self.measures, self.limits = measures, limits
        self._queue: deque[_Waiting] = deque()
        self._rows = 0  # in the queue
        self._arrived = asyncio.Event()
        self._row_seconds = 0.01  # per row, in the last batch
        self._worker: asyncio.Task[None] | None = None  # while requests wait
        measures.waiting.labels(name).set_function(lambda: self._rows)

    async def stop(self) -> None:
        """Complete the waiting requests."""
        if self._worker is not None:
            await self._worker

    async def predict(self, rows: Rows, timeout: float) -> list[Any]:
        """Return one prediction per row.

        Raises:
            HTTPException: too many rows are waiting.
            TimeoutError: it took more than `timeout` seconds.
        """
        if self._rows and self._rows + len(rows) > self.limits.queue_rows:
            raise later(429, "too many rows are waiting", self._rows * self._row_seconds)
        loop = asyncio.get_running_loop()
        job = _Waiting(rows, loop.create_future(), loop.time())
        self._queue.append(job)
        self._rows += len(rows)
        self._arrived.set()
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work_off())
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
        batch, room = list[_Waiting](), self.limits.batch_rows
        while self._queue and (not batch or len(self._queue[0].rows) <= room):
            job = self._queue.popleft()
            self._rows -= len(job.rows)
            if not job.answer.done():
                batch.append(job)
                room -= len(job.rows)
        return batch

    async def _answer(self, batch: list[_Waiting]) -> None:
        given, start = [job.rows for job in batch], time.perf_counter()
        found: list[list[Any] | Exception]
        try:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self.executor, self.work, given)
        except Exception as error:  # passed to all requests of the batch, and logged by the routes
            found = [error] * len(batch)
        seconds, count = time.perf_counter() - start, sum(map(len, given))
        self._row_seconds = seconds / count
        self.measures.batch_rows.labels(self.name).observe(count)
        self.measures.batch_seconds.labels(self.name).observe(seconds)
        for job, answer in zip(batch, found, strict=True):
            if job.answer.done():  # it timed out, or its client disconnected
                continue
            if isinstance(answer, Exception):
                job.answer.set_exception(answer)
            else:
                job.answer.set_result(answer)
