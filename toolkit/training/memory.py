"""A training step that does not fit into memory: smaller batches, accumulated to as many rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.errors import BatchSizeError
from toolkit.training import batching

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
    longer = 0 if fitting is None else rows * times // fitting
    settings = {batching.SIZE: fitting, batching.TIMES: longer}
    what = f"with {fitting}, accumulated {longer} times"
    return _shortage(f"{rows} rows per device", what, rows, fitting, settings, error)


def too_many_tokens(
    size: int, longest: int, tokens: int | None, error: BaseException
) -> BatchSizeError:
    """Return the same for a pass that the toolkit chose: half its tokens are tried next.

    Args: as of `batching.smaller`.
    """
    before = size * longest if tokens is None else min(tokens, size * longest)
    fitting = batching.smaller(size, longest, tokens)
    what = "rows" if longest == 1 else "tokens"
    return _shortage(f"{before:,} {what}", f"with at most {fitting or 0:,}", before, fitting,
                     {batching.TOKENS: fitting}, error)  # fmt: skip


def _shortage(
    had: str, next_: str, before: int, fitting: int | None, settings: Any, error: BaseException
) -> BatchSizeError:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
    if fitting is None:
        return BatchSizeError(
            f"a step of one row does not fit into memory ({reason}): try shorter inputs, "
            "training.activation_checkpointing=true, a method that trains less, or a smaller model",
            None,
        )
    what = f"out of memory with {had} at a time"
    text = f"{what}: starting again {next_} (the same rows per step)"
    advice = " ".join(f"--set training.{key}={value}" for key, value in settings.items())
    return BatchSizeError(
        f"{what} ({reason}); the same rows per step in smaller parts: {advice}",
        {"text": text, "from": before, "to": fitting, "reason": reason, "settings": settings},
    )
