"""Metric modules whose value is a statistic of weighted rows, so that intervals are cheap.

Sorting and counting that do not depend on the weights are done once; scikit-learn, called for each
resample, takes 50 to 170 times as long (3,000 rows of 10 classes), 12 to 70 times (100,000 of 2).
"""

from __future__ import annotations

import inspect
import math
import os
import shutil
import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import evaluate
import numpy as np
import numpy.typing as npt
from datasets import Features

from toolkit.errors import UserError
from toolkit.evaluation.bootstrap import (
    FEWEST_DECIDING,
    FEWEST_DRAWN,
    Bounds,
    Groups,
    Interval,
    deciding,
    interval,
    resamples_for,
    too_few,
    unit_count,
    weights,
)
from toolkit.evaluation.shares import share_interval

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[Any]


class RowMetric(evaluate.Metric, ABC):  # type: ignore[misc]  # evaluate ships no types
    """A metric that prepares its rows once and is then evaluated for any weights of the rows.

    A subclass gives `stored` (or `_info`, as every `evaluate` module does), `encode` if rows are
    not stored as they come, `rows`, and `statistic` if the value is no mean. The result is
    called by the class name in snake case, unless there is another `name`. `add_batch` streams to a
    file in a folder of its own under the cache of `evaluate`, which exists from the first row to
    `compute`: instances that share a folder wait a second for its lock, and leave lock files.

    Args:
        evaluate_kwargs: as `evaluate.Metric` takes them.
    """

    #: None of one of which neither more nor less is better, such as a ratio of lengths.
    greater_is_better: bool | None = True
    #: Between which the value lies, -inf or inf where nothing bounds it; None if that is unknown.
    bounds: Bounds | None = None
    source = ""  # paper or documentation of the formula

    def __init__(self, **evaluate_kwargs: Any) -> None:
        self._folder: str | None = None
        if "cache_dir" not in evaluate_kwargs and evaluate_kwargs.get("num_process", 1) == 1:
            root = os.path.expanduser(evaluate.config.HF_METRICS_CACHE)
            self._folder = os.path.join(root, f"toolkit-{uuid4().hex}")
            evaluate_kwargs["cache_dir"] = self._folder
            weakref.finalize(self, _remove, self._folder, os.getpid())
        super().__init__(**evaluate_kwargs)
        self._tidy()

    def _tidy(self) -> None:
        if self._folder is not None and self.writer is None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def stored(self) -> Features:
        """Return the features that `add_batch` stores of a row: "predictions" and "references"."""
        # No abstract method: a metric with an `_info` of its own has no need of it.
        raise NotImplementedError(f"{type(self).__name__} gives neither `stored` nor `_info`")

    def encode(self, predictions: Any, references: Any) -> tuple[Any, Any]:
        """Return what is stored of some rows, in the form that `stored` names."""
        return predictions, references

    def _info(self) -> evaluate.MetricInfo:
        info = evaluate.MetricInfo(
            description=inspect.getdoc(type(self)) or "",
            citation=self.source,
            features=self.stored(),
        )
        # Set afterwards, as the constructor allows formats for columns of scalars only. "arrow"
        # comes without a copy, and without numpy format's rounding to float32.
        info.format = "arrow"
        return info

    @abstractmethod
    def rows(self, predictions: Any, references: Any) -> Any:
        """Prepare all rows once: arrays, sort orders, cells. Never called without rows.

        In an array of numbers, shape (rows,) or (rows, values), NaN says that a row has no value:
        it is left out of value and interval, and the result's "rows" counts the others.

        Args:
            predictions, references: what `add_batch` stored, in the format that `_info` names.
        """

    def statistic(self, rows: Any, weights: Floats) -> float:
        """Return the value for rows that count `weights` times, shape (rows,), sum above 0.

        The usual one is the mean over rows, where `rows` returns a number for each.
        """
        return float(weights @ rows / weights.sum())

    def share(self, rows: Any) -> tuple[Array, Array] | None:
        """Return 0 or 1 for each row that is a hit, and that counts; None if it is no share.

        Hits are among the rows that count, and the value is the first sum over the second: it gets
        Wilson's interval, which holds for few rows, and for all right. By default a mean over rows
        each of which is 0 or 1 is a share.
        """
        values = self.values(rows)
        if values is None or not np.isin(values, (0, 1)).all():
            return None
        return values, np.ones(len(values))

    def values(self, rows: Any) -> Array | None:
        """Return a number for each row whose mean is the value, or rises with it; None if unknown.

        Where hardly any of many rows make up a mean without an upper bound, it gets no interval.
        """
        plain = type(self).statistic is RowMetric.statistic and isinstance(rows, np.ndarray)
        return rows if plain and rows.ndim == 1 else None

    def classes(self, rows: Any) -> Any:
        """Return which rows each part of the value rests on, 0/1 of shape (parts, rows) or sparse.

        There is no interval where a part has under ten rows (or groups of them). A mean over
        classes rests on the rows of each; None, the default: the value rests on all rows.
        """
        return None

    def width(self, rows: Any) -> int:
        """Return how many values `statistic` visits per row: what a resample costs."""
        return 1

    def notes(self, rows: Any) -> dict[str, Any]:
        """Return further entries of the result."""
        return {}

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Add one row."""
        self.add_batch(predictions=[prediction], references=[reference], **kwargs)

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Add rows."""
        os.makedirs(self.data_dir, exist_ok=True)
        predictions, references = self.encode(predictions, references)
        super().add_batch(predictions=predictions, references=references, **kwargs)

    def compute(
        self, *, predictions: Any = None, references: Any = None, **kwargs: Any
    ) -> dict[str, Any] | None:
        """Return the value of all rows added so far, and its interval where it is asked for.

        Args:
            predictions, references: rows to add first.
            resamples: of the bootstrap; 0 (default) gives no interval, None as many as the
                size allows (`resamples_for`).
            seed: of the bootstrap.
            draws: whether to return also the value of each resample.
            by_row: whether to return also the value of each row alone.
            groups: where groups of rows are resampled: see `bootstrap.weights`.

        Returns:
            {name: value}, with "low" and "high" (95 %) where there are resamples, "draws" and
            "by_row". Without rows all of them are NaN. Where rows say too little for an interval,
            low and high are NaN, and "no_interval" is the reason.
        """
        if predictions is None and references is None and self.writer is None:
            # evaluate refuses to compute what was never added to.
            predictions, references = [], []
        try:
            found: dict[str, Any] | None = super().compute(
                predictions=predictions, references=references, **kwargs
            )
        finally:
            self._tidy()
        return found

    def _compute(
        self,
        predictions: Any,
        references: Any,
        resamples: int | None = 0,
        seed: int = 0,
        draws: bool = False,
        by_row: bool = False,
        groups: Groups | None = None,
    ) -> dict[str, Any]:
        count = len(references)
        if count == 0:
            names = (self.name,) if resamples == 0 else (self.name, "low", "high")
            return dict.fromkeys(names, float("nan"))
        rows = self.rows(predictions, references)
        known = _with_value(rows)
        if known is not None:
            rows = rows[known]

        def value(weights: Array) -> float:
            kept = (weights if known is None else weights[known]).astype(np.float64, copy=False)
            return float(self.statistic(rows, kept)) if kept.any() else float("nan")

        result = {self.name: value(np.ones(count)), **self.notes(rows)}
        if known is not None:
            result["rows"] = int(known.sum())
        if by_row:
            result["by_row"] = [value(alone) for alone in np.eye(count)]
        if resamples is None:
            resamples = resamples_for(count, self.width(rows))
        if resamples:
            values = [value(drawn) for drawn in weights(count, resamples, seed, groups)]
            of = groups if groups is None or known is None else groups[known]
            size = count if known is None else int(known.sum())
            found = self.interval(rows, result[self.name], values, size, of)
            result["low"], result["high"] = found.low, found.high
            if found.reason:
                result["no_interval"] = found.reason
            if found.faultless and self.greater_is_better:
                result["trials"] = found.faultless
            if draws:
                result["draws"] = values
        return result

    def interval(
        self, rows: Any, value: float, draws: Sequence[float], count: int, groups: Groups | None
    ) -> Interval:
        """Return the 95% interval of a value: Wilson's for a share, else from its draws.

        Args:
            rows: as `rows` returned them, `count` of them. groups: of the same rows.
        """
        if (parts := self.share(rows)) is not None:
            return share_interval(*parts, draws, groups)
        parts, values = self.classes(rows), self.values(rows)
        if parts is not None and (few := too_few(parts, groups)):
            return Interval.none(few)
        open_ended = self.bounds is not None and self.bounds[1] == math.inf
        drawn = open_ended and count >= FEWEST_DRAWN
        if drawn and values is not None and deciding(values, groups) < FEWEST_DECIDING:
            return Interval.none("a few rows decide the score")
        return interval(value, draws, unit_count(count, groups), self.bounds, count)


