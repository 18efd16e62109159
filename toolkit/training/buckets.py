"""Batches of many lengths padded to a few, so that few shapes occur."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

FINE, COARSE = 32, 64  # tokens between two lengths, up to `TURN` and above it
TURN, LONGEST = 256, 768  # so there are 16 lengths; longer batches keep a GPU busy as they are
IGNORED = -100  # the label that losses leave out


def length(tokens: int, limit: int) -> int | None:
    """Return the length that rows of so many tokens are padded to; None where they are too long.

    Args:
        limit: the longest that the model takes.
    """
    step = FINE if tokens <= TURN else COARSE
    found = min(-(-tokens // step) * step, limit)
    return found if tokens <= found <= LONGEST else None


def padded(inputs: Mapping[str, Any], config: Any) -> dict[str, Any] | None:
    """Return a batch at one of the lengths; itself where nothing in it tells padding apart.

    Args:
        config: the model's, with its token for padding and its longest input.

    Returns None where the batch cannot be padded: it has other values than tensors, is too long,
    or holds a value per token whose padding is not known.
    """
    if not all(isinstance(value, torch.Tensor) for value in inputs.values()):
        return None
    mask = inputs.get("attention_mask")
    if mask is None or mask.dim() != 2:
        return dict(inputs)
    text: Any = config.get_text_config() if hasattr(config, "get_text_config") else config
    limit, here = getattr(text, "max_position_embeddings", None), mask.shape[1]
    wanted = length(here, limit or here)
    if wanted is None:
        return None
    if limit is None and wanted != length(here, LONGEST):
        return None  # how long an input may be is unknown, and so is whether it can be padded
    fillers = {"input_ids": getattr(text, "pad_token_id", None), "attention_mask": 0,
               "token_type_ids": 0, "labels": IGNORED}  # fmt: skip
    found = {}
    for name, value in inputs.items():
        if value.dim() < 2 or value.shape[1] != here or wanted == here or _per_class(name, value):
            found[name] = value
        elif value.dim() == 2 and fillers.get(name) is not None:
            found[name] = F.pad(value, (0, wanted - here), value=fillers[name])
        else:
            return None
    return found


def _per_class(name: str, value: torch.Tensor) -> bool:
    """Return whether labels are a number per class and row, not one per token."""
    return name == "labels" and value.is_floating_point()
