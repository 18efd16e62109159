"""Faster training on CPUs: attention for short rows, and dropout's masks.

Both together took a training step of MiniLM (64 rows of 9 to 16 tokens, bf16, two cores) from 245
to 191 ms; each alone to 215 and 207.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SHORT = 128  # tokens up to which attention step by step is faster than the fused kernel
LEVELS = 2**16  # to which the rate is rounded; kept values are scaled by the rounded one


def plain_attention(model: Any, longest: int | None) -> None:
    """Compute attention step by step on CPUs where inputs are short.

    Without dropout torch takes a fused kernel, which took 654 ms for a training step of MiniLM with
    64 rows of 16 tokens on AVX512, against 324 ms; from some 200 tokens on it is the faster one.
    With dropout torch goes step by step anyway, but draws its masks itself.

    Args:
        longest: tokens of the longest row, or None where rows have no lengths.
    """
    implementation = getattr(getattr(model, "config", None), "_attn_implementation", None)
    on_cpu = next(model.parameters()).device.type == "cpu"
    if on_cpu and implementation == "sdpa" and longest is not None and longest <= SHORT:
        model.set_attn_implementation("eager")


@contextmanager
def cheap_dropout(device: str) -> Iterator[None]:
    """Let `torch.nn.functional.dropout` make four decisions of one random number on CPUs.

    torch draws a number for each element, one after the other: 13% of the step above.
    Masks still come from torch's own generator: a seed gives the same ones, and a run that is
    resumed goes on with those that it would have had.

    Args:
        device: the type of the device that trains; nothing changes but for "cpu".
    """
    from torch.nn import functional

    usual = functional.dropout

    def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        cheap = training and not inplace and 0 < p < 1 and input.is_floating_point()
        return input * _mask(input, p) if cheap else usual(input, p, training, inplace)

    if device == "cpu":
        functional.dropout = dropout
    try:
        yield
    finally:
        functional.dropout = usual


def _mask(like: Any, rate: float) -> Any:
    """Return a tensor of zeros, and of 1 / (1 - rate) where a value is kept."""
    import torch

    kept = min(max(round((1 - rate) * LEVELS), 1), LEVELS)
    drawn = torch.empty(-(-like.numel() // 4), dtype=torch.int64)
    drawn.random_(torch.iinfo(torch.int64).min, None)
    decided = drawn.view(torch.int16)[: like.numel()].view(like.shape) < kept - LEVELS // 2
    return torch.where(decided, torch.tensor(LEVELS / kept, dtype=like.dtype), 0.0)