def _with_value(rows: Any) -> Array | None:
    """Return which rows have a value, shape (rows,); None where all have."""
    if not isinstance(rows, np.ndarray) or rows.dtype.kind != "f":
        return None
    known = np.asarray(~np.isnan(rows.reshape(len(rows), -1)).any(axis=1))
    return None if known.all() else known


def _remove(folder: str, owner: int) -> None:
    # A forked worker has a copy of the metric; its end must not delete the parent's rows.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def as_array(column: Any) -> Array:
    """Return a stored column (Arrow, or already an array) of shape (rows,) or (rows, width).

    Raises:
        UserError: rows of different widths.
    """
    if not hasattr(column, "combine_chunks"):
        return np.asarray(column)
    joined = column.combine_chunks()
    if not hasattr(joined, "value_lengths"):
        return np.asarray(joined.to_numpy(zero_copy_only=False))
    widths = np.unique(joined.value_lengths().to_numpy(zero_copy_only=False))
    if len(widths) > 1:
        raise UserError(f"rows of predictions or references differ in width: {widths.tolist()}")
    flat = np.asarray(joined.flatten().to_numpy(zero_copy_only=False))
    return flat.reshape(len(joined), int(widths[0]))


def sums_by(group: Array, values: Floats, groups: int) -> Floats:
    """Return the sum of the values of each group, shape (groups,)."""
    return np.bincount(group, values, groups).astype(np.float64, copy=False)
