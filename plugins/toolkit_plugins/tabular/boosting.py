"""Gradient boosting on the columns that the transformer reads, its setting chosen on validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.utils.logging import quiet_fit

Array = np.ndarray[Any, Any]
MANY = 200_000  # rows; of fewer, threads that wait for each other on a busy machine cost most

#: Few rows and rare frauds are overfitted by scikit-learn's own setting, the first; many rows bear
#: more trees. Weights of classes are not among them: they made every measured ranking worse.
SETTINGS: tuple[dict[str, float], ...] = (
    {"max_iter": 100, "learning_rate": 0.05, "max_leaf_nodes": 31},
    {"max_iter": 150, "learning_rate": 0.05, "max_leaf_nodes": 8, "l2_regularization": 10.0},
    {"max_iter": 200, "learning_rate": 0.03, "max_leaf_nodes": 16, "l2_regularization": 10.0,
     "min_samples_leaf": 50, "max_depth": 6},
    {"max_iter": 300, "learning_rate": 0.05, "max_leaf_nodes": 31, "l2_regularization": 10.0,
     "min_samples_leaf": 50, "max_depth": 8},
)  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """A fitted classifier of scikit-learn, and the setting that suits validation best."""

    fitted: Any
    setting: dict[str, float]

    @property
    def said(self) -> str:
        """The setting as text: C=0.1."""
        return ", ".join(f"{name}={value:g}" for name, value in self.setting.items())

    def scores(self, inputs: Array) -> Array:
        """Return the probability of fraud of each row, float64."""
        return probabilities(self.fitted, inputs)


def estimator(setting: dict[str, float]) -> Any:
    """Return unfitted trees; no early stopping, as a tenth of few frauds is no guide.

    Ids of categories are split like numbers: no worse on the tables tried, and any model of
    thresholds can hold the trees.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(early_stopping=False, random_state=0, **setting)


def chosen(
    make: Any, settings: Any, train: tuple[Array, Array], validation: tuple[Array, Array] | None
) -> Chosen:
    """Fit every setting on all rows; return the fit of least log loss on validation.

    Without validation, or without a fraud there, it is the first setting.

    Args:
        make: setting -> unfitted classifier. train, validation: inputs and truth.
    """
    if validation is None or not 0 < validation[1].mean() < 1:
        settings, validation = settings[:1], None
    from threadpoolctl import threadpool_limits

    best, least = None, np.inf
    for setting in settings:
        with quiet_fit(), threadpool_limits(None if len(train[1]) > MANY else 1, "openmp"):
            fitted = make(setting).fit(*train)
        lost = 0.0 if validation is None else _log_loss(fitted, *validation)
        if best is None or lost < least:
            best, least = Chosen(fitted, setting), lost
    assert best is not None  # noqa: S101 - there is at least one setting
    return best


def probabilities(fitted: Any, inputs: Array) -> Array:
    """Return the probability of fraud of each row, float64."""
    with quiet_fit():
        return np.asarray(fitted.predict_proba(inputs)[:, 1], np.float64)


def _log_loss(fitted: Any, inputs: Array, truth: Array) -> float:
    from sklearn.metrics import log_loss

    return float(log_loss(truth, probabilities(fitted, inputs), labels=[0, 1]))
