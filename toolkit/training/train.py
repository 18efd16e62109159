"""Training itself: the Trainer run to its end, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit.errors import DivergenceError
from toolkit.training import checkpoints, memory

if TYPE_CHECKING:
    import transformers


def unwrap_model(trainer: Any, handed: Any) -> Any:
    """Return the model of a trainer that is to be scored, while it trains or afterwards.

    That is the trainer's own. But some (those of sentence-transformers, for one) train a model that
    holds the one that they were given, `handed`; then it is the latter, whose outputs `decode`
    knows.
    """
    from peft import PeftModel
    from transformers import PreTrainedModel

    model = trainer.model
    known = isinstance(model, PreTrainedModel | PeftModel)
    # In shards, what is wrapped around the model holds it together.
    sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
    inside = any(part is handed for part in model.modules())
    return handed if inside and not known and not sharded else model


def trained_model(trainer: Any, handed: Any) -> Any:
    """Return the same without accelerate's autocast wrapper: what is scored is what is saved."""
    return trainer.accelerator.unwrap_model(unwrap_model(trainer, handed), keep_fp32_wrapper=False)


@dataclass(frozen=True)
class Trained:
    """What came of training: what the method did, and Trainer's count of epochs, steps, seconds.

    seconds: without those of validation in between; None where Trainer had nothing to do.
    weights: `state_dict=` for `save_pretrained`, where each rank holds a part of the model.
    start: the step after which it went on, where it was resumed.
    """

    report: dict[str, Any]
    epochs: float = 0.0
    steps: int = 0
    seconds: float | None = None
    weights: dict[str, Any] = field(default_factory=dict)
    start: int = 0


def train(
    trainer: transformers.Trainer,
    report: dict[str, Any] | None = None,
    start: checkpoints.ResumePoint = checkpoints.ResumePoint(),  # noqa: B008 - it is frozen
) -> Trained:
    """Train, and return what came of it.

    Args:
        start: the checkpoint to go on from.

    Raises:
        DivergenceError: the loss became NaN or infinite.
        TrainingError: validation does not fit into memory.
        BatchSizeError: a training step does not fit into memory.
    """
    try:
        result = trainer.train(resume_from_checkpoint=str(start.path) if start.path else None)
    except (RuntimeError, MemoryError) as error:
        if memory.is_out(error):
            too_large = getattr(trainer, "too_large", None)
            raise (too_large or partial(memory.too_large, trainer.args))(error) from None
        raise
    loss = float(result.training_loss)
    if loss != loss:
        raise DivergenceError(f"the training loss is {loss} after {result.global_step} steps")
    weights: dict[str, Any] = {}
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:  # all ranks take part
        weights["state_dict"] = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    state, validating = trainer.state, float(getattr(trainer, "toolkit_eval_seconds", 0.0))
    seconds = float(result.metrics["train_runtime"]) - validating
    epochs, steps = float(state.epoch or 0), state.global_step
    return Trained(report or {}, epochs, steps, seconds, weights, start.step)
