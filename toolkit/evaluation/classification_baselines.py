"""Baselines of classification: the most frequent class, TF-IDF, and the frozen model.

The linear ones have a few settings, of which validation chooses one, as the model's checkpoint is
chosen there; the chosen one is fitted on all training rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation import frozen_features
from toolkit.evaluation.baselines import fit_within, row_batches
from toolkit.evaluation.metrics.encoding import Floats
from toolkit.plugin_types import Baseline, BaselineData, BaselineResult, Ints
from toolkit.utils.logging import quiet_fit

if TYPE_CHECKING:
    import datasets

    from toolkit.data import ClassLabels
    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Prediction, Row

ROWS = 1000  # whose features are computed in one call
CHOOSING = 4000  # rows at most that are fitted, and predicted, to choose a setting
LEAST = 30  # validation rows, below which the first setting is taken
CHARACTERS = 20_000_000  # of all texts: from there on their n-grams would fill the memory
SOLVER: dict[str, Any] = {"solver": "saga", "tol": 0.01, "max_iter": 100, "random_state": 0}
ZERO = 1e-7  # the least probability, for the log loss


@dataclass(frozen=True)
class Classification:
    """What baselines need to know of a classification scenario.

    classes: how many. multilabel: several per row. targets: rows -> class ids, shape (rows,), or
    0/1 of shape (rows, classes). decode: probabilities of shape (rows, classes), and the rows, ->
    predictions in the plugin's own form. counted: a split -> how many rows each class has, where
    that takes no look at each row.
    """

    classes: int
    multilabel: bool
    targets: Callable[[Sequence[Row]], Ints]
    decode: Callable[[Floats, Sequence[Row]], list[Prediction]]
    counted: Callable[[datasets.Dataset], Sequence[int]] | None = None

    def targets_of(self, split: datasets.Dataset, rows: Ints) -> Ints:
        """Return the targets of some rows of a split, in their order."""
        parts = [self.targets(part) for part in row_batches(split.select(rows))]
        return np.concatenate(parts)

    @classmethod
    def of(cls, labels: ClassLabels, column: str) -> Classification:
        """Return it for the labels in a column; of one label per row they make predictions."""

        def counted(split: datasets.Dataset) -> list[int]:
            found = labels.counts(split, column)
            return [found[name] for name in labels.names]

        return cls(
            len(labels.names),
            labels.multilabel,
            targets=lambda rows: np.array(labels.ids(row[column] for row in rows)).astype(int),
            decode=lambda probabilities, rows: labels.predictions(probabilities),
            counted=None if labels.multilabel else counted,
        )


class Majority(Baseline):
    """Predicts the class frequencies of train, so always the most frequent class."""

    name = "majority"

    def __init__(self, task: Classification) -> None:
        self.task = task

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        predictions = list[Any]()
        shares = self._counts(data.train) / max(len(data.train), 1)
        for rows in row_batches(data.test):
            predictions += self.task.decode(np.tile(shares, (len(rows), 1)), rows)
        return BaselineResult(predictions, np.arange(len(data.test)), len(data.train))

    def _counts(self, train: datasets.Dataset) -> Floats:
        if self.task.counted is not None:
            return np.array(self.task.counted(train), np.float64)
        counts = np.zeros(self.task.classes)
        for rows in row_batches(train):
            targets, one = self.task.targets(rows), not self.task.multilabel
            counts += np.bincount(targets, None, len(counts)) if one else targets.sum(axis=0)
        return counts


@dataclass(frozen=True)
class Setting:
    """The regression's inverse penalty `C`, and what of the inputs it `reads` ("": all)."""

    C: float
    reads: str = ""

    def __str__(self) -> str:
        return f"{self.reads}, C={self.C:g}".removeprefix(", ")


