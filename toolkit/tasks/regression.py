"""Regression whatever the inputs are: loss, decoding, metrics with intervals, and baselines.

A plugin on top of `RegressionPlugin` says how its inputs become tensors and which model reads them:
`load_processor`, `encode` and `load_model` (with `head` and `scaled`). See docs/plugins/tasks.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Literal, TypeVar

import datasets
import numpy as np

from toolkit.errors import DataError, Fault, RecipeError, UserError
from toolkit.evaluation.baselines import row_batches
from toolkit.evaluation.metrics.base import Floats, RowMetric, as_array
from toolkit.plugin_types import (
    Baseline,
    BaselineData,
    BaselineResult,
    Options,
    Prediction,
    Row,
    sameness,
)
from toolkit.tasks.base import Batch, Encoder, TaskPlugin
from toolkit.utils.text import nearest

OptionsT = TypeVar("OptionsT", bound=Options)
LossName = Literal["mse", "mae", "huber"]


class RegressionPlugin(TaskPlugin[OptionsT]):
    """A scenario that predicts a number per row; a prediction is {"value": number}.

    The options mark one column as target (`TargetColumn`), and may have `loss` (a `LossName`;
    default mse). The model learns targets as standard scores of the training targets; predictions
    and metrics are in the unit of the column.
    """

    #: Arguments of `from_pretrained` for a model with one float32 output.
    head: Mapping[str, Any] = {
        "num_labels": 1,
        "problem_type": "regression",
        "ignore_mismatched_sizes": True,  # a checkpoint's head for something else is replaced
        "dtype": "float32",
    }

    def target_encoder(self) -> Encoder:
        """Return the function from a batch of columns to {"labels": standard scores}, or {}."""
        scale = (0.0, 1.0) if self.data is None else self._train_scale
        return partial(_encoded, self.target, *scale)

    def scaled(self, model: Any) -> Any:
        """Return the model with mean and deviation of the training targets in its config.

        They are saved with it, as `target_mean` and `target_deviation`, for `decode`.
        """
        if self.data is not None:
            model.config.target_mean, model.config.target_deviation = self._train_scale
        return model

    @cached_property
    def _train_scale(self) -> tuple[float, float]:
        assert self.data is not None  # noqa: S101 - asked for in a run alone
        values = _targets(self.data["train"], self.references)
        return float(np.mean(values)), float(np.std(values)) or 1.0

    def loss(self) -> Callable[..., Any]:
        """Return the loss that the option `loss` names, or the squared error.

        Raises:
            RecipeError: label smoothing is asked for, which numbers have not.
        """
        if self.recipe and self.recipe.label_smoothing:
            what = "is for classes, and the target is a number: leave it out"
            raise RecipeError(Fault("training.label_smoothing_factor", what))
        return loss(getattr(self.options, "loss", "mse"))

    @property
    def scale(self) -> tuple[float, float]:
        """Mean and standard deviation of the training targets, in their unit."""
        if self.data is not None:
            return self._train_scale
        config = getattr(self.model, "config", None)
        if config is None:
            from transformers import AutoConfig

            config = AutoConfig.from_pretrained(self.model_path)
        return config.target_mean, config.target_deviation

    def decode(self, outputs: Any, rows: Sequence[Row], prepared: Any) -> list[Prediction]:
        """Return the value of each row, from logits of shape (rows, 1)."""
        mean, deviation = self.scale
        return [{"value": mean + deviation * score}
                for score in outputs.logits.float()[:, 0].tolist()]  # fmt: skip

    def same(self, one: Prediction, other: Prediction) -> bool:
        """Return whether two values differ by less than a thousandth of the usual deviation."""
        return sameness.equal(one, other, scale=self.scale[1])

    def references(self, rows: Sequence[Row]) -> list[float]:
        """Return the actual value of each row."""
        return [as_number(row[self.target], self.target) for row in rows]

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the recipe names, or all: mae, rmse, r2.

        Raises:
            UserError: an unknown name.
        """
        names = (self.recipe.report.metrics if self.recipe else None) or list(METRICS)
        if unknown := [name for name in names if name not in METRICS]:
            what = f"there is no metric {unknown[0]!r} here.{nearest(unknown[0], METRICS)}"
            raise UserError(f"{what} Metrics: {', '.join(METRICS)}")
        return {name: METRICS[name]() for name in names}

    def baselines(self) -> Iterable[Baseline]:
        """Return the mean and the median of the training targets."""
        return [
            Constant("train_mean", self.references, np.mean),
            Constant("train_median", self.references, np.median),
        ]


