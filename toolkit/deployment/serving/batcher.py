"""Requests joined to batches: while a batch is predicted, the next one gathers."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from toolkit.deployment.serving.measures import Measures

Rows = list[dict[str, Any]]
#: Requests in, for each its predictions, or the error that it alone has met.
Work = Callable[[Sequence[Rows]], "list[list[Any] | Exception]"]


class FullError(Exception):
    """The queue takes no further rows for now. retry_after: seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many rows wait already")
        self.retry_after = retry_after


@dataclass
class _Waiting:
    rows: Rows
    answer: asyncio.Future[list[Any]]
    since: float


class Batcher:
    """The queue of one model.

    Args:
        work: predicts; called in `executor`, one batch at a time.
        batch_rows: rows of a batch at most; a request with more is a batch of its own.
        wait: seconds that a batch which is not full waits for further requests.
        queue_rows: rows that may wait at most.
    """

    def __init__(
        self,
        name: str,
        work: Work,
        executor: Executor,
        measures: Measures,
        *,
        batch_rows: int,
        wait: float,
        queue_rows: int,
    ) -> None:
        self.name, self.work, self.executor, self.measures = name, work, executor, measures
        self.batch_rows, self.wait, self.queue_rows = batch_rows, wait, queue_rows
        self._queue: deque[_Waiting] = deque()
        self._rows = 0  # in the queue
        self._busy = False
        self._arrived = asyncio.Event()
        self._row_seconds = 0.01  # how long a row takes, as it was lately
        self._loop: asyncio.Task[None] | None = None
        measures.waiting.labels(name).set_function(lambda: self._rows)

    def start(self) -> None:
        """Begin to work the queue off, in the running event loop."""
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Predict what waits, and end."""
        while self._queue or self._busy:
            await asyncio.sleep(0.01)
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def predict(self, rows: Rows, timeout: float) -> list[Any]:
        """Return one prediction per row.

        Raises:
            FullError: too many rows wait already.
            TimeoutError: it took more than `timeout` seconds.
        """
        if self._rows and self._rows + len(rows) > self.queue_rows:
            raise FullError(max(1, round(self._rows * self._row_seconds)))
        job = _Waiting(rows, asyncio.get_running_loop().create_future(), time.monotonic())
        self._queue.append(job)
        self._rows += len(rows)
        self._arrived.set()
        return await asyncio.wait_for(job.answer, timeout)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._gathered()
            given = [job.rows for job in batch]
            count = sum(map(len, given))
            start, self._busy = time.perf_counter(), True
            try:
                found = await loop.run_in_executor(self.executor, self.work, given)
            except Exception as error:  # told to all who waited, and logged by the routes
                found = [error] * len(batch)
            seconds = time.perf_counter() - start
            self._row_seconds = seconds / count
            self.measures.batch_rows.labels(self.name).observe(count)
            self.measures.batch_seconds.labels(self.name).observe(seconds)
            for job, answer in zip(batch, found, strict=True):
                if job.answer.done():  # its time is over, or its client has gone
                    continue
                if isinstance(answer, Exception):
                    job.answer.set_exception(answer)
                else:
                    job.answer.set_result(answer)
            self._busy = False

    async def _gathered(self) -> list[_Waiting]:
        """Return the requests of the next batch, as soon as it is full or has waited enough."""
        while True:
            while not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
            over = self._queue[0].since + self.wait
            while self._rows < self.batch_rows and (left := over - time.monotonic()) > 0:
                self._arrived.clear()
                try:
                    await asyncio.wait_for(self._arrived.wait(), left)
                except TimeoutError:
                    break
            batch: list[_Waiting] = []
            count = 0
            while self._queue and (
                not batch or count + len(self._queue[0].rows) <= self.batch_rows
            ):
                job = self._queue.popleft()
                self._rows -= len(job.rows)
                if not job.answer.done():  # whose client has gone is not predicted
                    batch.append(job)
                    count += len(job.rows)
            if batch:
                return batch
