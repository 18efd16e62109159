"""The contract between the core and a scenario.

A plugin is a class of hooks. Each hook returns one part that a Trainer or the evaluation uses; the
runner calls them in the order of this file. No hook needs `super()`; most scenarios need four.
CONTRIBUTING.md lists the changes of the contract.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from toolkit.plugin.choosing import ChooseHooks
from toolkit.plugin.explaining import ExplainHooks
from toolkit.plugin.reading import ReadHooks
from toolkit.plugin_types import (
    JsonValue,
    NoOptions,
    Options,
    Prediction,
    Row,
    RowInspection,
    columns,
    sameness,
)
from toolkit.plugin_types.columns import marked

if TYPE_CHECKING:
    import datasets
    import evaluate
    import torch
    import transformers

    from toolkit.plugin_types import Baseline, Figure, ReshapedRows, Shown, Table
    from toolkit.recipe.schema import Recipe, SplitSpec

API_VERSION = 2

OptionsT = TypeVar("OptionsT", bound=Options)


class Plugin(ChooseHooks, ReadHooks, ExplainHooks, ABC, Generic[OptionsT]):
    """A scenario. Subclass it, implement the hooks, register the class as an entry point.

    The runner sets, before any hook is called:
        options: the validated `options:` block of the recipe
        recipe: the whole recipe, or None when a saved model is loaded without one
        model_path: the folder of the pretrained model, or of the saved one after training
        data: raw rows by split (None when a saved model predicts new rows)
    and then `processor`, `statistics`, `model` and `calibration`, as the hooks return them.
    """

    api_version: ClassVar[int] = API_VERSION
    Options: ClassVar[type[Options]] = NoOptions
    #: Seq2SeqTrainer, another library's, or your own; None is transformers.Trainer.
    Trainer: ClassVar[type[Any] | None] = None
    #: The class that the recipe's `training:` block fills; None is transformers.TrainingArguments.
    Arguments: ClassVar[type[Any] | None] = None
    #: The Hub's name for what the model does ("token-classification"), for the model card.
    task: ClassVar[str | None] = None

    options: OptionsT
    recipe: Recipe | None = None
    model_path: Path
    data: datasets.DatasetDict | None = None
    processor: Any = None
    model: Any = None
    statistics: Mapping[str, JsonValue] = MappingProxyType({})
    calibration: Mapping[str, JsonValue] = MappingProxyType({})

    def reshape_rows(self, rows: datasets.Dataset, split: str) -> datasets.Dataset | ReshapedRows:
        """Return rows in the shape that the other hooks and the options name.

        Called first, with the rows as read, before any column is checked. Their number may change
        (documents into paragraphs); a `ReshapedRows` tells how many were dropped, and why. A file
        with a suffix in `file_formats` is one row with its `path`. Rows in that shape already must
        come back as they are.

        Args:
            split: "train", which comes first, and so on, or "predict" (then without targets).
        """
        return rows

    def inspect_rows(self, rows: datasets.Dataset, split: str) -> RowInspection:
        """Inspect inputs beyond what column checks find, for example unreadable image files.

        Called once per split with all rows as read, before any row is skipped.
        """
        return RowInspection()

    def add_features(self, rows: datasets.Dataset) -> datasets.Dataset:
        """Return the same rows in the same order, with columns computed from other rows.

        Called with the rows of all splits, before others are made. To avoid leakage, a row must
        only use information that was available at its own time.
        """
        return rows

    def plan_split(
        self, spec: SplitSpec, target: str | None
    ) -> tuple[SplitSpec, str | None, Sequence[str]]:
        """Return how missing splits are made, the column to stratify by, and notes.

        Called after `add_features`. What the recipe sets has to stay.
        """
        return spec, target, ()

    def clusters(self) -> Sequence[str]:
        """Return the columns that name what rows belong to (a card, a passage), if there are any.

        Intervals and tests then draw their values instead of rows; `report.cluster` overrides it.
        """
        return ()

    def load_processor(self) -> Any:
        """Return the tokenizer, image processor or feature extractor; saved beside the model."""
        return None

    def example(self) -> Row:
        """Return an example row with the columns that the model reads, shown by `toolkit serve`.

        By default a value of each kind; None: rows may lack it. Called after `load_processor`.
        """
        values = {"number": 1.0, "boolean": True, "list": ["a", "list"], "object": {}}
        return {
            column: b"" if mark.files else values.get(mark.kind, "a text")
            for column, mark in marked(self.options, "input").values()
        }

    def prepare(self, split: datasets.Dataset, name: str) -> datasets.Dataset:
        """Return model inputs for raw rows: same length, same order, with `labels` where known.

        With a column `length`, batches can be grouped by length. An input that is too long may be
        split into chunks, one row each, with a column `chunk_of`: the number of the raw row,
        ascending. In training each is a row of its own; elsewhere `reduce_chunk` reduces their
        outputs, and `decode` combines those of a raw row.
        """
        return split

    @abstractmethod
    def load_model(self) -> transformers.PreTrainedModel:
        """Return the pretrained model from `self.model_path`, with a head that fits the data.

        Any torch module whose `save_pretrained` writes safetensors; a `config` must be of
        transformers.
        """

    def load_saved(self, dtype: torch.dtype) -> Any:
        """Return the model that was saved in `self.model_path`.

        None, the default, is the Auto class of transformers for the architecture in its config.
        """
        return None

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]] | None:
        """Return the data collator; None is the Trainer's default.

        It gets the columns of `prepare` that the model's `forward` names, and `labels`; all others
        are left out. In prediction there are no `labels`. A method `on_device(batch)` of it is
        called, but in training, once the batch is on the device: 8-bit images become floats there.
        """
        return None

    def loss(self) -> Callable[..., Any] | None:
        """Return `f(outputs, labels, num_items_in_batch=None)`; None is the model's own loss."""
        return None

    def infer(self, model: Any, batch: Mapping[str, Any]) -> Any:
        """Return outputs for a batch, without its labels if `loss` is set; override to generate."""
        return model(**{k: v for k, v in batch.items() if k != "labels" or self.loss() is None})

    def reduce_chunk(self, outputs: Any, parts: Sequence[Row]) -> list[Any]:
        """Reduce the outputs of a batch of chunks (prepared rows) to what `decode` needs of each.

        Called only if `prepare` adds a column `chunk_of`. Keep the results small: they wait in
        memory for all chunks of a raw row.
        """
        raise NotImplementedError(  # no abstract method: asked for by plugins with chunks alone
            f"{type(self).__name__} prepares rows in parts and needs reduce_chunk(outputs, parts)"
        )

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return one JSON-serializable prediction per raw row.

        Used wherever a model predicts. A value may be a `PredictionFile` (a mask, a sound).

        Args:
            outputs: of the model for a batch of the rows; if they were prepared in chunks, for
                each row the list of what `reduce_chunk` returned for its chunks.
            rows: the raw rows.
            prepared: the same rows as `prepare` returned them; for each row the list of its chunks
                if they were prepared in chunks.
        """
        raise NotImplementedError(  # no abstract method: a plugin that is being written may lack it
            f"{type(self).__name__} needs decode(outputs, rows, prepared): one dict per row"
        )

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return the actual value for each raw row, in the form that the metrics take.

        By default the value in the target column.
        """
        column = next(iter(columns(self.options, "target").values()), None)
        return [None if column is None else row.get(column) for row in rows]

    def decision_margin(self, prediction: Prediction) -> float | Mapping[str, float]:
        """Return the decision margin of a prediction, as a difference in probability.

        A smaller change does not change the label. By default the difference of the two largest
        values in the first mapping of numbers, or infinite. Keys of a prediction may have margins
        of their own: key -> margin, and "" -> the margin of all others.
        """
        return sameness.usual_margin(prediction)

    def same(self, one: Prediction, other: Prediction) -> bool:
        """Return whether two predictions of one row are the same, but for rounding.

        Asked of saved models, exports and by the kit. By default numbers may differ by a thousandth
        of the larger one (in a list: of its largest), probabilities by 0.01, wav files and images
        by about as much; all else is equal, or was decided by less than 0.001.
        """
        return sameness.same(one, other, self.decision_margin(one), self.decision_margin(other))

    def training_statistics(self) -> Mapping[str, JsonValue]:
        """Return values of the training rows that metrics need, such as the scale of a series.

        They are saved beside the model: `self.statistics` wherever predictions are scored.
        """
        return {}

    def calibrate(self, predictions: Sequence[Prediction]) -> Mapping[str, JsonValue]:
        """Return values chosen on validation after training, such as a threshold or temperature.

        They are saved beside the model; `decode` finds them in `self.calibration`. There is a
        prediction for each row of `self.data["validation"]`, in order.
        """
        return {}

    def metrics(self) -> Mapping[str, evaluate.EvaluationModule]:
        """Return metric modules by name; the first is the headline metric and selects checkpoints.

        `report.metrics` selects among them and sets their order; it may add metrics of other
        packages (`distribution:name`).
        """
        return {}

    def baselines(self) -> Iterable[Baseline]:
        """Return the baselines that the model must beat."""
        return ()

    def show(self, row: Row, prediction: Prediction, reference: Any) -> Sequence[Shown]:
        """Return a row with its prediction as report and `serve` are to show it.

        Texts with marked spans, also side by side, images with boxes or masks, sounds, series.
        `reference` is what `references` returned, and None where it is unknown.
        """
        return ()

    def tables(self, pairs: Iterable[tuple[Prediction, Any]]) -> Mapping[str, Table]:
        """Return tables for the report by title, such as the scores of each entity or horizon.

        `pairs` are prediction and reference of each test row, in order.
        """
        return {}

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Figure]:
        """Return curves and images by name, for the run's folder `figures/`.

        There is a prediction for each row of `self.data["test"]`, in order.
        """
        return {}

    def notes(self) -> list[str]:
        """Return notes for the report on how the data was used."""
        return []

    def trainer(self, **parts: Any) -> transformers.Trainer | None:
        """Return a Trainer that needs other arguments than `transformers.Trainer`; usually None.

        `parts`: model, args, train_dataset, eval_dataset, data_collator, processing_class,
        compute_loss_func, callbacks. Change them and pass them to
        `toolkit.training.trainer.build_trainer(self, **parts)`. Where the Trainer's model wraps the
        plugin's, the plugin's own is evaluated and saved.
        """
        return None

    def with_(self, **attributes: Any) -> Self:
        """Return a copy with other attributes, such as `data`, and all that is computed so far."""
        found = copy.copy(self)
        for name, value in attributes.items():
            if name not in Plugin.__annotations__:
                raise AttributeError(f"a plugin has no {name!r}")
            setattr(found, name, value)
        return found
