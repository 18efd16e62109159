"""Baselines of classification: the most frequent class, TF-IDF, and the frozen model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation.baselines import FittedBaseline, fit_within, row_batches
from toolkit.evaluation.batches import batch_maker, by_length, records
from toolkit.evaluation.metrics.encoding import Floats
from toolkit.plugin_types import Baseline, BaselineData, BaselineResult, Ints
from toolkit.utils.logging import quiet_fit

if TYPE_CHECKING:
    import datasets

    from toolkit.data import ClassLabels
    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Prediction, Row

BATCH = 64


@dataclass(frozen=True)
class Classification:
    """What baselines need to know of a classification scenario.

    classes: how many. multilabel: several per row. targets: rows -> class ids, shape (rows,), or
    0/1 of shape (rows, classes). decode: probabilities of shape (rows, classes), and the rows, ->
    predictions in the plugin's own form.
    """

    classes: int
    multilabel: bool
    targets: Callable[[Sequence[Row]], Ints]
    decode: Callable[[Floats, Sequence[Row]], list[Prediction]]

    @classmethod
    def of(cls, labels: ClassLabels, column: str) -> Classification:
        """Return it for the labels in a column; of one label per row they make predictions."""
        return cls(
            len(labels.names),
            labels.multilabel,
            targets=lambda rows: np.array(labels.ids(row[column] for row in rows)).astype(int),
            decode=lambda probabilities, rows: labels.predictions(probabilities),
        )


class Majority(Baseline):
    """Predicts the class frequencies of train, so always the most frequent class."""

    name = "majority"

    def __init__(self, task: Classification) -> None:
        self.task = task

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        counts, predictions = np.zeros(self.task.classes), list[Any]()
        for rows in row_batches(data.train):
            targets, one = self.task.targets(rows), not self.task.multilabel
            counts += np.bincount(targets, None, len(counts)) if one else targets.sum(axis=0)
        shares = counts / max(len(data.train), 1)
        for rows in row_batches(data.test):
            predictions += self.task.decode(np.tile(shares, (len(rows), 1)), rows)
        return BaselineResult(predictions, np.arange(len(data.test)), len(data.train))


class Logistic(FittedBaseline):
    """Logistic regression on features that a scenario computes from its rows."""

    penalty = 0.1

    def __init__(
        self, task: Classification, name: str, features: Callable[[Sequence[Row]], Any]
    ) -> None:
        self.task, self.name, self.features = task, name, features

    def first_step(self) -> Any:
        """Return the transformer of scikit-learn before the regression."""
        from sklearn.preprocessing import StandardScaler

        return StandardScaler()

    def fit(self, rows: datasets.Dataset, prepared: datasets.Dataset) -> Any:
        given = rows.to_list()
        inputs, targets = self.features(given), self.task.targets(given)
        return _fitted(self.task, self.first_step(), self.penalty, inputs, targets)

    def predict(
        self, model: Any, rows: datasets.Dataset, prepared: datasets.Dataset
    ) -> list[Prediction]:
        given = rows.to_list()
        return self.task.decode(_probabilities(model, self.features(given), self.task), given)


class TfidfLogistic(Logistic):
    """Words and word pairs weighted by TF-IDF, and logistic regression on them."""

    penalty = 10.0  # on sparse unit vectors the default penalty underfits short texts

    def __init__(self, task: Classification, texts: Callable[[Sequence[Row]], list[str]]) -> None:
        super().__init__(task, "tfidf_logistic_regression", texts)

    def first_step(self) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=100_000)


class FrozenLinear(Baseline):
    """The same pretrained model, frozen: logistic regression on its mean-pooled last layer."""

    name = "frozen_linear"

    def __init__(self, task: Classification, plugin: Plugin[Any]) -> None:
        self.task, self.plugin = task, plugin
        self.is_the_model = bool(plugin.recipe and plugin.recipe.method.name == "head")

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Encode test and train rows for two thirds of the time, then fit."""
        from sklearn.preprocessing import StandardScaler

        start = time.monotonic()
        encode = _encoder(self.plugin)
        third = seconds / 3
        test, tested = _encode(encode, data.test_prepared, data.test_order, start + third)
        train, trained = _encode(encode, data.train_prepared, data.train_order, start + 2 * third)
        targets = self.task.targets(data.train.select(trained).to_list())

        def fit(count: int) -> Any:
            return _fitted(self.task, StandardScaler(), 0.1, train[:count], targets[:count])

        model, count = fit_within(fit, len(trained), start + seconds - time.monotonic())
        rows = data.test.select(tested).to_list()
        predictions = self.task.decode(_probabilities(model, test, self.task), rows)
        return BaselineResult(predictions, tested, count)


def _fitted(
    task: Classification, first_step: Any, penalty: float, inputs: Any, targets: Ints
) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline

    model = LogisticRegression(C=penalty, max_iter=300)
    whole = make_pipeline(first_step, OneVsRestClassifier(model) if task.multilabel else model)
    with quiet_fit():
        return whole.fit(inputs, targets)


def _probabilities(model: Any, inputs: Any, task: Classification) -> Floats:
    """Return (rows, classes), with zeros for classes that the fitted rows lacked."""
    with quiet_fit():
        found = model.predict_proba(inputs)
    if task.multilabel:
        return np.asarray(found, np.float64)
    full = np.zeros((len(found), task.classes))
    full[:, model.classes_] = found
    return full


def _encoder(plugin: Plugin[Any]) -> Callable[[list[dict[str, Any]]], Floats]:
    import torch

    from toolkit.utils.hardware import bf16_supported

    trained = next(plugin.model.parameters()).device
    model = plugin.load_model().to(trained).eval()
    make = batch_maker(plugin, model, with_labels=False)
    kind, bf16 = trained.type, bf16_supported()

    def encode(rows: list[dict[str, Any]]) -> Floats:
        batch = make(rows)
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=bf16):
            states = model.base_model(**batch)
        states = getattr(states, "last_hidden_state", states[0]).float()
        mask = batch.get("attention_mask")
        if mask is not None and mask.shape[1] != states.shape[1]:  # of samples, not of states
            shorter = getattr(model.base_model, "_get_feature_vector_attention_mask", None)
            mask = shorter(states.shape[1], mask) if shorter else None
        if mask is not None and states.ndim == 3:
            weights = mask.unsqueeze(-1).float()
            pooled = (states * weights).sum(1) / weights.sum(1).clamp(min=1)
        else:
            pooled = states.flatten(2).mean(-1) if states.ndim == 4 else states.mean(1)
        return np.asarray(pooled.cpu().numpy(), np.float64)

    return encode


def _encode(
    encode: Callable[[list[dict[str, Any]]], Floats],
    split: datasets.Dataset,
    order: Ints,
    deadline: float,
) -> tuple[Floats, Ints]:
    """Return features and numbers of the rows that were encoded before the deadline."""
    features: list[Floats] = []
    taken: list[int] = []
    for start in range(0, len(order), 16 * BATCH):
        window = split.select(order[start : start + 16 * BATCH])
        batches = list(by_length(window, range(len(window)), BATCH))
        # In random order, so that stopping early does not depend on the length of rows.
        for place in np.random.default_rng(start).permutation(len(batches)):
            features.append(encode(records(window, batches[place])))
            taken += [int(order[start + row]) for row in batches[place]]
            if time.monotonic() > deadline:
                return np.concatenate(features), np.array(taken)
    return np.concatenate(features), np.array(taken)
