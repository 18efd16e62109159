"""A class for each pixel, whatever reads the images: loss, masks, metrics, baselines, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from toolkit.errors import Fault, RecipeError
from toolkit.evaluation.metrics import masks as mask_metrics
from toolkit.plugin_types import (
    Baseline,
    Figure,
    Options,
    Prediction,
    PredictionFile,
    Row,
    Shown,
    Table,
    columns,
)
from toolkit.tasks.base import Batch, Encoder, TaskPlugin
from toolkit.tasks.masks import baselines, shown
from toolkit.tasks.masks.decoding import mask_strips
from toolkit.tasks.masks.losses import IGNORED, LossName, pixel_loss
from toolkit.tasks.masks.pixels import PixelCounts, counts_of
from toolkit.tasks.masks.png import Classes, decode, encode, ignored_value, image_size, nearest
from toolkit.utils.text import listing
from toolkit.utils.text import nearest as nearest_name

if TYPE_CHECKING:
    from toolkit.recipe.schema import SplitSpec

OptionsT = TypeVar("OptionsT", bound=Options)


class MasksPlugin(TaskPlugin[OptionsT]):
    """A scenario that gives each pixel of an image one class.

    The options mark an input and a target that are files: an image, and a mask of the image's
    upright size, a PNG of one channel whose values are numbers of classes, 255 where a pixel is
    ignored. These further options are read where a subclass has them: `loss` and `class_weights`
    (see `Losses`), and `positive` (the foreground of two classes, by default the last).
    """

    #: (height, width) of the labels that `prepare` makes; None: that of each mask.
    label_size: tuple[int, int] | None = None

    @property
    def image(self) -> str:
        """The column of the image."""
        return next(iter(columns(self.options, "input").values()))

    @cached_property
    def classes(self) -> Sequence[str]:
        """The names of the classes in the order of their numbers: here those of the saved model.

        A subclass says what they are where there is data.
        """
        # No abstract method: what a saved model predicts needs none.
        if self.data is not None:
            raise NotImplementedError(f"{type(self).__name__} needs `classes`: names by number")
        return self.saved_classes()

    def saved_classes(self) -> Sequence[str]:
        """Return the names in the config of the saved model."""
        from transformers import AutoConfig

        found = AutoConfig.from_pretrained(self.model_path).id2label or {}
        return [str(found[place]) for place in sorted(found)]

    @property
    def head(self) -> dict[str, Any]:
        """Arguments of `from_pretrained` for a model with one float32 output per class."""
        return {
            "num_labels": len(self.classes),
            "id2label": dict(enumerate(self.classes)),
            "label2id": {name: place for place, name in enumerate(self.classes)},
            "ignore_mismatched_sizes": True,  # a checkpoint's head for other classes is replaced
            "dtype": "float32",
        }

    def counts_of(self, split: str) -> PixelCounts:
        """Return the pixels of a split by class."""
        rows = (self.data or {})[split]
        return counts_of(rows, self._cell, len(self.classes), split, self.target)

    @property
    def class_weights(self) -> list[float] | None:
        """A weight per class, if they are asked for and there are rows to train on.

        Raises:
            RecipeError: a weight for what is no class.
        """
        wanted = getattr(self.options, "class_weights", None)
        if wanted is None or self.data is None:
            return None
        if isinstance(wanted, str):
            power = 0.5 if wanted == "sqrt_balanced" else 1.0
            return self.counts_of("train").balanced(power)
        faults = [
            Fault(f"options.class_weights.{name}", f"is no class.{nearest_name(name, self.classes)}"
                  f" Classes: {listing(self.classes)}.")
            for name in wanted if name not in self.classes
        ]  # fmt: skip
        if faults:
            raise RecipeError(faults)
        return [float(wanted.get(name, 1.0)) for name in self.classes]

    @property
    def positive(self) -> int | None:
        """The number of the foreground, of two classes; None for more.

        Raises:
            RecipeError: the option `positive` is no class, or there are not two.
        """
        from toolkit.tasks.classification import positive_faults

        name = getattr(self.options, "positive", None)
        if faults := positive_faults(name, self.classes):
            raise RecipeError(faults)
        if len(self.classes) != 2:
            return None
        return 1 if name is None else list(self.classes).index(name)

    def plan_split(
        self, spec: SplitSpec, target: str | None
    ) -> tuple[SplitSpec, str | None, Sequence[str]]:
        """Refuse to stratify: hardly two masks are the same."""
        if spec.stratify:
            what = "a mask is no class, of which every split could have its share: leave it out"
            raise RecipeError(Fault("data.split.stratify", what))
        return spec, target, ()

    def target_encoder(self) -> Encoder:
        """Return the function from a batch of columns to {"labels": class numbers}; {} without.

        -100 is ignored. A subclass whose `prepare` leaves masks to the collator has no need of it.
        """
        return partial(_labels, self.target, self.label_size)

    def loss(self) -> Callable[..., Any] | None:
        """Return the loss that the options name, by default the cross-entropy of pixels."""
        kind: LossName = getattr(self.options, "loss", "cross_entropy")
        smoothing = self.recipe.label_smoothing if self.recipe else 0.0
        ignored = 255 if len(self.classes) <= 255 else 65535
        return pixel_loss(kind, self.class_weights, ignored, smoothing)

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return the mask of each row, from logits (rows, classes, height, width) of any size."""
        found = []
        for logits, row in zip(outputs.logits, rows, strict=True):
            mask = mask_strips(logits, image_size(row[self.image]))
            found.append(self.prediction(mask.mask, mask.confidence))
        return found

    def prediction(self, mask: Classes, confidence: float) -> Prediction:
        """Return {"mask": a PNG, "shares": {class: share of the pixels}, "confidence"}.

        Args:
            mask: class numbers, shape (height, width). confidence: the mean over pixels of the
                probability of the predicted class.
        """
        counts = np.bincount(mask.ravel(), minlength=len(self.classes)) / mask.size
        shares = dict(zip(self.classes, counts.tolist(), strict=True))
        return {"mask": encode(mask), "shares": shares, "confidence": confidence}

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return {"mask": a PNG} for each row; its mask is None where there is none."""
        return [{"mask": _file(self._cell(row))} for row in rows]

    def decision_margin(self, prediction: Prediction) -> float:
        """Return infinity: what masks may differ by is a share of their pixels (`same`)."""
        return float("inf")

    def same(self, one: Prediction, other: Prediction) -> bool:
        """Return whether at most 1% of the pixels differ, and the confidence by at most 0.01.

        Shares follow from the mask.
        """
        first, second = ({key: value for key, value in of.items() if key != "shares"}
                         for of in (one, other))  # fmt: skip
        return super().same(first, second)

    def usual_metrics(self) -> list[str]:
        """Return metric names for a recipe that names none; the first is the headline."""
        two = ["iou", "dice"] if len(self.classes) == 2 else ["mean_dice"]
        return ["mean_iou", *two, "pixel_accuracy", "mean_accuracy"]

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the recipe names, or the usual ones."""
        names = (self.recipe.report.metrics if self.recipe else None) or self.usual_metrics()
        return {name: mask_metrics.load(name, len(self.classes), self.positive) for name in names}

    def baselines(self) -> Iterable[Baseline]:
        """Return the most frequent class, that of each position, a threshold, and colours."""
        found: list[Baseline] = [baselines.Majority(self), baselines.PositionMajority(self)]
        found += [baselines.Otsu(self)] if len(self.classes) == 2 else []
        return [*found, baselines.PixelLogistic(self)]

    def show(self, row: Row, prediction: Prediction, reference: Any) -> Sequence[Shown]:
        """Return the image with the predicted mask, and beside it with the actual one."""
        return shown.shown(row.get(self.image), prediction, reference, self.classes)

    def tables(self, pairs: Iterable[tuple[Prediction, Any]]) -> Mapping[str, Table]:
        """Return scores by class, and which classes are taken for which."""
        return shown.tables(pairs, self.classes)

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Figure]:
        """Return how many test images reach which mean IoU."""
        return shown.figures(self._test_pairs(predictions), len(self.classes))

    def notes(self) -> list[str]:
        """Report classes without pixels, rare ones, and how many pixels are ignored."""
        if "train" not in (self.data or {}):
            return []
        train = self.counts_of("train")
        return [line for name in map(str, self.data or {})
                for line in self.counts_of(name).notes(name, self.classes, train)]  # fmt: skip

    def _cell(self, row: Row) -> Any:
        return row.get(self.target)

    def _test_pairs(self, predictions: Iterable[Prediction]) -> Iterable[tuple[Prediction, Any]]:
        tested = (self.data or {})["test"].select_columns([self.target])
        for row, prediction in zip(tested, predictions, strict=True):
            yield prediction, self.references([row])[0]


def _file(cell: Any) -> PredictionFile | None:
    if cell is None or isinstance(cell, PredictionFile):
        return cell
    if isinstance(cell, Mapping):
        cell = cell["path"] if cell.get("bytes") is None else cell["bytes"]
    if isinstance(cell, bytes):
        return PredictionFile(".png", cell)
    return PredictionFile(".png", path=Path(cell))


def _labels(target: str, size: tuple[int, int] | None, batch: Batch) -> dict[str, list[Any]]:
    found = []
    for cell in batch.get(target, ()):
        classes = decode(cell)
        labels = np.where(classes == ignored_value(classes), IGNORED, classes.astype(np.int32))
        found.append(nearest(labels, size or labels.shape))
    return {"labels": found} if found else {}
