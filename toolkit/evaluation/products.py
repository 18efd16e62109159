"""Matrix products of float32 on CPUs, where the library that torch calls for them is slow.

torch leaves them to MKL, which on AMD's processors does without AVX512: 107 GFLOP/s a core of an
EPYC with it, where oneDNN, which torch also brings, attains 240 (1,024 rows of 384 numbers). It is
float32 all the same; sums are added in another order, as in batches of another size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import torch
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode

from toolkit.utils import hardware

FEWEST = 8  # rows; MKL is the faster one for a vector


def fast_products() -> AbstractContextManager[Any]:
    """Return a context in which linear layers on the CPU take the fastest product of float32.

    It holds for the thread that enters it, and for inference alone: no gradient passes.
    """
    return _OneDnnLinear() if usable() else nullcontext()


@cache
def usable() -> bool:
    """Return whether oneDNN is here, and is the faster one."""
    return hardware.mkl_lacks_avx512() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class _OneDnnLinear(TorchFunctionMode):
    """Leads calls of `linear` to oneDNN: no module and no weight is changed, or held twice."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call what was called, or what takes its place."""
        if func is linear and not kwargs and _fits(*args):
            inputs, weight, bias = (*args, None)[:3]
            return torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
        return func(*args, **(kwargs or {}))


def _fits(inputs: Any, weight: Any, bias: Any = None) -> bool:
    """Return whether these are plain float32 tensors on the CPU, of more than a few rows."""
    plain = all(type(one) in (torch.Tensor, torch.nn.Parameter) and one.dtype == torch.float32
                and one.device.type == "cpu" and one.layout == torch.strided
                for one in (inputs, weight, bias) if one is not None)  # fmt: skip
    return (
        plain
        and weight.ndim == 2
        and inputs.numel() >= FEWEST * weight.shape[1]
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )
