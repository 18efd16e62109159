"""Keys of `training:` that are no field of TrainingArguments, or that the toolkit sets itself."""

from __future__ import annotations

import enum
from typing import Any


class Step(enum.StrEnum):
    """How training steps are taken, see `toolkit.training.ways`."""

    AUTO = "auto"
    EAGER = "eager"
    CAPTURED = "captured"
    COMPILED = "compiled"
    UNPADDED = "unpadded"


EARLY_STOPPING = {"early_stopping_patience": int, "early_stopping_threshold": float}
#: Keys that are taken besides the fields -> type.
OWN: dict[str, Any] = {
    **EARLY_STOPPING,
    "rows_per_step": int,
    "max_tokens_per_batch": int,
    "step": Step | str,
}
PUBLISHING = ("push_to_hub", "hub_model_id", "hub_token", "hub_strategy", "hub_private_repo",
              "hub_always_push", "hub_revision")  # fmt: skip
SPACES = ("trackio_space_id", "trackio_bucket_id", "trackio_static_space_id")
#: Field -> why it is not taken, and what does that instead.
RESERVED = {
    "output_dir": "the run's folder is set with --out",
    "seed": "set `seed:` at the top of the recipe (or --seed)",
    **dict.fromkeys(PUBLISHING, "a run never publishes: `toolkit push RUN OWNER/NAME` uploads a "
                                "finished one"),
    **dict.fromkeys(SPACES, "a run never publishes"),
    **dict.fromkeys(("do_train", "do_eval", "do_predict"), "a run always trains and scores"),
    "resume_from_checkpoint": "read by nothing here: --resume goes on with an interrupted run",
}  # fmt: skip
