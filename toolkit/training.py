"""The Trainer assembled: arguments with the toolkit's defaults, precision, batching, evaluation."""

from __future__ import annotations

import dataclasses
import inspect
import time
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from toolkit import methods
from toolkit.errors import Fault, RecipeError, TrainingError, nearest
from toolkit.recipe import MethodSpec

if TYPE_CHECKING:
    import datasets
    import transformers

    from toolkit.methods import Method
    from toolkit.plugin import Plugin
    from toolkit.recipe import Recipe

EARLY_STOPPING = {"early_stopping_patience": int, "early_stopping_threshold": float}
RESERVED = {
    "output_dir": "the run's folder is set with --out",
    "seed": "set `seed:` at the top of the recipe (or --seed)",
    "push_to_hub": "a run never publishes",
}


def arguments_class(plugin: type[Plugin[Any]]) -> type[transformers.TrainingArguments]:
    """Return the class that the `training:` block fills."""
    import transformers

    return plugin.Arguments or transformers.TrainingArguments


def checked_settings(
    arguments: type[Any], settings: Mapping[str, Any], where: Any = ".".join
) -> tuple[dict[str, Any], list[Fault]]:
    """Return the `training:` block with typed values, and what is wrong with it.

    Args:
        arguments: the dataclass whose fields are allowed, besides the early-stopping ones.
        where: key path -> place, for the faults.
    """
    from pydantic import TypeAdapter, ValidationError

    fields = {f.name for f in dataclasses.fields(arguments) if f.init}
    hints = {**_hints(arguments), **EARLY_STOPPING}
    values, faults = {}, []
    for name, value in settings.items():
        place = where(("training", name))
        if name in RESERVED:
            faults.append(Fault(place, RESERVED[name]))
        elif name not in fields | set(EARLY_STOPPING):
            hint = nearest(name, fields | set(EARLY_STOPPING))
            faults.append(Fault(place, f"is no field of {arguments.__name__}.{hint}"))
        else:
            try:
                values[name] = TypeAdapter(hints.get(name, Any)).validate_python(value)
            except ValidationError as error:
                faults.append(Fault(place, f"{value!r}: {error.errors()[0]['msg'].lower()}"))
            except Exception:  # a type that pydantic has no schema for: the class itself decides
                values[name] = value
    return values, faults


