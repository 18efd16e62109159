"""The plugin's model where its Trainer has put it into one of its own, or accelerate around it."""

from __future__ import annotations

from typing import Any


def model_of(trainer: Any, handed: Any) -> Any:
    """Return the model to score and save of a trainer, while it trains or afterwards.

    That is the trainer's own. But some (those of sentence-transformers, say) train a model that
    holds the one that was handed over; then it is the latter, whose outputs `decode` knows.

    Args:
        handed: the model that the plugin's Trainer was given.
    """
    from peft import PeftModel
    from transformers import PreTrainedModel

    model = trainer.model
    known = isinstance(model, PreTrainedModel | PeftModel)
    # In shards, what is wrapped around the model holds it together.
    if known or trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        return model
    return handed if any(part is handed for part in model.modules()) else model
