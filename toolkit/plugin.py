"""The contract between the core and a scenario.

A plugin is a class of hooks. Each hook returns one part that a Trainer or the scorer takes; the
runner calls them in the order in which they stand here. Nothing needs `super()`; most scenarios
need four hooks and about 40 lines.

Changes of the contract: 1 (2026): first version.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from toolkit.errors import PluginError
from toolkit.plugin_types import Examined, JsonValue, NoOptions, Options, Prediction, Row, columns
from toolkit.registry import GROUP, KINDS, entry, load, resolve, side
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets
    import evaluate
    import transformers

    from toolkit.plugin_types import Baseline, Figure
    from toolkit.recipe import Recipe

API_VERSION = 1


OptionsT = TypeVar("OptionsT", bound=Options)


class Plugin(ABC, Generic[OptionsT]):
    """A scenario. Subclass it, fill in the hooks, and name the class in an entry point.

    The runner sets, before any hook is called:
        options: the validated `options:` block of the recipe
        recipe: the whole recipe, or None when a saved model is loaded without one
        model_path: the folder of the pretrained model, or of the saved one after training
        data: raw rows by split (None when a saved model predicts new rows)
    and afterwards `processor`, `model` and `calibration`, as the hooks return them.
    """

    api_version: ClassVar[int] = API_VERSION
    Options: ClassVar[type[Options]] = NoOptions
    #: Seq2SeqTrainer, another library's, or your own; None is transformers.Trainer.
    Trainer: ClassVar[type[Any] | None] = None
    #: The class that the recipe's `training:` block fills; None is transformers.TrainingArguments.
    Arguments: ClassVar[type[Any] | None] = None

    options: OptionsT
    recipe: Recipe | None = None
    model_path: Path
    data: datasets.DatasetDict | None = None
    processor: Any = None
    model: Any = None
    calibration: Mapping[str, JsonValue] = MappingProxyType({})

    def examine(self, rows: datasets.Dataset, split: str) -> Examined:
        """Look into inputs that no column check can judge (are these files sound?).

        Called with all rows of each split as read, before any is set aside.
        """
        return Examined()

    def derive(self, rows: datasets.Dataset) -> datasets.Dataset:
        """Return the same rows in the same order, with further columns that hang on other rows.

        Called before splits are made, with the rows of all splits together; so that what a row
        learns of others must not come from those that it could not have known.
        """
        return rows

    def load_processor(self) -> Any:
        """Return the tokenizer, image processor or feature extractor; saved beside the model."""
        return None

    def example(self) -> Row:
        """Return a made-up row with all columns that the model reads, as `toolkit serve` shows it.

        Its values say how each is given: a text, a number, a bool, or the bytes of a file. Called
        on a saved model, behind `load_processor`.
        """
        return dict.fromkeys(columns(self.options, "input").values(), "a text")

    def prepare(self, split: datasets.Dataset, name: str) -> datasets.Dataset:
        """Return model inputs for raw rows: same length, same order; `labels` where they exist.

        A column `length` lets batches be grouped by length.

        What is too long for one input may be given in parts, a row each, with a column `row` of
        the raw rows' numbers, rising. Each part is a row of its own in training; in all else
        `keep` takes what is needed of the outputs, and `decode` makes one prediction of a row.
        """
        return split

    @abstractmethod
    def load_model(self) -> transformers.PreTrainedModel:
        """Return the pretrained model from `self.model_path`, with a head that fits the data."""

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]] | None:
        """Return what joins prepared rows to a batch; None takes the Trainer's default."""
        return None

    def loss(self) -> Callable[..., Any] | None:
        """Return `f(outputs, labels, num_items_in_batch=None)`; None takes the model's own loss."""
        return None

    def infer(self, model: Any, batch: Mapping[str, Any]) -> Any:
        """Return the model's outputs for a batch; override it to generate."""
        return model(**batch)

    def keep(self, outputs: Any, parts: Sequence[Row]) -> list[Any]:
        """Return what `decode` needs of a batch's outputs for each part (prepared row): little.

        Called only where `prepare` gives a column `row`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} prepares rows in parts and needs keep(outputs, parts)"
        )

    def decode(self, outputs: Any, rows: Sequence[Row]) -> list[Prediction]:
        """Return one JSON-able prediction per raw row.

        Evaluation, prediction, serving and the reload check all pass through here.

        Args:
            outputs: of the model for a batch of the rows; where they were prepared in parts, a
                list for each row of what `keep` returned for each of its parts.
        """
        raise NotImplementedError(
            f"{type(self).__name__} needs decode(outputs, rows): one dict per row"
        )

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return what is true for each raw row, in the form that the metrics take.

        By default the value of the option that is marked as target column.
        """
        column = next(iter(columns(self.options, "target").values()), None)
        return [None if column is None else row.get(column) for row in rows]

    def margin(self, prediction: Prediction) -> float | Mapping[str, float]:
        """Return how far a prediction is from becoming another one, as a difference in probability.

        By default the gap between the two largest values of the first mapping of numbers in it;
        infinite where there is none, so that any change counts as one. Parts of a prediction may
        have margins of their own: key -> margin, and "" -> that of all other keys.
        """
        for value in prediction.values():
            if isinstance(value, Mapping) and len(value) > 1:
                numbers = [v for v in value.values() if isinstance(v, int | float)]
                if len(numbers) == len(value):
                    first, second, *_ = sorted(numbers, reverse=True)
                    return float(first - second)
        return float("inf")

    def calibrate(self, predictions: Sequence[Prediction]) -> Mapping[str, JsonValue]:
        """Return what is chosen on validation after training: a threshold, a temperature.

        `decode` finds it in `self.calibration` from then on; it is saved beside the model.

        Args:
            predictions: one for each row of `self.data["validation"]`, in order.
        """
        return {}

    def metrics(self) -> Mapping[str, evaluate.EvaluationModule]:
        """Return metric modules by name; the first is the headline and chooses the checkpoint.

        Those that `report.metrics` names are taken of them, in its order, and beside them what it
        names of other packages (`distribution:name`).
        """
        return {}

    def floors(self) -> Iterable[Baseline]:
        """Return the cheap things that the model must beat."""
        return ()

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Figure]:
        """Return curves and pictures by name, for the run's folder `figures/`.

        Args:
            predictions: one for each row of `self.data["test"]`, in order.
        """
        return {}

    def notes(self) -> list[str]:
        """Return what the reader of the report must know about how the data was taken."""
        return []

    def trainer(self, **parts: Any) -> transformers.Trainer | None:
        """Return the Trainer where one does not take `transformers.Trainer`'s parts; None is usual.

        `parts`: model, args, train_dataset, eval_dataset, data_collator, processing_class,
        compute_loss_func, callbacks. Change them as it needs them and give them
        to `toolkit.training.trainer.build_trainer(self, **parts)`. Where its model holds the plugin's (as in
        sentence-transformers), the plugin's own is what is scored and saved.
        """
        return None

    def with_(self, **attributes: Any) -> Self:
        """Return a copy with other data, another recipe or model; this plugin stays as it is.

        What the plugin has worked out so far (its classes, say) stays in the copy.
        """
        found = copy.copy(self)
        for name, value in attributes.items():
            if name not in Plugin.__annotations__:
                raise AttributeError(f"a plugin has no {name!r}")
            setattr(found, name, value)
        return found


def get(name: str) -> type[Plugin[Any]]:
    """Return the plugin class of a scenario, importing it.

    Raises:
        PluginError: unknown or duplicate name, a failing import, a class that is no Plugin, or one
            written for another version of the contract.
    """
    from toolkit.plugin import API_VERSION, Plugin

    point = resolve(GROUP, KINDS[GROUP], name)
    brought = entry(point)
    what, found = side(KINDS[GROUP], brought), load(point, KINDS[GROUP])
    if not (isinstance(found, type) and issubclass(found, Plugin)):
        raise PluginError(f"{what} is not a subclass of toolkit.Plugin but {found!r}.")
    if found.api_version != API_VERSION:
        raise PluginError(
            f"{what} is written for api_version {found.api_version!r}; this toolkit has "
            f"{API_VERSION}: install a version of {brought.distribution} that fits."
        )
    if found.__abstractmethods__:
        raise PluginError(f"{what} does not define {listing(sorted(found.__abstractmethods__))}.")
    return found
