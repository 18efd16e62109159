"""What steps gave, compared: one way of taking them must give what the plain one gives."""

from __future__ import annotations

from typing import Any

import torch

ROUNDING = {"no": 1e-3, "bf16": 1e-2}  # relative, of a loss and a gradient norm; by precision


class UnfitError(Exception):
    """A step that another way than the plain one cannot take; that way is given up."""


def require_alike(trainer: Any, what: str, found: list[float], expected: list[float]) -> None:
    """Raise UnfitError where numbers differ by more than rounding, or are not finite."""
    rounding = ROUNDING.get(trainer.accelerator.mixed_precision, ROUNDING["bf16"])
    if not torch.allclose(torch.tensor(found), torch.tensor(expected), rounding, 1e-6):
        numbers = [" and ".join(f"{value:.6g}" for value in part) for part in (found, expected)]
        raise UnfitError(f"{what} {numbers[0]} instead of {numbers[1]}")


def reason(error: BaseException) -> str:
    """Return what an error says, in a line, or its name."""
    lines = str(error).strip().splitlines()
    return " ".join(lines[:2])[:200] or type(error).__name__
