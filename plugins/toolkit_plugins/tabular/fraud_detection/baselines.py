"""Baselines: nothing is a fraud; a linear model and boosted trees on the same features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.evaluation.baselines import fit_within
from toolkit.plugin_types import Baseline, BaselineData, BaselineResult, Prediction
from toolkit.utils.logging import quiet_fit

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Detection:
    """What baselines need to know of the scenario; `rows` are raw rows of a split.

    numbers, categories: how many columns of `matrix` are numeric, and how many categorical ones
    follow. validation: rows on which thresholds are chosen, where there are any.
    """

    truth: Callable[[Any], Array]  # rows -> 1 for fraud, 0 for legitimate
    labelled: Callable[[Any], Array]  # training rows -> numbers of those whose label is used
    matrix: Callable[[Any], Array]  # rows -> features of shape (rows, columns)
    choose: Callable[[Array, Any], float]  # scores and rows -> threshold of least cost
    predictions: Callable[[Array, float], list[Prediction]]  # scores and threshold -> predictions
    numbers: int
    categories: int
    validation: Any = None


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
    """A model of scikit-learn on the features that the transformer reads.

    Its threshold is chosen on validation, like the model's.
    """

    def __init__(self, task: Detection) -> None:
        self.task = task

    @abstractmethod
    def estimator(self) -> Any:
        """Return the unfitted model."""

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Fit on as many rows as the time allows."""
        task = self.task
        order = data.train_order[np.isin(data.train_order, task.labelled(data.train))]
        inputs, truth = task.matrix(data.train), task.truth(data.train)
        # Both classes among the first rows, however rare one is.
        order = np.concatenate([order[_firsts(truth[order])], order])
        order = order[np.sort(np.unique(order, return_index=True)[1])]
        if len(np.unique(truth[order])) < 2:  # of a few rows, as `toolkit check` takes them
            return AlwaysLegitimate(task).run(data, seconds)

        def fit(count: int) -> Any:
            with quiet_fit():
                return self.estimator().fit(inputs[order[:count]], truth[order[:count]])

        model, count = fit_within(fit, len(order), 0.9 * seconds)
        threshold = 0.5
        if task.validation is not None:
            scores = self._scores(model, task.matrix(task.validation))
            threshold = task.choose(scores, task.validation)
        found = task.predictions(self._scores(model, task.matrix(data.test)), threshold)
        return BaselineResult(found, np.arange(len(data.test)), count)

    @staticmethod
    def _scores(model: Any, inputs: Any) -> Any:
        with quiet_fit():
            return np.asarray(model.predict_proba(inputs)[:, 1], np.float64)


def _firsts(truth: Any) -> Any:
    return np.concatenate([np.flatnonzero(truth == value)[:8] for value in (0, 1)])


class Logistic(OnFeatures):
    """Logistic regression; categorical fields as one column per value."""

    name = "logistic_regression"

    def estimator(self) -> Any:
        """Return the pipeline."""
        from sklearn.compose import make_column_transformer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder

        numbers = self.task.numbers
        places = list(range(numbers, numbers + self.task.categories))
        encode = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), places), remainder="passthrough"
        )
        return make_pipeline(encode, LogisticRegression(max_iter=500))


class GradientBoosting(OnFeatures):
    """Histogram gradient boosting: the usual model for tables, and hard to beat."""

    name = "gradient_boosting"

    def estimator(self) -> Any:
        """Return it; no early stopping, as a tenth of few frauds is no guide."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        numbers, categories = self.task.numbers, self.task.categories
        return HistGradientBoostingClassifier(
            learning_rate=0.05,
            early_stopping=False,
            random_state=0,
            categorical_features=[place >= numbers for place in range(numbers + categories)],
        )


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
