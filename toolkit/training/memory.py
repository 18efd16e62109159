"""A training step that does not fit into memory: fewer rows at a time, as many per step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import BatchSizeError

if TYPE_CHECKING:
    from transformers import TrainingArguments


def is_out(error: BaseException) -> bool:
    """Return whether an error says that memory was not enough, on whatever device."""
    import torch
    from accelerate.utils.memory import should_reduce_batch_size

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, Exception) and should_reduce_batch_size(error)


def too_large(arguments: TrainingArguments, error: BaseException) -> BatchSizeError:
    """Return the error that says what did not fit and which settings are to be tried instead.

    The rows per optimizer step stay the same: half as many per device at a time (or the next
    smaller number that divides them), accumulated so much longer.
    """
    rows, times = arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps
    fitting = [n for n in range(1, rows // 2 + 1) if (rows * times) % n == 0]
    said = str(error).strip().splitlines()
    reason = said[0][:200] if said else type(error).__name__
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


def settle() -> None:
    """Give back what a failed attempt held, before the next one begins."""
    from accelerate.utils.memory import clear_device_cache

    clear_device_cache(garbage_collection=True)
