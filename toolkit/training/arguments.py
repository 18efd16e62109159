"""Training settings: the recipe's, checked, over defaults for precision, batching, checkpoints."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import math
import typing
from collections.abc import Collection, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from toolkit.errors import Fault, RecipeError
from toolkit.evaluation.predicting import evaluating
from toolkit.plugin import Plugin
from toolkit.recipe.schema import Recipe
from toolkit.training import batching, best, tracking
from toolkit.training.reserved import EARLY_STOPPING, OWN, RESERVED
from toolkit.utils import distributed
from toolkit.utils.hardware import bf16_supported
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    import transformers

CHECKPOINTING = "activation_checkpointing"
COUNTS = ("per_device_train_batch_size", "per_device_eval_batch_size", "save_total_limit",
          "gradient_accumulation_steps", "early_stopping_patience",
          batching.ROWS, batching.TOKENS)  # fmt: skip
NOT_BELOW_ZERO = ("learning_rate", "weight_decay", "warmup_steps", "max_grad_norm",
                  "label_smoothing_factor", "dataloader_num_workers")  # fmt: skip
ABOVE_ZERO = ("num_train_epochs", "logging_steps", "eval_steps", "save_steps")
#: The least value of a setting.
LEAST = dict.fromkeys(COUNTS, 1) | dict.fromkeys(NOT_BELOW_ZERO, 0)


def arguments_class(plugin: type[Plugin[Any]]) -> type[transformers.TrainingArguments]:
    """Return the class that the `training:` block fills."""
    import transformers

    return plugin.Arguments or transformers.TrainingArguments


def checked_settings(
    arguments: type[Any], settings: Mapping[str, Any], where: Any = ".".join
) -> tuple[dict[str, Any], list[Fault]]:
    """Return the `training:` block with typed values, and what is wrong with it.

    Args:
        arguments: the dataclass whose fields are allowed, besides the toolkit's own.
        where: key path -> place, for the faults.
    """
    from pydantic import TypeAdapter, ValidationError

    known: dict[str, Mapping[str, Any]] = {name: {} for name in OWN}
    known |= {f.name: f.metadata for f in dataclasses.fields(arguments) if f.init}
    try:
        hints = typing.get_type_hints(arguments)
    except (NameError, TypeError):  # a third-party class: its own checks decide
        hints = {}
    hints |= OWN | {batching.SIZE: int | Literal["auto"]}
    values, faults = {}, []
    for name, value in settings.items():
        wrong = RESERVED.get(name, "")
        wrong = wrong or unknown_field(name, known, arguments.__name__)
        if not wrong:
            try:
                values[name] = TypeAdapter(hints.get(name, Any)).validate_python(value)
            except ValidationError as error:
                wrong = f"{value!r}: {error.errors()[0]['msg'].lower()}"
            except Exception:  # a type that pydantic has no schema for: the class itself decides
                values[name] = value
            if wrong and name == batching.SIZE:
                wrong = f"{value!r}: takes a number from 1, or {batching.AUTO}"
            wrong = fault_of(name, values.get(name), hints.get(name), known[name]) or wrong
        if wrong:
            faults.append(Fault(where(("training", name)), wrong))
    return values, faults


def unknown_field(name: str, known: Collection[str], cls: str) -> str:
    """Return what is wrong with a name that a class of arguments may not have, or ""."""
    return "" if name in known else f"is no field of {cls}.{nearest(name, known)}"


def fault_of(
    name: str, value: Any, hint: Any = None, metadata: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Return what is wrong with the value of a setting, or "".

    Args:
        hint: the field's type. metadata: of the dataclass field, whose "choices" count.
    """
    if name == "report_to":
        return _reports(value)
    known = _choices(hint, metadata)
    if known and value is not None and str(getattr(value, "value", value)) not in known:
        return _unknown(value, known)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if not math.isfinite(value):
        return f"takes a finite number, not {value}"
    if name in ABOVE_ZERO and value <= 0:
        return f"takes a number above 0, not {value}"
    if name in LEAST and value < LEAST[name]:
        return f"takes a number from {LEAST[name]}, not {value}"
    return ""


def _unknown(value: Any, known: list[str]) -> str:
    return f"there is no {value!r}.{nearest(str(value), known)} Known: {listing(known, 20)}."


def _reports(value: Any) -> str:
    """Return what is wrong with the services that a run reports to, or ""."""
    from transformers.integrations import integration_utils

    known = [*integration_utils.INTEGRATION_TO_CALLBACK, "none"]
    there = [*integration_utils.get_available_reporting_integrations(), "none"]  # type: ignore[no-untyped-call]  # transformers'
    for service in value if isinstance(value, list) else [value]:
        if service == "all":
            return "takes names: all would report to whatever services happen to be installed"
        if service is not None and service not in known:
            return _unknown(service, known)
        if service is not None and service not in there:
            return tracking.missing(str(service))
    return ""


def _choices(hint: Any, metadata: Mapping[str, Any]) -> list[str]:
    enums = [kind for kind in (hint, *typing.get_args(hint)) if isinstance(kind, enum.EnumMeta)]
    members: list[Any] = list(enums[0]) if enums else list(metadata.get("choices") or ())
    return [str(getattr(item, "value", item)) for item in members]


