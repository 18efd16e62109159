"""Classification whatever the inputs are: classes, loss, decoding, metrics and baselines.

A plugin on top of `ClassificationPlugin` says how its inputs become tensors and which model reads
them: `load_processor`, `encode` and `load_model` (with `head`). docs/plugins/tasks.md shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import Field, PositiveFloat

from toolkit.data import ClassLabels
from toolkit.errors import Fault
from toolkit.evaluation import classification_baselines, metrics
from toolkit.plugin_types import Baseline, Options, Prediction, Row
from toolkit.tasks.base import Batch, Encoder, TaskPlugin
from toolkit.utils.text import listing, nearest

OptionsT = TypeVar("OptionsT", bound=Options)

ClassWeights = Annotated[
    Literal["balanced"] | dict[str, PositiveFloat] | None,
    Field(description="'balanced' (inverse to the class frequencies), or a weight per class"),
]


def positive_faults(positive: str | None, names: Sequence[str]) -> list[Fault]:
    """Return what is wrong with the option `positive`: no class, or there are not two."""
    if positive is None:
        return []
    found = []
    if positive not in names:
        what = f"is {positive!r}.{nearest(positive, names)} Classes: {listing(names)}."
        found.append(Fault("options.positive", what))
    if len(names) != 2:
        what = f"is for two classes, and there are {len(names)}"
        found.append(Fault("options.positive", what))
    return found


class ClassificationPlugin(TaskPlugin[OptionsT]):
    """A classification scenario: one label per row, or several.

    The options mark one column as target (`LabelColumn`). These further options are read where a
    subclass has them: `class_weights` (type `ClassWeights`), `multi_label` (bool),
    `label_separator` (splits a text into several labels), `threshold` (of several labels,
    default 0.5), and `positive` (the positive one of two classes).
    """

    @property
    def multi_label(self) -> bool:
        """Whether a row has any number of labels instead of exactly one."""
        return bool(self._option("multi_label", False))

    @cached_property
    def labels(self) -> ClassLabels:
        """The classes: of the training rows, or of the saved model where there are none."""
        several, separator = self.multi_label, self._option("label_separator", None)
        if self.data is not None:
            train = self.data["train"]
            return ClassLabels.of(train, self.target, multilabel=several, separator=separator)
        saved = ClassLabels.saved(self.model_path)
        return saved.of_several(separator) if several else saved

    @property
    def head(self) -> dict[str, Any]:
        """Arguments of `from_pretrained` for a model with one float32 output per class."""
        return {
            **self.labels.head,
            "problem_type": f"{'multi' if self.multi_label else 'single'}_label_classification",
            "ignore_mismatched_sizes": True,  # a checkpoint's head for other classes is replaced
            "dtype": "float32",
        }

    def target_encoder(self) -> Encoder:
        """Return the function from a batch of columns to {"labels": ids}; {} without labels."""
        return partial(_encoded, self.labels, self.target)

    @property
    def class_weights(self) -> list[float] | None:
        """A weight per class, if they are asked for and there are rows to train on."""
        wanted = self._option("class_weights", None)
        if wanted is None or self.data is None:
            return None
        return self.labels.weights(wanted, self.data["train"], self.target)

    @property
    def label_smoothing(self) -> float:
        """`label_smoothing_factor` of the recipe's training arguments."""
        return self.recipe.label_smoothing if self.recipe else 0.0

    def loss(self) -> Callable[..., Any] | None:
        """Return cross-entropy with class weights; None (the model's own) without weights.

        Of several labels per row, the model's own knows no label smoothing.
        """
        weights, smoothing = self.class_weights, self.label_smoothing
        if self.multi_label:
            return binary_cross_entropy(weights, smoothing) if weights or smoothing else None
        return None if weights is None else cross_entropy(weights, smoothing)

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return label(s) and the probability of every class, from logits (rows, classes)."""
        logits = outputs.logits.float()
        probabilities = logits.sigmoid() if self.multi_label else logits.softmax(-1)
        return self.predictions(probabilities.tolist())

    def predictions(self, probabilities: Iterable[Sequence[float]]) -> list[Prediction]:
        """Return predictions for probabilities of shape (rows, classes).

        {"label", "score", "scores": {class: probability}}, or {"labels": [..], "scores"}.
        """
        names = self.labels.names
        found = [dict(zip(names, row, strict=True)) for row in probabilities]
        if self.multi_label:
            return [{"labels": [n for n, p in scores.items() if p >= self._threshold],
                     "scores": scores} for scores in found]  # fmt: skip
        best = [max(scores, key=scores.__getitem__) for scores in found]
        return [{"label": label, "score": scores[label], "scores": scores}
                for label, scores in zip(best, found, strict=True)]  # fmt: skip

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return the label text of each row, or the list of them."""
        found = [self.labels.texts(row[self.target]) for row in rows]
        return found if self.multi_label else [texts[0] for texts in found]

    def decision_margin(self, prediction: Prediction) -> float | Mapping[str, float]:
        """Return the gap between the two best classes, or the nearest label's to the threshold."""
        if self.multi_label:
            scores: dict[str, float] = prediction["scores"]
            return min(abs(score - self._threshold) for score in scores.values())
        return super().decision_margin(prediction)

    def usual_metrics(self) -> list[str]:
        """Return metric names for a recipe that names none; the first is the headline."""
        if self.multi_label:
            return ["f1_micro", "f1_macro", "average_precision"]
        return ["accuracy", "f1_macro", "log_loss", "expected_calibration_error"]

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the recipe names, or the usual ones."""
        names = (self.recipe.report.metrics if self.recipe else None) or self.usual_metrics()
        classes, several = self.labels.names, self.multi_label
        positive = self._option("positive", None)
        return {
            name: metrics.load(name, labels=classes, multilabel=several, pos_label=positive)
            for name in names
        }

    def baselines(self) -> Iterable[Baseline]:
        """Return the majority class, and logistic regression on the frozen model's features."""
        task = self.baseline_task
        return [
            classification_baselines.Majority(task),
            classification_baselines.FrozenLinear(task, self),
        ]

    @property
    def baseline_task(self) -> classification_baselines.Classification:
        """What baselines need to know of the classes; they decode as the model does."""
        found = classification_baselines.Classification.of(self.labels, self.target)
        # Not `decode`: what is calibrated on the model's validation scores is not theirs.
        return replace(
            found, decode=lambda shares, _: self.predictions(np.asarray(shares).tolist())
        )

    def notes(self) -> list[str]:
        """Report which labels of validation and test the training rows lack."""
        return self.labels.notes(self.data, self.target)

    @property
    def _threshold(self) -> float:
        return float(self._option("threshold", 0.5))

    def _option(self, name: str, default: Any) -> Any:
        return getattr(self.options, name, default)


