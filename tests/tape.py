"""What a CUDA graph does, on a CPU: the kernels of a function recorded, and run again.

Python runs once, as with a graph: numbers that it has put into a kernel stay, and tensors keep
their addresses. What a graph refuses, this refuses.
"""

from __future__ import annotations

from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tapes:
    """Stands in for `toolkit.training.cuda_graphs.CudaGraphs`, which needs a GPU."""

    def __init__(self):
        self.tapes = []

    def warm_up(self, run):
        run()

    def capture(self, run):
        tape = Tape()
        with mock.patch("torch.cuda.is_current_stream_capturing", return_value=True), tape:
            run()
        self.tapes.append(tape)
        return tape.replay


class Tape(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls, self.played = [], 0

    def __torch_dispatch__(self, kernel, types, args=(), kwargs=None):
        if kernel is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        found = kernel(*args, **(kwargs or {}))
        self.calls.append((kernel, args, kwargs or {}, found))
        return found

    def replay(self):
        self.played += 1
        with torch.no_grad():
            for kernel, args, kwargs, before in self.calls:
                now = kernel(*args, **kwargs)
                for old, new in zip(tree_leaves(before), tree_leaves(now), strict=True):
                    if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)
