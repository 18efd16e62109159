"""Baselines: nothing is a fraud; a linear model and boosted trees on the same features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toolkit.plugin_types import Baseline, BaselineData, BaselineResult, Prediction
from toolkit_plugins.tabular.boosting import SETTINGS, Chosen, chosen, estimator

Array = np.ndarray[Any, Any]
FEWEST_ROWS = 100  # of train; fewer show nothing about a setting


@dataclass(frozen=True)
class Detection:
    """What baselines need to know of the scenario; `rows` are raw rows of a split.

    numbers: how many columns of `matrix` are numeric; ids of categories follow.
    validation: rows on which settings and thresholds are chosen, where there are any.
    known: training rows and the trees that were fitted on them.
    """

    truth: Callable[[Any], Array]  # rows -> 1 for fraud, 0 for legitimate
    labelled: Callable[[Any], Array]  # training rows -> numbers of those whose label is used
    matrix: Callable[[Any], Array]  # rows -> features of shape (rows, columns)
    choose: Callable[[Array, Any], float]  # scores and rows -> threshold of least cost
    predictions: Callable[[Array, float], list[Prediction]]  # scores and threshold -> predictions
    numbers: int
    validation: Any = None
    known: list[tuple[Any, Chosen | None]] = field(default_factory=list)


class AlwaysLegitimate(Baseline):
    """Gives every transaction the share of frauds in train, and no alert."""

    name = "always_legitimate"

    def __init__(self, task: Detection) -> None:
        self.task = task

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Count the frauds."""
        share = float(self.task.truth(data.train).mean())
        found = self.task.predictions(np.full(len(data.test), share), 1.1)
        return BaselineResult(found, np.arange(len(data.test)), len(data.train))


class OnFeatures(Baseline):
    """A model of scikit-learn on the features that the transformer reads, and all its rows.

    Its setting and its threshold are chosen on validation, as the model's are. It takes no heed of
    the time: on fewer rows it would be no baseline.
    """

    settings: Sequence[dict[str, float]]

    def __init__(self, task: Detection) -> None:
        self.task = task

    @abstractmethod
    def estimator(self, setting: dict[str, float]) -> Any:
        """Return the unfitted model."""

    def fitted(self, rows: Any) -> Chosen | None:
        """Return the fit on training rows; None where they are of one class."""
        task = self.task
        used = task.labelled(rows)
        truth = task.truth(rows)[used]
        if len(np.unique(truth)) < 2:  # of a few rows, as `toolkit check` takes them
            return None
        held, settings = None, self.settings
        if task.validation is not None and len(truth) >= FEWEST_ROWS:
            held = task.matrix(task.validation), task.truth(task.validation)
        return chosen(self.estimator, settings, (task.matrix(rows)[used], truth), held)

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Fit on all rows, and predict all."""
        task, found = self.task, self.fitted(data.train)
        if found is None:
            return AlwaysLegitimate(task).run(data, seconds)
        threshold = 0.5
        if task.validation is not None:
            threshold = task.choose(found.scores(task.matrix(task.validation)), task.validation)
        predictions = task.predictions(found.scores(task.matrix(data.test)), threshold)
        rows = len(task.labelled(data.train))
        return BaselineResult(predictions, np.arange(len(data.test)), rows, found.said, rows)


class Logistic(OnFeatures):
    """Logistic regression; categorical fields as one column per value."""

    name = "logistic_regression"
    settings: Sequence[dict[str, float]] = ({"C": 1.0}, {"C": 0.1}, {"C": 0.01}, {"C": 10.0})

    def estimator(self, setting: dict[str, float]) -> Any:
        """Return the pipeline."""
        from sklearn.compose import make_column_transformer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder

        numbers = list(range(self.task.numbers))
        encode = make_column_transformer(
            ("passthrough", numbers), remainder=OneHotEncoder(handle_unknown="ignore")
        )
        return make_pipeline(encode, LogisticRegression(max_iter=500, **setting))


class GradientBoosting(OnFeatures):
    """Histogram gradient boosting: the usual model for tables, and hard to beat."""

    name = "gradient_boosting"
    settings = SETTINGS

    def estimator(self, setting: dict[str, float]) -> Any:
        """Return the unfitted trees."""
        return estimator(setting)

    def fitted(self, rows: Any) -> Chosen | None:
        """Return the fit on training rows: the model's own one, where it has them already."""
        known = self.task.known
        if not any(before is rows for before, _ in known):
            known.append((rows, super().fitted(rows)))
        return next(fit for before, fit in known if before is rows)


class MeansAndShares(Baseline):
    """For pretraining: each number by its mean in train, each category by its frequency there."""

    name = "means_and_shares"

    def __init__(self, cardinalities: Sequence[int]) -> None:
        self.cardinalities = cardinalities

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Count the values of train, and return how surprising those of test are."""
        train = data.train_prepared.with_format("numpy")
        test = data.test_prepared.with_format("numpy")
        numbers, mask = np.asarray(test["numbers"][:]), np.asarray(test["mask"][:])
        parts = [(numbers - np.asarray(train["numbers"][:]).mean(0)) ** 2]
        if "kinds" in test.column_names:
            there, here = np.asarray(train["kinds"][:]), np.asarray(test["kinds"][:])
            for known, values, count in zip(there.T, here.T, self.cardinalities, strict=True):
                counts = np.bincount(known, minlength=count) + 1.0
                parts.append(-np.log(counts / counts.sum())[values][:, None])
        means = (np.hstack(parts) * mask).sum(1) / mask.sum(1)
        found = [{"surprise": float(value)} for value in means]
        return BaselineResult(found, np.arange(len(found)), len(train))
