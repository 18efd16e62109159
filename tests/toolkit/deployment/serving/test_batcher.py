"""The queue of one model: joined, bounded, and nobody pays for another."""

from __future__ import annotations

import asyncio
import threading

import pytest
from fastapi import HTTPException

from toolkit.deployment.serving.batcher import Batcher
from toolkit.deployment.serving.measures import Measures
from toolkit.deployment.serving.settings import ServerSettings
from toolkit.deployment.serving.worker import Worker


class Work:
    """Doubles numbers; waits at a gate, and remembers the sizes of its batches."""

    name = "m"

    def __init__(self):
        self.gate, self.entered, self.sizes = threading.Event(), threading.Event(), []

    def restore(self, afresh):
        """Nothing is to be loaded."""

    def answers(self, requests, wanted):
        self.entered.set()
        self.gate.wait(10)
        self.sizes.append([len(rows) for rows in requests])
        return [
            ValueError("odd") if any(row["n"] < 0 for row in rows) else [2 * r["n"] for r in rows]
            for rows in requests
        ]


def rows(*numbers):
    return [{"n": number} for number in numbers]


def with_batcher(scenario, **limits):
    async def main():
        work, worker = Work(), Worker()
        given = {"batch_rows": 4, "wait": 0.0, "queue_rows": 6, **limits}
        batcher = Batcher(work, worker, Measures(), ServerSettings(**given))
        try:
            return await scenario(batcher, work)
        finally:
            work.gate.set()
            await batcher.stop()
            assert not worker.close()

    return asyncio.run(main())


async def behind_the_gate(batcher, work, *requests):
    """Send one row that the model is busy with, and the requests behind it."""
    first = asyncio.create_task(batcher.predict(rows(1), 5))
    await asyncio.to_thread(work.entered.wait)
    others = [asyncio.create_task(batcher.predict(request, 5)) for request in requests]
    await asyncio.sleep(0)
    return first, others


def test_what_gathers_meanwhile_is_predicted_together_and_in_order():
    async def scenario(batcher, work):
        first, others = await behind_the_gate(batcher, work, rows(2), rows(3, 4), rows(5, 6))
        work.gate.set()
        found = [await first, *[await other for other in others]]
        assert found == [[2], [4], [6, 8], [10, 12]]
        assert work.sizes == [[1], [1, 2], [2]]  # at most four rows together

    with_batcher(scenario)


def test_a_batch_that_is_not_full_waits_for_others():
    async def scenario(batcher, work):
        work.gate.set()
        one = asyncio.create_task(batcher.predict(rows(1), 5))
        await asyncio.sleep(0.05)
        assert not one.done()
        assert await batcher.predict(rows(2, 3, 4), 5) == [4, 6, 8]  # now it is full
        assert await one == [2]
        assert work.sizes == [[1, 3]]

    with_batcher(scenario, wait=60.0)


def test_a_request_larger_than_a_batch_is_one_of_its_own():
    async def scenario(batcher, work):
        work.gate.set()
        assert await batcher.predict(rows(*range(9)), 5) == [2 * n for n in range(9)]
        assert work.sizes == [[9]]

    with_batcher(scenario)


def test_more_than_may_wait_is_refused_with_a_time_to_come_again():
    async def scenario(batcher, work):
        first, others = await behind_the_gate(batcher, work, rows(2, 3, 4), rows(5, 6))
        with pytest.raises(HTTPException) as error:
            await batcher.predict(rows(7, 8), 5)
        assert int(error.value.headers["Retry-After"]) >= 1
        work.gate.set()
        assert [await first, *[await o for o in others]] == [[2], [4, 6, 8], [10, 12]]

    with_batcher(scenario)


def test_who_has_gone_is_not_predicted():
    async def scenario(batcher, work):
        first, others = await behind_the_gate(batcher, work, rows(2), rows(3))
        with pytest.raises(TimeoutError):
            await batcher.predict(rows(4), 0.01)
        others[0].cancel()
        work.gate.set()
        assert (await first, await others[1]) == ([2], [6])
        assert work.sizes == [[1], [1]]

    with_batcher(scenario)


def test_an_error_belongs_to_its_request():
    async def scenario(batcher, work):
        first, others = await behind_the_gate(batcher, work, rows(-1), rows(2))
        work.gate.set()
        with pytest.raises(ValueError, match="odd"):
            await others[0]
        assert (await first, await others[1]) == ([2], [4])

    with_batcher(scenario)


def test_stop_answers_what_waits():
    async def scenario(batcher, work):
        first, others = await behind_the_gate(batcher, work, rows(2), rows(3, 4, 5, 6))
        stopping = asyncio.create_task(batcher.stop())
        await asyncio.sleep(0.02)
        work.gate.set()
        await stopping
        assert [first.result(), others[0].result(), others[1].result()] == [
            [2], [4], [6, 8, 10, 12],
        ]  # fmt: skip

    with_batcher(scenario)
