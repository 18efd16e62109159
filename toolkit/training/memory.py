"""A training step that does not fit into memory: smaller batches, accumulated to as many rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import BatchSizeError

if TYPE_CHECKING:
    from transformers import TrainingArguments


def is_out(error: BaseException) -> bool:
    """Return whether an error means that memory was not enough, on whatever device."""
    import torch
    from accelerate.utils.memory import should_reduce_batch_size

    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or (isinstance(error, Exception) and should_reduce_batch_size(error))


def too_large(arguments: TrainingArguments, error: BaseException) -> BatchSizeError:
    """Return the error for a step that did not fit, with the settings to try instead.

    The rows per optimizer step stay the same: half as many per device at a time (or the next
    smaller number that divides them), accumulated so much longer.
    """
    rows, times = arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps
    fitting = next((n for n in range(rows // 2, 0, -1) if (rows * times) % n == 0), None)
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
    if fitting is None:
        return BatchSizeError(
            f"a step of one row does not fit into memory ({reason}): try shorter inputs, "
            "training.activation_checkpointing=true, a method that trains less, or a smaller model",
            None,
        )
    longer = rows * times // fitting
    settings = {"per_device_train_batch_size": fitting, "gradient_accumulation_steps": longer}
    what = f"out of memory with {rows} rows per device at a time"
    text = (f"{what}: starting again with {fitting}, accumulated {longer} times "
            "(the same rows per step)")  # fmt: skip
    advice = " ".join(f"--set training.{key}={value}" for key, value in settings.items())
    return BatchSizeError(
        f"{what} ({reason}); the same rows per step in smaller parts: {advice}",
        {"text": text, "from": rows, "to": fitting, "reason": reason, "settings": settings},
    )
