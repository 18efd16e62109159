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

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, Exception) and should_reduce_batch_size(error)


def too_large(arguments: TrainingArguments, error: BaseException) -> BatchSizeError:
    """Return the error for a step that did not fit, with the settings to try instead.

    The rows per optimizer step stay the same: half as many per device at a time (or the next
    smaller number that divides them), accumulated so much longer.
    """
    rows, times = arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps
    fitting = [n for n in range(1, rows // 2 + 1) if (rows * times) % n == 0]
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
    if not fitting:
        return BatchSizeError(
            f"a step of one row does not fit into memory ({reason}): try shorter inputs, "
            "training.activation_checkpointing=true, a method that trains less, or a smaller model",
            None,
        )
    settings = {
        "per_device_train_batch_size": fitting[-1],
        "gradient_accumulation_steps": rows * times // fitting[-1],
    }
    text = (
        f"out of memory with {rows} rows per device at a time: starting again with "
        f"{fitting[-1]}, accumulated {settings['gradient_accumulation_steps']} times "
        "(the same rows per step)"
    )
    advice = " ".join(f"--set training.{key}={value}" for key, value in settings.items())
    return BatchSizeError(
        f"out of memory with {rows} rows per device at a time ({reason}); the same rows per step "
        f"in smaller parts: {advice}",
        {"text": text, "from": rows, "to": fitting[-1], "reason": reason, "settings": settings},
    )
