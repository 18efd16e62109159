"""Baselines: nothing is a fraud; a linear model and boosted trees on the very same features."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation.baselines import fit_within
from toolkit.plugin_types import Baseline, BaselineData, BaselineResult
from toolkit.utils.logging import quiet_fit

if TYPE_CHECKING:
    from toolkit_plugins.tabular.fraud_detection.plugin import FraudDetection


class AlwaysLegitimate(Baseline):
    """Gives every transaction the share of frauds in train, and no alarm."""

    name = "always_legitimate"

    def __init__(self, plugin: FraudDetection) -> None:
        self.plugin = plugin

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Count the frauds."""
        share = float(self.plugin.truth(data.train).mean())
        found = self.plugin.predictions(np.full(len(data.test), share), threshold=1.1)
        return BaselineResult(found, np.arange(len(data.test)), len(data.train))


class OnFeatures(Baseline):
    """A model of scikit-learn on the features that the transformer reads.

    Its threshold is chosen on validation, as the model's is.
    """

    def __init__(self, plugin: FraudDetection) -> None:
        self.plugin = plugin

    @abstractmethod
    def estimator(self) -> Any:
        """Return the unfitted model."""

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Fit on as many rows as the time allows."""
        plugin = self.plugin
        labelled = plugin.labelled(data.train)
        order = data.train_order[np.isin(data.train_order, labelled)]
        inputs, truth = plugin.matrix(data.train), plugin.truth(data.train)
        # Both classes among the first rows, however rare one is.
        order = np.concatenate([order[_firsts(truth[order])], order])
        order = order[np.sort(np.unique(order, return_index=True)[1])]
        if len(np.unique(truth[order])) < 2:  # of a few rows, as `toolkit check` takes them
            return AlwaysLegitimate(plugin).run(data, seconds)

        def fit(count: int) -> Any:
            with quiet_fit():
                return self.estimator().fit(inputs[order[:count]], truth[order[:count]])

        model, count = fit_within(fit, len(order), 0.9 * seconds)
        threshold = 0.5
        if plugin.data is not None and "validation" in plugin.data:
            rows = plugin.data["validation"]
            threshold = plugin.choose(self._scores(model, plugin.matrix(rows)), rows)
        scores = self._scores(model, plugin.matrix(data.test))
        found = plugin.predictions(scores, threshold)
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
        """Return it with what it needs before."""
        from sklearn.compose import make_column_transformer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder

        numbers = len(self.plugin.processor.numeric)
        kinds = len(self.plugin.processor.vocabularies)
        places = list(range(numbers, numbers + kinds))
        encode = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), places), remainder="passthrough"
        )
        return make_pipeline(encode, LogisticRegression(max_iter=500))


class GradientBoosting(OnFeatures):
    """Histogram gradient boosting: what tables are usually done with, and hard to beat."""

    name = "gradient_boosting"

    def estimator(self) -> Any:
        """Return it; no early stopping, as a tenth of few frauds is no guide."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        numbers = len(self.plugin.processor.numeric)
        kinds = len(self.plugin.processor.vocabularies)
        return HistGradientBoostingClassifier(
            learning_rate=0.05,
            early_stopping=False,
            random_state=0,
            categorical_features=[place >= numbers for place in range(numbers + kinds)],
        )


class MeansAndShares(Baseline):
    """Of the pretraining: each number by its mean in train, each kind by how often it is there."""

    name = "means_and_shares"

    def __init__(self, plugin: FraudDetection) -> None:
        self.plugin = plugin

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Count the values of train, and say how surprising those of test are."""
        train = data.train_prepared.with_format("numpy")
        test = data.test_prepared.with_format("numpy")
        numbers, mask = np.asarray(test["numbers"][:]), np.asarray(test["mask"][:])
        parts = [(numbers - np.asarray(train["numbers"][:]).mean(0)) ** 2]
        if "kinds" in test.column_names:
            there, here = np.asarray(train["kinds"][:]), np.asarray(test["kinds"][:])
            most = self.plugin.processor.cardinalities
            for known, values, count in zip(there.T, here.T, most, strict=True):
                counts = np.bincount(known, minlength=count) + 1.0
                parts.append(-np.log(counts / counts.sum())[values][:, None])
        means = (np.hstack(parts) * mask).sum(1) / mask.sum(1)
        found = [{"surprise": float(value)} for value in means]
        return BaselineResult(found, np.arange(len(found)), len(train))
