"""Which checkpoint a run keeps: the metric that chooses it, its better end, and when it is seen.

What is set decides what is not: the better end follows from the metric, validation and saving
follow from each other, and the best checkpoint is kept only where they meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from toolkit.errors import Fault

if TYPE_CHECKING:
    import transformers

LOAD_BEST, METRIC, MORE = "load_best_model_at_end", "metric_for_best_model", "greater_is_better"
EVERY = 0.1  # of all steps, between validations "by steps" where nothing says how often
PLATEAU = ("reduce_lr_on_plateau", "greedy")  # schedules that watch the metric

#: Metric -> whether more is better, None where it does not say; the first is the headline.
Directions = Mapping[str, bool | None]


def defaults(given: Mapping[str, Any], directions: Directions) -> dict[str, Any]:
    """Return the settings that follow from those `given` and from the metrics of the run."""
    saving = _text(given.get("save_strategy"))
    usual = saving if saving in ("steps", "epoch") else "epoch"
    strategy = _text(given.get("eval_strategy")) or (usual if directions else "no")
    found: dict[str, Any] = {"eval_strategy": strategy, "save_strategy": strategy}
    if strategy == "steps":
        every = ("eval_steps", "save_steps", "logging_steps")
        steps = next((given[name] for name in every if given.get(name)), EVERY)
        found |= {"eval_steps": steps, "save_steps": steps}
    metric = given.get(METRIC) or next(iter(directions), None)
    if metric is None or strategy == "no":
        return found | {LOAD_BEST: False}
    more = given.get(MORE)
    more = _is_more(metric, directions) is not False if more is None else more
    return found | {LOAD_BEST: True, METRIC: metric, MORE: more}


def schedule(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the better end for a schedule that watches the metric; by itself it takes less."""
    own = settings.get("lr_scheduler_kwargs") or {}
    watches = _text(settings.get("lr_scheduler_type")) in PLATEAU and settings.get(METRIC)
    if not watches or not isinstance(own, Mapping):
        return {}
    return {"lr_scheduler_kwargs": {"mode": "max" if settings[MORE] else "min", **own}}


def faults(given: Mapping[str, Any], directions: Directions) -> list[Fault]:
    """Return what is wrong with the better end that a recipe gives: it is not the metric's."""
    metric = given.get(METRIC) or next(iter(directions), None)
    own = _is_more(metric, directions)
    if given.get(MORE) is None or own is None or given[MORE] is own:
        return []
    what = f"of {metric} {'more' if own else 'less'} is better, so that {MORE}={given[MORE]} "
    return [Fault(f"training.{MORE}", f"{what}would keep the worst checkpoint: leave it out")]


def apart(settings: Mapping[str, Any]) -> Fault:
    """Return the fault of a best checkpoint asked for where validation and saving differ."""
    saving = f"save_strategy={_text(settings['save_strategy'])}"
    validation = f"eval_strategy={_text(settings['eval_strategy'])}"
    steps = [
        f"{name}={settings[name]}" for name in ("save_steps", "eval_steps") if name in settings
    ]
    given = ", ".join([saving, validation, *steps])
    what = "needs a checkpoint at each validation: give save_strategy and eval_strategy the same "
    what += f"value, and save_steps a multiple of eval_steps, or leave {LOAD_BEST} out"
    return Fault(f"training.{LOAD_BEST}", f"{what} (here {given})")


def notes(
    given: Mapping[str, Any], made: transformers.TrainingArguments, directions: Directions
) -> list[str]:
    """Return a note where the last weights are kept although there are metrics to choose by."""
    if not directions or made.load_best_model_at_end or LOAD_BEST in given:
        return []
    when = f"eval_strategy={_text(made.eval_strategy)}, save_strategy={_text(made.save_strategy)}"
    return [f"no best checkpoint is chosen ({when}): the weights of the last step are kept"]


def _is_more(metric: Any, directions: Directions) -> bool | None:
    name = str(metric).removeprefix("eval_")
    return False if name == "loss" else directions.get(name)


def _text(value: Any) -> str:
    return "" if value is None else str(getattr(value, "value", value))