def _encoded(labels: ClassLabels, target: str, batch: Batch) -> dict[str, list[Any]]:
    return {"labels": labels.ids(batch[target])} if target in batch else {}


def cross_entropy(weights: Sequence[float] | None, smoothing: float = 0.0) -> Callable[..., Any]:
    """Return the cross-entropy loss of one label per row.

    Labels are class ids of shape (rows,), where ids below 0 are ignored, or shares of the classes
    of shape (rows, classes). It is the sum over rows divided by their number (`num_items_in_batch`
    under gradient accumulation), not by the sum of their weights.

    Args:
        weights: one per class; None weighs all the same. smoothing: label smoothing, 0 to 1.
    """
    import torch
    from torch.nn import functional

    given = None if weights is None else torch.tensor(weights, dtype=torch.float32)

    def loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        logits = outputs.logits.float()
        total = functional.cross_entropy(
            logits,
            labels,
            weight=None if given is None else given.to(logits.device),
            reduction="sum",
            label_smoothing=smoothing,
        )
        rows = len(labels) if labels.ndim == 2 else (labels >= 0).sum()
        return total / (rows if num_items_in_batch is None else num_items_in_batch)

    return loss


def binary_cross_entropy(
    weights: Sequence[float] | None = None, smoothing: float = 0.0
) -> Callable[..., Any]:
    """Return the loss of several labels per row: mean over classes, then over rows.

    Labels are 0 or 1 as floats, shape (rows, classes).

    Args:
        weights: one per class; None weighs all the same. smoothing: label smoothing, 0 to 1, of
            the two outcomes of each class: targets are y (1 - smoothing) + smoothing / 2.
    """
    import torch
    from torch.nn import functional

    given = None if weights is None else torch.tensor(weights, dtype=torch.float32)

    def loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        losses = functional.binary_cross_entropy_with_logits(
            outputs.logits.float(),
            labels * (1 - smoothing) + smoothing / 2,
            weight=None if given is None else given.to(labels.device),
            reduction="none",
        ).mean(dim=-1)
        # The Trainer counts elements of `labels`, so each row comes once per class.
        rows = len(labels) if num_items_in_batch is None else num_items_in_batch / labels.shape[-1]
        return losses.sum() / rows

    return loss
