"""A saved model loaded for prediction: the plugin, its options and `AutoModel...` weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import DataError, Fault, UserError
from toolkit.models import adapters, methods
from toolkit.models.auto import load_saved
from toolkit.models.outside import require_inert, switch_off
from toolkit.plugin import get
from toolkit.plugin.blame import blamed
from toolkit.plugin_types import columns
from toolkit.recipe import library
from toolkit.runs.compute import ComputeConfig, rounded
from toolkit.runs.folder import Run, run_of
from toolkit.runs.saved_model import require_unchanged
from toolkit.runs.two_precisions import SAMPLE, TwoPrecisions
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Prediction
    from toolkit.recipe.schema import Recipe


TOP = 10  # parts of an explanation, where not said otherwise
#: Attribute of a plugin -> the file in the model's folder that keeps it.
KEPT = {"calibration": "calibration.json", "statistics": "training_statistics.json"}


@dataclass
class Predictor:
    """A plugin whose processor and model come from a run's folder.

    others: copies of the model on further devices, which share the batches.
    rounding: what computes in bfloat16 where it changes no answer.
    """

    plugin: Plugin[Any]
    others: Sequence[Any] = ()
    rounding: TwoPrecisions | None = None

    @property
    def batch_size(self) -> int:
        """Rows per forward pass, as in the run."""
        settings = self.plugin.recipe.training if self.plugin.recipe else {}
        return int(settings.get("per_device_eval_batch_size", 64))

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Prediction]:
        """Return one prediction per row.

        Raises:
            UserError: a row lacks an input column, or differs from others in type.
        """
        if not rows:
            return []
        with blamed(self.plugin):
            return self.predictions(self.plugin.add_features(self.dataset(rows)))

    def rows(self, given: Any) -> list[Mapping[str, Any]]:
        """Return what a caller gives as rows as dicts: a table, dicts, or values of one column.

        Raises:
            UserError: values alone, for a model that reads several columns, or none of these.
        """
        from toolkit.data.in_memory import table_of

        if not isinstance(given, list | tuple):
            found: list[Mapping[str, Any]] = table_of(given, "rows").to_pylist()
            return found
        if all(isinstance(row, Mapping) for row in given):
            return list(given)
        names = list(columns(self.plugin.options, "input").values())
        if len(names) != 1:
            what = f"this model reads {listing(names)}: give each row as a dict of these"
            raise DataError(Fault("rows", what))
        return [row if isinstance(row, Mapping) else {names[0]: row} for row in given]

    def explain(self, rows: Sequence[Mapping[str, Any]], top: int = TOP) -> list[dict[str, Any]]:
        """Return for each row its `prediction`, and as `explanation` what moved it most.

        These are the words, patches or columns with the largest contributions in size, each with
        `contribution` (by how much the score of `of` falls without it) and `of`: a label, whose
        score is log odds, or "value". docs/explanations.md says what they mean.

        Args:
            top: how many of each row, and of each of several labels.

        Raises:
            UserError: as `predict` does, or the scenario explains nothing.
        """
        if not rows:
            return []
        with blamed(self.plugin):
            return self.explanations(self.plugin.add_features(self.dataset(rows)), top)

    def dataset(self, rows: Sequence[Mapping[str, Any]]) -> datasets.Dataset:
        """Return rows as a dataset; raises as `predict` does."""
        import datasets
        import pyarrow as pa

        from toolkit.data.uncached import UncachedDataset

        names = dict.fromkeys(name for row in rows for name in row)
        values = {name: [row.get(name) for row in rows] for name in names}
        try:
            raw = UncachedDataset.made_of(pa.table(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            try:  # slower, but takes Pillow images and the like
                raw = datasets.Dataset.from_dict(values)
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                what = f"values of a column differ in type: {str(error).splitlines()[0]}"
                raise DataError(Fault("rows", what)) from error
        return self._checked(raw)

    def _checked(self, raw: datasets.Dataset) -> datasets.Dataset:
        """Return rows in the shape that the plugin's hooks expect."""
        from toolkit.data.prediction_rows import in_shape

        faults: list[Fault] = []
        rows, wrong, _ = in_shape(raw, self.plugin, Path(), "rows", faults)
        if len(rows) != len(raw):
            counts = f"{len(raw):,} became {len(rows):,} (reshape_rows)"
            raise DataError(Fault("rows", f"{counts}: give them in their final shape"))
        faults += [Fault(f"rows row {row + 1}", why) for row, why in sorted(wrong.items())]
        if faults:
            raise DataError(faults)
        return rows

    def predictions(self, raw: datasets.Dataset) -> list[Prediction]:
        """Return one prediction per row of checked rows, with the plugin's features added."""
        from toolkit.data.uncached import UncachedDataset

        raw, plugin = UncachedDataset.of(raw), self.plugin
        with blamed(plugin):
            prepared = plugin.prepare(raw, "predict")
            exact = partial(self._by, (plugin.model, *self.others), raw, prepared)
            if self.rounding is None:
                return exact()
            rounded = partial(self._by, self.rounding.models, raw, prepared)
            return self.rounding.predictions(len(raw), exact, rounded)

    def _by(
        self,
        models: Sequence[Any],
        raw: datasets.Dataset,
        prepared: datasets.Dataset,
        rows: Sequence[int] | None = None,
    ) -> list[Prediction]:
        """Return what models, the same on several devices, predict of these rows, or of all."""
        from toolkit.evaluation import chunks
        from toolkit.evaluation.predicting import predict

        some = (raw, prepared) if rows is None else chunks.select(raw, prepared, rows)
        batches = predict(self.plugin, models[0], *some, self.batch_size, fast=True,
                          others=models[1:])  # fmt: skip
        return [prediction for batch in batches for prediction in batch.predictions]

    def settle(self, raw: datasets.Dataset) -> None:
        """Choose the data type for rows like these, where it is chosen by what it changes.

        Where one of the rows that are tried cannot be predicted, the first to come decide.
        """
        if self.rounding is None or self.rounding.settled or not len(raw):
            return
        many = min(len(raw), SAMPLE)
        with suppress(Exception):  # whatever hooks and models raise; it is told with the row
            self.predictions(raw.select([row * len(raw) // many for row in range(many)]))
            if not self.rounding.settled:
                self.rounding.settle()

    def explanations(self, raw: datasets.Dataset, top: int = TOP) -> list[dict[str, Any]]:
        """Return what `explain` does, of checked rows, with the plugin's features added."""
        from toolkit.data.uncached import UncachedDataset
        from toolkit.evaluation.explanations import explain, require_explained

        raw, plugin = UncachedDataset.of(raw), self.plugin
        with blamed(plugin):
            models = (plugin.model, *self.others)  # in float32, as what is explained by them
            found = self._by(models, raw, plugin.prepare(raw, "predict"))
            require_explained(plugin, found)
            explained = explain(plugin, plugin.model, raw, found, self.batch_size,
                                others=self.others)  # fmt: skip
            return [{"prediction": prediction, "explanation": one.largest(top)}
                    for prediction, one in zip(found, explained, strict=True)]  # fmt: skip


def load_predictor(run: Path, computing: ComputeConfig | None = None) -> Predictor:
    """Load the plugin and the model of a run.

    Raises:
        UserError: the folder holds no recipe.yaml, no model, or no such export; or this machine
            cannot compute like that.
    """
    computing = computing or ComputeConfig()
    computing.check()
    _require_weights(run)
    plugin = plugin_of(run)
    if computing.runtime != "torch":
        from toolkit.runs import onnx_model

        plugin.model = onnx_model.load_export(run, computing.runtime)
    elif (plugin.model_path / adapters.CONFIG).is_file():
        method = methods.method_for(recipe_of(run).method)
        plugin.model = adapters.load(plugin.model_path, method, trained_on(run))
    else:
        dtype = "float32" if computing.dtype == "auto" else computing.dtype
        plugin.model = load_saved(plugin, dtype)
    plugin.model, *others = computing.replicas(plugin.model)
    copies = rounded([plugin.model, *others]) if computing.dtype == "auto" else []
    return Predictor(plugin, others, TwoPrecisions(plugin, copies) if copies else None)


def plugin_of(run: Path) -> Plugin[Any]:
    """Return the plugin of a run as it was when the test split was scored, without the model.

    Raises:
        UserError: the folder holds no recipe.yaml or no model, or another than the run has saved.
    """
    run = run_of(run)
    for needed in ("recipe.yaml", "model"):
        if not (run / needed).exists():
            raise UserError(f"{run} holds no {needed}: the run did not get that far")
    recipe = recipe_of(run)
    cls = get(recipe.scenario)
    options = cls.Options.model_validate(recipe.options)
    plugin: Plugin[Any] = cls.chosen(options)()
    plugin.options, plugin.recipe = options, recipe
    plugin.model_path = run / "model"
    require_unchanged(plugin.model_path, _record(run).get("model_files", {}))
    require_inert(plugin.model_path)
    switch_off()
    with blamed(plugin, own_lines=True):
        plugin.processor = plugin.load_processor()
    for attribute, name in KEPT.items():
        if (file := plugin.model_path / name).is_file():
            setattr(plugin, attribute, json.loads(file.read_text(encoding="utf-8")))
    return plugin


def _require_weights(run: Path) -> None:
    """Raise UserError for a trial of a search, whose weights are not kept."""
    status = _record(run).get("status")
    if status in ("validated", "pruned"):
        what = f"{run} is a trial of a sweep ({status}), which keeps weights of the chosen one only"
        raise UserError(f"{what}: toolkit run {run / 'recipe.yaml'} trains it as a run of its own")


def recipe_of(run: Path) -> Recipe:
    """Return the resolved recipe of a run.

    Raises:
        UserError: recipe.yaml is absent or no valid recipe.
    """
    return library.find_recipe(str(run / "recipe.yaml")).checked()


def trained_on(run: Path) -> str | None:
    """Return the revision of the pretrained model, as run.json has it; None where there is none."""
    model = _record(run).get("model")
    return str(model["revision"]) if model else None


def _record(run: Path) -> dict[str, Any]:
    return Run(run).record if (run / "run.json").is_file() else {}
