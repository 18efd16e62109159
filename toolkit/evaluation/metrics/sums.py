"""`SumMetric`: metrics that are computed from sums over rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Features, List, Value

from toolkit.evaluation.metrics.base import Array, Floats, RowMetric, as_array


class SumMetric(RowMetric):
    """A metric of sums over rows: a subclass gives `counts`, and `value` if it is no plain ratio.

    Counts are all that is kept of a row, so that predictions may be of any form.
    """

    @abstractmethod
    def counts(self, prediction: Any, reference: Any) -> Sequence[float] | None:
        """Return the numbers of a row that are summed, as many for each; None if it has no value.

        A mean is the ratio of [value, 1], a weighted one that of [weight * value, weight].
        """

    def value(self, sums: Floats) -> float:
        """Return the value for the sums of all rows: by default the first over the second.

        NaN where that is undefined.
        """
        over, under = sums
        return float(over / under) if under else float("nan")

    def stored(self) -> Features:
        """Return the features of counts, which have no width where the row has no value."""
        return Features(predictions=List(Value("float64")), references=Value("bool"))

    def encode(self, predictions: Any, references: Any) -> tuple[Any, Any]:
        found = [self.counts(*pair) for pair in zip(predictions, references, strict=True)]
        known = [counts is not None for counts in found]
        return [[float(n) for n in counts or ()] for counts in found], known

    def rows(self, predictions: Any, references: Any) -> Floats:
        """Return the counts, shape (rows, counts), NaN where a row has no value."""
        known = as_array(references)
        values = as_array(predictions.filter(pa.array(known))) if known.any() else np.zeros((0, 1))
        found: Floats = np.full((len(known), values.shape[1]), np.nan)
        found[known] = values
        return found

    def statistic(self, rows: Floats, weights: Floats) -> float:
        return float(self.value(weights @ rows))

    def share(self, rows: Floats) -> tuple[Array, Array] | None:
        """Return the two counts of each row, where they are 0 or 1 and the value is their ratio."""
        ratio = type(self).value is SumMetric.value and rows.shape[1] == 2
        if not ratio or not np.isin(rows, (0, 1)).all() or (rows[:, 0] > rows[:, 1]).any():
            return None
        return rows[:, 0], rows[:, 1]