class Logistic(Baseline):
    """Logistic regression on features that a scenario computes from its rows.

    settings: the first is taken where validation is too small to choose one.
    """

    settings: Sequence[Setting] = (Setting(0.1), Setting(0.01), Setting(1.0))

    def __init__(
        self, task: Classification, name: str, features: Callable[[Sequence[Row]], Any]
    ) -> None:
        self.task, self.name, self.features = task, name, features

    def first_step(self, reads: str) -> Any:
        """Return the transformer of scikit-learn before the regression."""
        from sklearn.preprocessing import StandardScaler

        return StandardScaler()

    def candidates(self, inputs: Any) -> Sequence[Setting]:
        """Return the settings to choose from for the inputs of the training rows."""
        return self.settings

    def inputs(
        self, rows: datasets.Dataset, prepared: datasets.Dataset, order: Ints, end: float
    ) -> tuple[Any, Ints]:
        """Return features, and the numbers of the rows that there was time for."""
        parts: list[Any] = []
        for start in range(0, len(order), ROWS):
            parts.append(self.features(rows.select(order[start : start + ROWS]).to_list()))
            if time.monotonic() > end:
                break
        whole = list(chain(*parts)) if isinstance(parts[0], list) else np.concatenate(parts)
        return whole, order[: len(whole)]

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Choose a setting on validation, fit it on all training rows, and predict all of test."""
        end, never = time.monotonic() + seconds, float("inf")
        tested = np.arange(len(data.test))
        test, tested = self.inputs(data.test, data.test_prepared, tested, never)
        order, features_end = data.train_order, end - seconds / 4
        inputs, trained = self.inputs(data.train, data.train_prepared, order, features_end)
        targets = self.task.targets_of(data.train, trained)
        setting = self._chosen(inputs, targets, data, end - seconds / 8)

        def fit(count: int) -> Any:
            return self._fitted(setting, inputs[:count], targets[:count])

        model, count = fit_within(fit, len(trained), end - time.monotonic())
        predictions: list[Prediction] = []
        for start in range(0, len(tested), ROWS):
            rows = data.test.select(tested[start : start + ROWS]).to_list()
            found = _probabilities(model, test[start : start + ROWS], self.task)
            predictions += self.task.decode(found, rows)
        return BaselineResult(predictions, tested, count, str(setting))

    def _chosen(self, inputs: Any, targets: Ints, data: BaselineData, end: float) -> Setting:
        """Return the setting with the least log loss on validation, of those there is time for."""
        settings, rows = self.candidates(inputs), data.validation
        if rows is None or data.validation_prepared is None or len(rows) < LEAST:
            return settings[0]
        order = np.random.default_rng(0).permutation(len(rows))[:CHOOSING]
        held, order = self.inputs(rows, data.validation_prepared, order, float("inf"))
        wanted = self.task.targets_of(rows, order)
        losses: dict[Setting, float] = {}
        for setting in settings:
            model = self._fitted(setting, inputs[:CHOOSING], targets[:CHOOSING])
            losses[setting] = _log_loss(_probabilities(model, held, self.task), wanted)
            if time.monotonic() > end:
                break
        return min(losses, key=losses.__getitem__)

    def _fitted(self, setting: Setting, inputs: Any, targets: Ints) -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.pipeline import make_pipeline

        # For many classes saga takes seconds where lbfgs takes minutes, and predicts as well.
        model: Any = LogisticRegression(C=setting.C, **SOLVER)
        if self.task.multilabel:
            model = OneVsRestClassifier(model)
        with quiet_fit():
            return make_pipeline(self.first_step(setting.reads), model).fit(inputs, targets)


class TfidfLogistic(Logistic):
    """Words, word pairs and parts of words weighted by TF-IDF, and logistic regression on them."""

    # On sparse unit vectors the default penalty underfits short texts.
    settings = (
        Setting(10.0, "words and characters"),
        Setting(100.0, "words and characters"),
        Setting(10.0, "words"),
        Setting(10.0, "characters"),
    )

    def __init__(self, task: Classification, texts: Callable[[Sequence[Row]], list[str]]) -> None:
        super().__init__(task, "tfidf_logistic_regression", texts)

    def candidates(self, inputs: Any) -> Sequence[Setting]:
        """Return all settings, or of very long texts those that read words alone."""
        if sum(map(len, inputs)) <= CHARACTERS:
            return self.settings
        return [setting for setting in self.settings if setting.reads == "words"]

    def first_step(self, reads: str) -> Any:
        """Return what makes sparse vectors of texts."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        common = {"sublinear_tf": True, "max_features": 100_000}
        words = TfidfVectorizer(ngram_range=(1, 2), **common)
        characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **common)
        one = {"words": words, "characters": characters}
        return one.get(reads) or make_union(words, characters)


class FrozenLinear(Logistic):
    """The same pretrained model, frozen: logistic regression on its mean-pooled last layer."""

    def __init__(self, task: Classification, plugin: Plugin[Any]) -> None:
        self.task, self.name, self.plugin = task, "frozen_linear", plugin
        self.is_the_model = bool(plugin.recipe and plugin.recipe.method.name == "head")

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        self.encode = frozen_features.encoder(self.plugin)
        return super().run(data, seconds)

    def inputs(
        self, rows: datasets.Dataset, prepared: datasets.Dataset, order: Ints, end: float
    ) -> tuple[Any, Ints]:
        return frozen_features.encoded(self.encode, prepared, order, end)


def _log_loss(probabilities: Floats, targets: Ints) -> float:
    """Return the mean log loss; rows of a class that train lacks (id below 0) are left out."""
    shares = probabilities.clip(ZERO, 1 - ZERO)
    if targets.ndim == 2:
        return -float(np.where(targets == 1, np.log(shares), np.log(1 - shares)).mean())
    known = np.flatnonzero(targets >= 0)
    return -float(np.log(shares[known, targets[known]]).sum()) / max(len(known), 1)


def _probabilities(model: Any, inputs: Any, task: Classification) -> Floats:
    """Return (rows, classes), with zeros for classes that the fitted rows lacked."""
    with quiet_fit():
        found = model.predict_proba(inputs)
    if task.multilabel:
        return np.asarray(found, np.float64)
    full = np.zeros((len(found), task.classes))
    full[:, model.classes_] = found
    return full
