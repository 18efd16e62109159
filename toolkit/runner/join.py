"""How this process meets the other ranks of its run, whoever started them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from toolkit.recipe.draft import Draft
from toolkit.utils import distributed


def join(draft: Draft) -> None:
    """Meet the other ranks of this run, in the way that the recipe's `training:` asks for."""
    asked = training_block(draft)
    backend, seconds = asked.get("ddp_backend"), asked.get("ddp_timeout")
    distributed.join(
        backend if isinstance(backend, str) else None,
        seconds if isinstance(seconds, int | float) else None,
    )


def training_block(draft: Draft) -> Mapping[str, Any]:
    """Return the `training:` block as it is; `prepare` reports what is wrong with it."""
    found = draft.values.get("training")
    return found if isinstance(found, Mapping) else {}


def lone_process_note() -> str | None:
    """Return a warning where a launcher was asked for several processes and started one."""
    if not started_by_accelerate() or distributed.launched() or "MASTER_PORT" not in os.environ:
        return None
    return (
        "accelerate launch was asked for several processes but has started one (on CPU it needs "
        "mpirun for more); `toolkit run RECIPE --processes N` starts N"
    )


def started_by_accelerate() -> bool:
    """Return whether `accelerate launch` has started this process."""
    return "ACCELERATE_MIXED_PRECISION" in os.environ  # it sets it for whatever it starts
