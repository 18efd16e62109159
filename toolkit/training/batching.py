"""How many rows a step takes, and how they are divided into passes of the model.

`per_device_train_batch_size: auto`, the default, takes all rows of a step in one pass. Where these
do not fit into memory, they are divided by tokens: few long rows, or many short ones, in a pass.
The rows of an optimizer step stay the same, and each weighs the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.errors import Fault

AUTO = "auto"
SIZE, TIMES = "per_device_train_batch_size", "gradient_accumulation_steps"
ROWS, TOKENS = "rows_per_step", "max_tokens_per_batch"
ROWS_OF_A_DEVICE = 32  # where a recipe names none

Lengths = np.ndarray[Any, Any]


def is_auto(training: Mapping[str, Any]) -> bool:
    """Return whether the rows of a pass are left to the toolkit."""
    return bool(training.get(SIZE, AUTO) == AUTO)


def batch_settings(given: Mapping[str, Any], processes: int) -> tuple[dict[str, int], list[Fault]]:
    """Return the fields of TrainingArguments for the rows of a step, and what is wrong.

    Args:
        given: the `training:` block, typed.
    """
    rows, times = given.get(ROWS), given.get(TIMES)
    size = None if is_auto(given) else int(given[SIZE])
    if rows is None:
        return {SIZE: ROWS_OF_A_DEVICE if size is None else size}, []
    where = f"training.{ROWS}"
    unit = processes * (size or 1)
    # All three are there, and fit, where memory was short and the run has started again.
    if times is not None and (size is None or rows != unit * times):
        return {}, [Fault(where, f"follows from {TIMES}: leave one of the two out")]
    if rows % unit:
        nearest = max(round(rows / unit), 1) * unit
        parts = f"{processes} process(es)" + (f" of {size} rows each" if size else "")
        return {}, [Fault(where, f"{rows} cannot be divided by {parts}. Try {nearest}.")]
    if size is None:
        return {SIZE: rows // processes}, []
    return {SIZE: size, TIMES: rows // unit}, []


def divided(rows: Sequence[int], lengths: Lengths, tokens: int) -> list[list[int]]:
    """Divide rows, in their order, into passes of at most so many tokens, padding counted.

    A row that is longer than that is a pass of its own.
    """
    passes: list[list[int]] = []
    longest = 0
    for row in rows:
        longest = max(longest, int(lengths[row]))
        if not passes or (len(passes[-1]) + 1) * longest > tokens:
            passes.append([])
            longest = int(lengths[row])
        passes[-1].append(row)
    return passes


def smaller(size: int, longest: int, tokens: int | None) -> int | None:
    """Return half the tokens of the largest pass; None where it has one row.

    Args:
        size: rows of a step on a device. longest: tokens of the longest row, 1 where lengths are
            not known. tokens: at most in a pass so far.
    """
    largest = size * longest if tokens is None else min(size * longest, tokens)
    return max(largest // 2, longest) if largest >= 2 * longest else None


class DividedRows:
    """Rows of a batch divided into passes, each as the rows beneath give it."""

    def __init__(self, rows: Any, lengths: Lengths, tokens: int) -> None:
        self.rows, self.lengths, self.tokens = rows, lengths, tokens

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, numbers: Sequence[int]) -> list[Any]:
        return [self.rows.__getitems__(part)
                for part in divided(numbers, self.lengths, self.tokens)]  # fmt: skip


@dataclass(frozen=True)
class Each:
    """Collates each pass of a batch."""

    collate: Callable[[Any], Any]

    def __call__(self, passes: list[Any]) -> list[Any]:
        """Return a batch for each."""
        return [self.collate(rows) for rows in passes]
