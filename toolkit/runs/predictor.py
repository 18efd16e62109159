"""A saved model put to work again: the plugin, its options and plain `AutoModel...` weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import DataError, Fault, UserError
from toolkit.models import adapters, methods, pretrained
from toolkit.models.auto import load_plain
from toolkit.plugin import get
from toolkit.recipe import library
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.folder import Run

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Prediction
    from toolkit.recipe import Recipe


CALIBRATION = "calibration.json"  # in the model's folder: what `Plugin.calibrate` has chosen


@dataclass
class Predictor:
    """A plugin whose processor and model come from a run's folder.

    others: the same model on further devices, which take their turns.
    """

    plugin: Plugin[Any]
    others: Sequence[Any] = ()

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
        return self.predictions(self.plugin.derive(self.dataset(rows)))

    def dataset(self, rows: Sequence[Mapping[str, Any]]) -> datasets.Dataset:
        """Return rows as a dataset that has the columns which the model reads.

        Raises:
            UserError: as above.
        """
        import datasets
        import pyarrow as pa

        from toolkit.data.checks import require_columns
        from toolkit.data.uncached import UncachedDataset
        from toolkit.plugin_types import columns

        names = dict.fromkeys(name for row in rows for name in row)
        values = {name: [row.get(name) for row in rows] for name in names}
        try:
            raw = UncachedDataset.made_of(pa.table(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            try:  # which also knows pictures of Pillow and the like, and takes longer
                raw = datasets.Dataset.from_dict(values)
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                what = f"values of a column differ in type: {str(error).splitlines()[0]}"
                raise DataError(Fault("rows", what)) from error
        inputs = columns(self.plugin.options, "input")
        require_columns({"rows": raw}, {f"options.{k}": v for k, v in inputs.items()})
        return raw

    def predictions(self, raw: datasets.Dataset) -> list[Prediction]:
        """Return one prediction per row of rows that are derived, and known to be sound."""
        from toolkit.data.uncached import UncachedDataset
        from toolkit.evaluation.predicting import predict

        raw = UncachedDataset.of(raw)
        prepared = self.plugin.prepare(raw, "predict")
        model, size = self.plugin.model, self.batch_size
        batches = predict(
            self.plugin, model, raw, prepared, size, tight=True, others=self.others
        )  # fmt: skip
        return [prediction for batch in batches for prediction in batch.predictions]


def load_predictor(run: Path, computing: ComputeConfig | None = None) -> Predictor:
    """Load the plugin and the model of a run, as anybody loads a saved model.

    Raises:
        UserError: the folder holds no recipe.yaml, no model, or no such export; or this machine
            cannot compute like that.
    """
    computing = computing or ComputeConfig()
    computing.check()
    plugin = plugin_of(run)
    if computing.runtime != "torch":
        from toolkit.runs import onnx_model as exported

        plugin.model = exported.of_run(run, computing.runtime)
    elif (plugin.model_path / adapters.CONFIG).is_file():
        method = methods.method_for(recipe_of(run).method)
        plugin.model = adapters.load(plugin.model_path, method, trained_on(run))
    else:
        plugin.model = load_plain(plugin.model_path)
    plugin.model, *others = computing.placed(plugin.model)
    return Predictor(plugin, others)


def plugin_of(run: Path) -> Plugin[Any]:
    """Return the plugin of a run as it was when the test split was scored, without a model.

    Raises:
        UserError: the folder holds no recipe.yaml or no model.
    """
    for needed in ("recipe.yaml", "model"):
        if not (run / needed).exists():
            raise UserError(f"{run} holds no {needed}: the run did not get that far")
    recipe = recipe_of(run)
    plugin = get(recipe.scenario)()
    plugin.options = type(plugin).Options.model_validate(recipe.options)
    plugin.recipe = recipe
    plugin.model_path = run / "model"
    pretrained.refuse_remote_code()
    plugin.processor = plugin.load_processor()
    chosen = plugin.model_path / CALIBRATION
    if chosen.is_file():
        plugin.calibration = json.loads(chosen.read_text(encoding="utf-8"))
    return plugin


def recipe_of(run: Path) -> Recipe:
    """Return the resolved recipe of a run.

    Raises:
        UserError: recipe.yaml is absent, or has been edited into something that is no recipe.
    """
    return library.find_recipe(str(run / "recipe.yaml")).checked()


def trained_on(run: Path) -> str | None:
    """Return the revision of the pretrained model, as run.json has it; None where there is none."""
    record = Run(run).record if (run / "run.json").is_file() else {}
    return str(record["model"]["revision"]) if record.get("model") else None
