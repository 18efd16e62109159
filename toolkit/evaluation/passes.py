"""Forward passes of batches: on one or several devices, ahead of what is made of their outputs."""

from __future__ import annotations

import logging
import math
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any, TypeVar

from toolkit.evaluation.batches import batch_maker

if TYPE_CHECKING:
    from toolkit.plugin import Plugin

T = TypeVar("T")
AHEAD = 2  # batches that wait for each device, or are computed by it
Rows = list[dict[str, Any]]
log = logging.getLogger("toolkit.evaluation")


@dataclass
class Pass:
    """A batch that a model has been given: its place in the split, rows, tensors, and outputs.

    A GPU may still compute the outputs: what reads them does so inside of `reading`.
    """

    chosen: list[int]
    rows: Rows
    batch: Mapping[str, Any]
    outputs: Any
    done: tuple[Any, Any] | None = None  # on a GPU: it, and the event that they are there

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Wait for these outputs alone, while the GPU goes on with the batches after them.

        What is computed from them goes to a stream of its own.
        """
        import torch

        if self.done is None:
            yield
            return
        device, there = self.done
        beside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        beside.wait_event(there)
        with torch.cuda.stream(beside):
            yield
        beside.synchronize()  # the memory of the outputs may be used again


@dataclass(frozen=True)
class _Lane:
    """A device: its model, what makes batches for it, and the thread that runs it, if any."""

    model: Any
    make: Callable[[Rows], Mapping[str, Any]]
    thread: ThreadPoolExecutor | None

    def submit(self, work: Callable[..., T], *args: Any) -> Future[T]:
        """Start some work in the thread, or do it."""
        import torch

        if self.thread is not None:
            return self.thread.submit(work, *args)
        done = Future[T]()
        try:
            done.set_result(work(*args))
        except torch.OutOfMemoryError as error:
            done.set_exception(error)
        return done


class Passes:
    """The same model on one or several devices, which take batches in turn.

    While GPUs compute, further batches are made, and those before are decoded. Several devices have
    a thread each, in which only `infer` is called; one GPU has no need of it, as it is given its
    work without waiting for the end.

    Args:
        models: one for each device.
        context: what each pass runs in, in its thread.
        divisible: a batch that does not fit into a GPU's memory is halved, as are those after it
            that are as large. Not where ranks have to take the same steps.
    """

    def __init__(
        self,
        plugin: Plugin[Any],
        models: Sequence[Any],
        with_labels: bool,
        context: Callable[[], AbstractContextManager[Any]],
        divisible: bool,
    ) -> None:
        self.plugin, self.context, self.divisible = plugin, context, divisible
        self.makers = [(one, batch_maker(plugin, one, with_labels)) for one in models]
        on_gpu = next(models[0].parameters()).device.type == "cuda"
        self.ahead = AHEAD * len(models) if on_gpu or len(models) > 1 else 0
        self.most = math.inf  # of what `_size` counts, once a batch did not fit

    def of(self, given: Iterable[tuple[list[int], Rows]]) -> Iterator[Pass]:
        """Yield the passes of rows and their places in the split, in order."""
        with ExitStack() as stack:
            several = len(self.makers) > 1
            lanes = [
                _Lane(*one, stack.enter_context(ThreadPoolExecutor(1)) if several else None)
                for one in self.makers
            ]
            waiting: deque[tuple[_Lane, Pass]] = deque()
            for (chosen, rows), lane in zip(given, cycle(lanes), strict=False):
                for part in self._parts(chosen, rows):
                    waiting.append((lane, self._begun(lane, *part)))
                    while len(waiting) > self.ahead:
                        yield from self._ended(*waiting.popleft())
            while waiting:
                yield from self._ended(*waiting.popleft())

    def _begun(self, lane: _Lane, chosen: list[int], rows: Rows) -> Pass:
        batch = lane.make(rows)
        # Whether anybody still waits for the predictions is asked in the context of this thread.
        future = lane.submit(copy_context().run, self._infer, lane.model, batch)
        return Pass(chosen, rows, batch, future)

    def _infer(self, model: Any, batch: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return the outputs, and on a GPU what `Pass.done` says."""
        import torch

        device = next(model.parameters()).device
        on_gpu = device.type == "cuda"
        with ExitStack() as own:  # all of it is a thread's own
            for context in (torch.inference_mode(), self.context()):
                own.enter_context(context)
            if on_gpu:
                own.enter_context(torch.cuda.device(device))
            outputs = self.plugin.infer(model, batch)
            done = (device, torch.cuda.current_stream().record_event()) if on_gpu else None
        return outputs, done

    def _ended(self, lane: _Lane, begun: Pass) -> Iterator[Pass]:
        import torch

        rows = begun.rows
        try:
            begun.outputs, begun.done = begun.outputs.result()
        except torch.OutOfMemoryError as error:
            if not self.divisible or len(rows) < 2:
                raise
            # The frames of the failed pass would hold its tensors while its halves are tried.
            traceback.clear_frames(error.__traceback__)
        else:
            yield begun
            return
        begun.outputs, begun.batch = None, {}
        self.most = min(self.most, _size(rows) / 2)
        log.warning("a batch of %d rows did not fit into memory: it is halved", len(rows))
        for part in self._parts(begun.chosen, rows):
            yield from self._ended(lane, self._begun(lane, *part))

    def _parts(self, chosen: list[int], rows: Rows) -> Iterator[tuple[list[int], Rows]]:
        """Yield rows in parts that fit into memory, by what is known of it."""
        if len(rows) < 2 or _size(rows) <= self.most:
            yield chosen, rows
            return
        half = len(rows) // 2
        yield from self._parts(chosen[:half], rows[:half])
        yield from self._parts(chosen[half:], rows[half:])


def _size(rows: Rows) -> int:
    """Return what a batch takes: its tokens, padding included; or rows, where they have none."""
    return len(rows) * max(int(row.get("length", 1)) for row in rows)