def as_number(value: Any, column: str = "target") -> float:
    """Return a target as a finite float.

    Raises:
        DataError: it is none.
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise DataError(Fault(column, f"holds {str(value)[:60]!r}: a finite number is expected"))
    return found


def _encoded(target: str, mean: float, deviation: float, batch: Batch) -> dict[str, list[float]]:
    if target not in batch:
        return {}
    return {"labels": [(as_number(value, target) - mean) / deviation for value in batch[target]]}


def _targets(
    split: datasets.Dataset, references: Callable[[Sequence[Row]], list[float]]
) -> list[float]:
    return [target for rows in row_batches(split) for target in references(rows)]


def loss(name: LossName = "mse") -> Callable[..., Any]:
    """Return the mean over rows of torch's mse_loss, l1_loss ("mae") or huber_loss (delta 1).

    It takes outputs with logits of shape (rows, 1) and labels of shape (rows,), and divides by
    `num_items_in_batch` under gradient accumulation.
    """
    from torch.nn import functional

    measures: Mapping[str, Callable[..., Any]] = {
        "mse": functional.mse_loss,
        "mae": functional.l1_loss,
        "huber": functional.huber_loss,
    }
    measure = measures[name]

    def measured(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        total = measure(outputs.logits.float()[:, 0], labels.float(), reduction="sum")
        return total / (len(labels) if num_items_in_batch is None else num_items_in_batch)

    return measured


class Constant(Baseline):
    """Predicts one number for every row: a statistic of the training targets."""

    def __init__(
        self,
        name: str,
        references: Callable[[Sequence[Row]], list[float]],
        statistic: Callable[[list[float]], Any],
    ) -> None:
        self.name, self.references, self.statistic = name, references, statistic

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        values = _targets(data.train, self.references)
        found = [{"value": float(self.statistic(values))}] * len(data.test)
        return BaselineResult(found, np.arange(len(data.test)), len(values))


class RegressionMetric(RowMetric):
    """A metric of values: predictions are {"value": number} or numbers, references numbers."""

    greater_is_better = False

    def stored(self) -> datasets.Features:
        number = datasets.Value("float64")
        return datasets.Features(predictions=number, references=number)

    def encode(self, predictions: Any, references: Any) -> tuple[Any, Any]:
        return [p["value"] if isinstance(p, Mapping) else p for p in predictions], references

    def rows(self, predictions: Any, references: Any) -> tuple[Floats, Floats]:
        """Return predicted and actual values, each of shape (rows,)."""
        return as_array(predictions).astype(np.float64), as_array(references).astype(np.float64)


class MeanAbsoluteError(RegressionMetric):
    """Mean absolute error, in the unit of the target."""

    bounds = (0.0, math.inf)

    def values(self, rows: tuple[Floats, Floats]) -> Floats:
        return np.abs(rows[0] - rows[1])

    def statistic(self, rows: tuple[Floats, Floats], weights: Floats) -> float:
        return float(np.average(self.values(rows), weights=weights))


class RootMeanSquaredError(RegressionMetric):
    """Root of the mean squared error, in the unit of the target."""

    bounds = (0.0, math.inf)

    def values(self, rows: tuple[Floats, Floats]) -> Floats:
        return np.asarray((rows[0] - rows[1]) ** 2)

    def statistic(self, rows: tuple[Floats, Floats], weights: Floats) -> float:
        return float(np.sqrt(np.average(self.values(rows), weights=weights)))


class R2(RegressionMetric):
    """Coefficient of determination: the share of the targets' variance that is explained.

    sklearn.metrics.r2_score; NaN where all targets are equal.
    """

    greater_is_better = True
    bounds = (-math.inf, 1.0)

    def statistic(self, rows: tuple[Floats, Floats], weights: Floats) -> float:
        predicted, actual = rows
        spread = weights @ (actual - np.average(actual, weights=weights)) ** 2
        left = weights @ (predicted - actual) ** 2
        return float(1 - left / spread) if spread > 0 else float("nan")


METRICS: Mapping[str, type[RegressionMetric]] = {
    "mae": MeanAbsoluteError,
    "rmse": RootMeanSquaredError,
    "r2": R2,
}
