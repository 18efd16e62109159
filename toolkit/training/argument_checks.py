"""What a training setting may be, beyond its type: one of some names, a count, a finite number."""

from __future__ import annotations

import enum
import math
import typing
from collections.abc import Mapping
from typing import Any

from toolkit.training import tracking
from toolkit.utils.text import listing, nearest

COUNTS = ("per_device_train_batch_size", "per_device_eval_batch_size", "save_total_limit",
          "gradient_accumulation_steps", "early_stopping_patience")  # fmt: skip
NOT_BELOW_ZERO = ("learning_rate", "weight_decay", "warmup_steps", "max_grad_norm",
                  "label_smoothing_factor", "dataloader_num_workers")  # fmt: skip
ABOVE_ZERO = ("num_train_epochs", "logging_steps", "eval_steps", "save_steps")
#: The least value of a setting.
LEAST = dict.fromkeys(COUNTS, 1) | dict.fromkeys(NOT_BELOW_ZERO, 0)


def fault(name: str, value: Any, hint: Any, metadata: Mapping[str, Any]) -> str:
    """Return what is wrong with the value of a setting, or "".

    Args:
        hint: the field's type. metadata: of the dataclass field, whose "choices" count.
    """
    if name == "report_to":
        return _reports(value)
    known = _choices(hint, metadata)
    if known and value is not None and str(getattr(value, "value", value)) not in known:
        return f"there is no {value!r}.{nearest(str(value), known)} Known: {listing(known, 20)}."
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if not math.isfinite(value):
        return f"takes a finite number, not {value}"
    if name in ABOVE_ZERO and value <= 0:
        return f"takes a number above 0, not {value}"
    if name in LEAST and value < LEAST[name]:
        return f"takes a number from {LEAST[name]}, not {value}"
    return ""


def _reports(value: Any) -> str:
    """Return what is wrong with the services that a run reports to, or ""."""
    from transformers.integrations import integration_utils

    known = [*integration_utils.INTEGRATION_TO_CALLBACK, "none"]
    there = [*integration_utils.get_available_reporting_integrations(), "none"]  # type: ignore[no-untyped-call]  # transformers'
    for service in value if isinstance(value, list) else [value]:
        if service == "all":
            return "takes names: all would report to whatever services happen to be installed"
        if service is not None and service not in known:
            return (
                f"there is no {service!r}.{nearest(str(service), known)} Known: {listing(known)}."
            )
        if service is not None and service not in there:
            return tracking.missing(str(service))
    return ""


def _choices(hint: Any, metadata: Mapping[str, Any]) -> list[str]:
    enums = [kind for kind in (hint, *typing.get_args(hint)) if isinstance(kind, enum.EnumMeta)]
    members: list[Any] = list(enums[0]) if enums else list(metadata.get("choices") or ())
    return [str(getattr(item, "value", item)) for item in members]