def training_arguments(
    plugin: Plugin[Any], recipe: Recipe, directions: best.Directions, *, has_lengths: bool
) -> transformers.TrainingArguments:
    """Return the training arguments: the recipe's, over defaults that suit most runs.

    The folder of the checkpoints is set when the run's folder is known.

    Args:
        directions: metric -> whether more is better; the first chooses the checkpoint.
        has_lengths: rows have a `length` column, by which batches are grouped.

    Raises:
        RecipeError: the class refuses the combination of values.
    """
    cls = arguments_class(type(plugin))
    given, faults = checked_settings(cls, recipe.training)
    if faults := faults + best.faults(given, directions):
        raise RecipeError(faults)
    unset = [name for name in (best.METRIC, best.MORE) if given.get(name) is None]
    batches, faults = batching.batch_settings(given, distributed.size())
    if faults:
        raise RecipeError(faults)
    own = {n: v for n, v in given.items() if n not in OWN and n not in unset} | batches
    known = {field.name for field in dataclasses.fields(cls)}
    if own.get("report_to", "") is None:
        own["report_to"] = "none"
    defaults = _defaults(own, directions, has_lengths)
    if "early_stopping_patience" in given and str(defaults["eval_strategy"]) == "no":
        what = "needs validation while training, but eval_strategy is no"
        raise RecipeError(Fault("training.early_stopping_patience", what))
    settings = {name: value for name, value in defaults.items() if name in known} | own
    settings |= {"output_dir": "checkpoints", "seed": recipe.seed, **best.schedule(settings)}
    try:
        made = _made(cls, settings, best.LOAD_BEST in own)
    except (ValueError, TypeError, ImportError) as error:
        raise RecipeError(Fault("training", str(error))) from error
    if made.n_gpu > 1:
        made._n_gpu = 1  # one process, one device: nn.DataParallel is slower, and loses losses
    return made


def _made(cls: Any, settings: dict[str, Any], asked: bool) -> transformers.TrainingArguments:
    """Return the arguments; our default of keeping the best checkpoint gives way to the rest.

    Args:
        asked: the recipe itself sets whether the best one is kept.
    """
    try:
        found: transformers.TrainingArguments = cls(**settings)
    except ValueError:
        if not settings.get(best.LOAD_BEST):
            raise
        found = cls(**settings | {best.LOAD_BEST: False})  # raises again what is not about that
        if asked:
            raise RecipeError(best.apart(settings)) from None
    return found


def _defaults(
    own: Mapping[str, Any], directions: best.Directions, has_lengths: bool
) -> dict[str, Any]:
    """Return what suits most runs, where the recipe has no setting of its own."""
    import torch

    return {
        "per_device_eval_batch_size": 64,
        "warmup_steps": 0.1,
        "logging_steps": 0.02,  # of all steps
        "logging_nan_inf_filter": False,  # a loss that is NaN must be seen: DivergenceCallback
        # As the contract calls them, whatever the model's own forward does.
        "label_names": ["labels"],
        "save_total_limit": 2,  # the newest, to go on from, and the best
        "bf16": bf16_supported() and not own.get("fp16", False),
        "train_sampling_strategy": "group_by_length" if has_lengths else "random",
        # Said outright: without it transformers refuses bf16 where there is no GPU.
        "use_cpu": not torch.accelerator.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "accelerator_config": {"non_blocking": torch.cuda.is_available()},  # copies, while it works
        "disable_tqdm": True,
        "report_to": tracking.default_tracker(),
        **best.defaults(own, directions),
    }


def require_checkpointing(arguments: transformers.TrainingArguments, model: Any) -> None:
    """Raise RecipeError where activation checkpointing is asked for and the model has none."""
    supported = getattr(model, "supports_gradient_checkpointing", True)
    if getattr(arguments, CHECKPOINTING, False) and not supported:
        what = f"{type(model).__name__} does not support it: leave it out"
        raise RecipeError(Fault(f"training.{CHECKPOINTING}", what))


def require_a_batch(arguments: transformers.TrainingArguments, rows: int) -> None:
    """Raise RecipeError where whole batches alone are wanted and the rows make none.

    Args:
        rows: prepared training rows, for all processes together.
    """
    size, processes = arguments.train_batch_size, arguments.world_size
    if arguments.dataloader_drop_last and rows < size * processes:
        batch = f"{size}" if processes == 1 else f"{processes} x {size}"
        what = f"train has {rows:,} rows, which make no whole batch of {batch}: leave it out, or "
        what += "set training.per_device_train_batch_size lower"
        raise RecipeError(Fault("training.dataloader_drop_last", what))


def is_sharded(arguments: transformers.TrainingArguments) -> bool:
    """Return whether each process holds a part of the model only (FSDP, DeepSpeed)."""
    return bool(arguments.fsdp or arguments.deepspeed)


def early_stopping(recipe: Recipe) -> list[transformers.TrainerCallback]:
    """Return the callback that ends training when validation no longer improves, if asked for."""
    from transformers import EarlyStoppingCallback

    given = {name: recipe.training[name] for name in EARLY_STOPPING if name in recipe.training}
    return [EarlyStoppingCallback(**given)] if "early_stopping_patience" in given else []


def honours_item_count(model: Any, batch: Mapping[str, Any]) -> bool:
    """Return whether the model's loss really divides by `num_items_in_batch`.

    Many heads accept the argument and drop it; Trainer then leaves the loss undivided under
    gradient accumulation and multiplies it by the number of processes (transformers issue 47688).
    Found by trying two counts on one batch: a loss that honours the count changes with it.
    """
    import torch

    parameters = inspect.signature(model.forward).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()) or "labels" not in batch:
        return False
    with evaluating(model), torch.no_grad(), suppress(TypeError, AttributeError):
        few, many = (
            float(model(**batch, num_items_in_batch=torch.tensor(count)).loss)
            for count in (1, 1000)
        )
        return abs(few - many) > 1e-3 * abs(few)
    return False