def _hints(arguments: type[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(arguments)
    except (NameError, TypeError):
        return {}


def arguments(
    plugin: Plugin[Any],
    recipe: Recipe,
    headline: tuple[str, bool] | None,
    *,
    has_lengths: bool,
) -> transformers.TrainingArguments:
    """Return the training arguments: the recipe's, over defaults that suit most runs.

    The folder of the checkpoints is set when the run's folder is known.

    Args:
        headline: (metric that chooses the checkpoint, whether more is better), or None.
        has_lengths: rows have a `length` column, by which batches are grouped.

    Raises:
        RecipeError: the class refuses the combination of values.
    """
    import torch

    cls = arguments_class(type(plugin))
    given, faults = checked_settings(cls, recipe.training)
    if faults:
        raise RecipeError(faults)
    own = {name: value for name, value in given.items() if name not in EARLY_STOPPING}
    strategy = own.get("eval_strategy", "epoch" if headline else "no")
    defaults: dict[str, Any] = {
        "per_device_train_batch_size": 32,
        "per_device_eval_batch_size": 64,
        "warmup_steps": 0.1,
        "logging_steps": 0.02,  # of all steps
        "logging_nan_inf_filter": False,  # a loss that is NaN must be seen, see Progress
        "eval_strategy": strategy,
        "save_strategy": strategy,
        "save_steps": own.get("eval_steps", 500),
        "save_total_limit": 1,
        "bf16": bf16_supported() and not own.get("fp16", False),
        "train_sampling_strategy": "group_by_length" if has_lengths else "random",
        # Said outright: without it transformers refuses bf16 where there is no GPU.
        "use_cpu": not torch.accelerator.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "disable_tqdm": True,
        "report_to": "none",
    }
    if headline and str(strategy) != "no":
        defaults |= {
            "load_best_model_at_end": True,
            "metric_for_best_model": headline[0],
            "greater_is_better": headline[1],
        }
    known = {field.name for field in dataclasses.fields(cls)}
    settings = {name: value for name, value in defaults.items() if name in known} | own
    try:
        return cls(output_dir="checkpoints", seed=recipe.seed, **settings)
    except (ValueError, TypeError, ImportError) as error:
        raise RecipeError(Fault("training", str(error))) from error


def early_stopping(recipe: Recipe) -> list[transformers.TrainerCallback]:
    """Return the callback that ends training when validation no longer improves, if asked for."""
    from transformers import EarlyStoppingCallback

    given = {name: recipe.training[name] for name in EARLY_STOPPING if name in recipe.training}
    return [EarlyStoppingCallback(**given)] if "early_stopping_patience" in given else []


def bf16_supported() -> bool:
    """Return whether the device computes in bf16 (GPUs since Ampere, CPUs with AVX512-BF16/AMX)."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if torch.backends.mps.is_available():
        return False
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


def honours_item_count(model: Any, batch: Mapping[str, Any]) -> bool:
    """Return whether the model's loss really divides by `num_items_in_batch`.

    Many heads accept the argument and drop it; Trainer then leaves the loss undivided under
    gradient accumulation and multiplies it by the number of processes (transformers issue 47688).
    Two counts on one batch tell: a loss that honours the count changes with it.
    """
    import torch

    parameters = inspect.signature(model.forward).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()) or "labels" not in batch:
        return False
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            losses = [
                float(model(**batch, num_items_in_batch=torch.tensor(count)).loss)
                for count in (1, 1000)
            ]
    except (TypeError, AttributeError):
        return False
    finally:
        model.train(training)
    return abs(losses[0] - losses[1]) > 1e-3 * abs(losses[0])


class ScoredEvaluation:
    """Mixed into a Trainer: validation goes through the plugin's `decode` and metrics, streamed.

    So the score that chooses the checkpoint is computed as the score in the report is, and no
    logits pile up.
    """

    toolkit_plugin: Plugin[Any]
    toolkit_rows: datasets.Dataset | None
    toolkit_method: Method
    toolkit_eval_seconds: float = 0.0

    def _get_train_sampler(self: Any, train_dataset: Any = None) -> Any:
        rows = (
            self.train_dataset
        )  # the one passed has lost the columns that the model does not take
        names = getattr(rows, "column_names", None) or []
        if (
            self.args.train_sampling_strategy != "group_by_length"
            or self.args.length_column_name not in names
        ):
            return super()._get_train_sampler(train_dataset)  # type: ignore[misc]  # Trainer's
        from toolkit.batching import LengthGroupedBatches

        lengths = rows.with_format("numpy")[self.args.length_column_name][:]
        return LengthGroupedBatches(lengths, self.args.train_batch_size * self.args.world_size)

    def create_optimizer(self: Any, model: Any = None) -> Any:
        """Make the optimizer, and give parameters the learning rates that the method wants."""
        optimizer = super().create_optimizer(model)  # type: ignore[misc]  # Trainer, by the mixin
        factors = self.toolkit_method.learning_rates(self.model)
        if factors:
            named = {p: factors.get(name, 1.0) for name, p in self.model.named_parameters()}
            scale_groups(optimizer, named)
        return optimizer

    def evaluate(
        self: Any,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Score the validation split; keys are `eval_loss` and `eval_<metric>`."""
        from toolkit.evaluation.predicting import predict
        from toolkit.evaluation.scoring import score

        if eval_dataset is not None or self.toolkit_rows is None:
            found: dict[str, float] = super().evaluate(  # type: ignore[misc]  # Trainer, by the mixin
                eval_dataset, ignore_keys, metric_key_prefix
            )
            return found
        start = time.monotonic()
        plugin, rows, losses = self.toolkit_plugin, self.toolkit_rows, []

        def pairs() -> Any:
            size = self.args.per_device_eval_batch_size
            for batch in predict(plugin, self.model, rows, self.eval_dataset, size, with_loss=True):
                if batch.loss_sum is not None:
                    losses.append(batch.loss_sum)
                raw = rows.select(range(batch.start, batch.start + len(batch.predictions)))
                yield batch.predictions, plugin.references(raw.to_list())

        scores = score(plugin.metrics(), pairs())
        metrics = {f"{metric_key_prefix}_{k}": v["value"] for k, v in scores.items()}
        if losses:
            metrics[f"{metric_key_prefix}_loss"] = sum(losses) / len(rows)
        self.toolkit_eval_seconds += time.monotonic() - start
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


def scale_groups(optimizer: Any, factors: Mapping[Any, float]) -> None:
    """Split an optimizer's groups by the factor on their parameters' learning rate."""
    groups = list(optimizer.param_groups)
    optimizer.param_groups.clear()
    for group in groups:
        for factor in sorted({factors[p] for p in group["params"]}):
            chosen = [p for p in group["params"] if factors[p] == factor]
            optimizer.add_param_group({**group, "params": chosen, "lr": group["lr"] * factor})


def build_trainer(plugin: Plugin[Any], **parts: Any) -> transformers.Trainer:
    """Return the plugin's Trainer with validation scored by the plugin's own metrics."""
    import transformers

    base = plugin.Trainer or transformers.Trainer
    cls = type(f"Scored{base.__name__}", (ScoredEvaluation, base), {})
    trainer = cls(**parts)
    trainer.toolkit_plugin = plugin
    trainer.toolkit_method = methods.of(plugin.recipe.method if plugin.recipe else MethodSpec())
    rows = plugin.data.get("validation") if plugin.data is not None else None
    trainer.toolkit_rows = rows if parts.get("eval_dataset") is not None else None
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer  # type: ignore[no-any-return]  # a class made at run time


def train(trainer: transformers.Trainer) -> dict[str, float]:
    """Train, and return what Trainer says of it (`train_runtime` in seconds, ...).

    Raises:
        TrainingError: the loss became NaN or infinite.
    """
    result = trainer.train()
    loss = float(result.training_loss)
    if loss != loss:
        raise TrainingError(f"the training loss is {loss} after {result.global_step} steps")
    return dict(result.metrics)
