"""CUDA graphs of a function: captured once, launched as one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

Run = Callable[[], None]


class CudaGraphs:
    """Captures functions into graphs that share one pool of memory.

    They may: one graph runs at a time, and what a function gives back it writes into tensors from
    outside.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.stream = device, torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's
        self.pool: Any = torch.cuda.graph_pool_handle()

    def warm_up(self, run: Run) -> None:
        """Run a function as it is, on the stream that captures: libraries set themselves up."""
        here = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            run()
        here.wait_stream(self.stream)

    def capture(self, run: Run) -> Run:
        """Return what launches the function's kernels again, on the same addresses.

        Raises:
            RuntimeError: the function does something that a graph cannot hold.
        """
        graph, before = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self.device)
        # Of this thread alone: others, which pin memory for batches to come, may go on.
        recording = torch.cuda.graph(
            graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"
        )
        first: BaseException | None = None
        try:
            with recording:
                try:
                    run()
                except BaseException as error:
                    first = error
                    raise
        except BaseException as error:  # of the broken capture's end, maybe
            torch.cuda.set_stream(before)  # torch leaves its own one set
            graph.reset()
            # It may have stayed "capturing", and then never gives cached blocks back.
            with suppress(RuntimeError, AttributeError):
                torch._C._cuda_endAllocateToPool(self.device.index or 0, self.pool)
                torch._C._cuda_releasePool(self.device.index or 0, self.pool)
            self._renew_generator()
            raise first or error from None
        return graph.replay

    def _renew_generator(self) -> None:
        """Give the device's generator a state that takes part in no broken capture."""
        generator = torch.cuda.default_generators[self.device.index or 0]
        fresh = torch.Generator(self.device)
        fresh.set_state(generator.get_state())
        generator.graphsafe_set_state(fresh)
