"""A few rows through all that follows training, so that a plugin's mistake costs seconds.

Metrics and figures may fail on very few rows although nothing is wrong: what fails is tried again
on more of them, and only then reported.
"""

from __future__ import annotations

import datetime
import math
import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.columns import numbers
from toolkit.errors import Fault, HookError, ModelError, RecipeError, ToolkitError
from toolkit.evaluation import chunks, run_metrics
from toolkit.evaluation.baselines import score_baselines
from toolkit.evaluation.batches import batch_maker, records
from toolkit.evaluation.predicting import evaluating, loss_of, predict
from toolkit.evaluation.scoring import score
from toolkit.plugin import Plugin
from toolkit.plugin.blame import blame
from toolkit.plugin_types import PredictionFile
from toolkit.reporting import shown
from toolkit.training import memory

if TYPE_CHECKING:
    import datasets

FEW, MORE = 3, 64  # rows of each split
SECONDS = 0.5  # for all baselines together
PLAIN = str | int | float | datetime.date | Path | PredictionFile | None  # see utils/jsonable.py

Splits = Mapping[str, "datasets.Dataset"]


def rehearse(plugin: Plugin[Any], raw: Splits, prepared: Splits) -> list[str]:
    """Predict, score and show a few rows with the untrained model; random states stay.

    The longest row is predicted, too, and what its length alone breaks is said to be that.

    Returns notes on what failed and does not stop a run: baselines.

    Raises:
        HookError: a hook failed, or gave what cannot be used.
        ModelError: the longest row, or a row's words, positions or token types do not fit.
        RecipeError: a metric of another package does not take this scenario's predictions.
    """
    from datasets.utils.py_utils import temp_seed

    from toolkit.models.tables import CheckedTables

    state = random.getstate()
    with temp_seed(0, set_pytorch=True), CheckedTables(plugin.model):
        failure = _tried(_rehearse, plugin, raw, prepared)
        if not isinstance(failure, ToolkitError):
            failure = _too_long(plugin, raw, prepared) or failure
        baseline = None if failure else _tried(_run_baselines, plugin, raw, prepared)
    random.setstate(state)
    if isinstance(failure, ToolkitError):
        raise failure
    if failure is not None and not memory.is_out(failure):  # smaller batches: while training
        what = f"{type(plugin).__name__}: a few rows cannot be predicted, scored and shown: "
        said = f"{what}{type(failure).__name__}: {failure}"
        raise blame(failure, plugin) or HookError(said) from failure
    if baseline is None:
        return []
    return [f"a baseline fails on few rows before training: {blame(baseline, plugin) or baseline}"]


def _tried(
    step: Callable[..., None], plugin: Plugin[Any], raw: Splits, prepared: Splits
) -> Exception | None:
    """Return what a step raises on few rows and on more of them, too."""
    import datasets

    for most in (FEW, MORE):
        try:
            few, inputs = _some(raw, prepared, most)
            # A plugin may read its classes from the training rows: it keeps all of them.
            data = datasets.DatasetDict({**few, "train": raw["train"]})
            step(plugin.with_(data=data), few, inputs)
            return None
        except Exception as error:  # whatever hooks, metrics and baselines raise
            failure = error
    return failure


def _some(
    raw: Splits, prepared: Splits, most: int
) -> tuple[dict[str, datasets.Dataset], dict[str, datasets.Dataset]]:
    """Return few rows of each split, and the same rows prepared."""
    rows, inputs = {}, {}
    for name, split in raw.items():
        # From all over the split, as many a file is sorted by its labels.
        places = np.unique(np.linspace(0, len(split) - 1, min(most, len(split))).astype(int))
        rows[str(name)], inputs[str(name)] = chunks.select(split, prepared[name], places)
    return rows, inputs


def _rehearse(plugin: Plugin[Any], raw: Splits, inputs: Splits) -> None:
    for hook, made in (("load_model", plugin.model), ("load_processor", plugin.processor)):
        if made is not None and not hasattr(made, "save_pretrained"):
            raise _gave(plugin, hook, f"{type(made).__name__}, which has no save_pretrained")
    _check_loss(plugin, inputs["train"])
    found: dict[str, list[Any]] = {}
    for split in filter(raw.__contains__, ("validation", "test")):
        batches = predict(plugin, plugin.model, raw[split], inputs[split], FEW, alone=True,
                          with_loss=split == "validation")  # fmt: skip
        found[split] = [prediction for batch in batches for prediction in batch.predictions]
    rows, predictions = raw["test"].to_list(), found["test"]
    for prediction in predictions:
        if not isinstance(prediction, dict):
            raise _gave(plugin, "decode", f"{type(prediction).__name__}, not a dict")
        if why := next(_no_json(prediction, "prediction"), None):
            raise _gave(plugin, "decode", f"what is no JSON: {why}")
        if plugin.same(prediction, prediction) is not True:
            raise _gave(plugin, "same", f"no True for {prediction!r:.200} and itself")
    references = plugin.references(rows)
    if len(references) != len(rows):
        raise _gave(plugin, "references", f"{len(references)} for {len(rows)} rows")
    _check_metrics(plugin, predictions, references)
    shown.stored(plugin.show(rows[0], predictions[0], references[0]))
    dict(plugin.tables(zip(predictions, references, strict=True)))
    dict(plugin.figures(iter(predictions)))


def _too_long(plugin: Plugin[Any], raw: Splits, prepared: Splits) -> Exception | None:
    """Return what the longest row raises, where lengths are known and the shortest passes."""
    found: list[tuple[int, str, int]] = []
    for name, split in prepared.items():
        if "length" in split.column_names and len(split):
            lengths = numbers(split, "length")
            ends = int(lengths.argmax()), int(lengths.argmin())
            found += [(int(lengths[i]), name, i) for i in ends]
    if not found:
        return None
    failures = []
    for _, name, place in (max(found), min(found)):
        rows = chunks.rows_of(prepared[name], [place])
        try:
            list(predict(plugin, plugin.model, *chunks.select(raw[name], prepared[name], rows), 1))
        except ToolkitError as error:
            return error
        except Exception as error:  # whatever a model does with more than it takes
            failures.append(error)
    if len(failures) != 1 or memory.is_out(failures[0]):
        return None
    length, name, _ = max(found)
    what = (
        f"the longest row ({length:,} tokens, in {name}) does not fit {type(plugin.model).__name__}"
    )
    return ModelError(f"{what}: {failures[0]}. Lower max_length, if the scenario has one.")


def _run_baselines(plugin: Plugin[Any], raw: Splits, inputs: Splits) -> None:
    modules = partial(run_metrics.modules, plugin)
    score_baselines(plugin, inputs, modules, SECONDS, 0, rows=raw, intervals=False)


def _gave(plugin: Plugin[Any], hook: str, what: str) -> HookError:
    return HookError(f"{type(plugin).__name__}.{hook} gave {what}")


def _check_loss(plugin: Plugin[Any], prepared: datasets.Dataset) -> None:
    import torch
    import transformers

    model, rows = plugin.model, records(prepared, range(min(FEW, len(prepared))))
    config = getattr(model, "config", None)
    if config is not None and not hasattr(config, "to_json_string"):
        what = f"a model whose config is {type(config).__name__}, not a PreTrainedConfig, nor None"
        raise _gave(plugin, "load_model", what)
    with evaluating(model), torch.inference_mode():
        batch = batch_maker(plugin, model, with_labels=True)(rows)
        usual = getattr(plugin.Trainer or transformers.Trainer, "compute_loss", None)
        if usual is not transformers.Trainer.compute_loss or (
            type(plugin).trainer is not Plugin.trainer
        ):
            return  # it may call the model in its own way
        outputs = Plugin.infer(plugin, model, batch)  # where `infer` is its own, it may generate
        loss = loss_of(plugin, outputs, batch)
    if loss is None and not isinstance(outputs, tuple):
        what = f"{type(model).__name__} gives {', '.join(outputs)} for a batch of"
        raise _gave(plugin, "loss", f"None, and {what} {', '.join(batch)}: no loss to train with")
    if loss is not None and not math.isfinite(loss):
        raise HookError(f"{type(plugin).__name__}: the loss of {len(rows)} training rows is {loss}")


def _no_json(value: Any, where: str) -> Iterator[str]:
    """Yield the places of what cannot be JSON, and what is there."""
    if isinstance(value, Mapping):
        yield from (f"{where} has the key {key!r}" for key in value if not isinstance(key, str))
        for key, item in value.items():
            yield from _no_json(item, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _no_json(item, f"{where}[{place}]")
    elif not isinstance(value, PLAIN) and getattr(value, "ndim", None) != 0:
        yield f"{where} is {type(value).__name__}"


def _check_metrics(plugin: Plugin[Any], predictions: list[Any], references: list[Any]) -> None:
    faults = []
    for name, module in run_metrics.modules(plugin).items():
        try:
            score({name: module}, [(predictions, references)])
        except Exception as error:  # whatever a metric does
            reason = next(iter(str(error).splitlines()), "")
            scenario = plugin.recipe.scenario if plugin.recipe else type(plugin).__name__
            what = (f"{name} does not take what {scenario} predicts: {type(error).__name__}: "
                    f"{reason} (a prediction is {predictions[0]!r:.200}, "
                    f"a reference {references[0]!r:.100})")  # fmt: skip
            if not run_metrics.is_reference(name):
                raise HookError(f"{type(plugin).__name__}.metrics: {what}") from error
            faults.append(Fault("report.metrics", what))
    if faults:
        raise RecipeError(faults)
