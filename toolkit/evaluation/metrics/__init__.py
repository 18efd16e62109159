"""The toolkit's metric modules by name, and `RowMetric` and `SumMetric`, the bases of your own.

They are imported when they are loaded: names alone should not cost the import of `evaluate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from toolkit.errors import UserError
from toolkit.utils.text import nearest

if TYPE_CHECKING:
    import evaluate

    from toolkit.evaluation.metrics.base import RowMetric
    from toolkit.evaluation.metrics.sums import SumMetric

__all__ = ["RowMetric", "SumMetric", "load", "names"]
_AVERAGES = [f"{measure}_{average}" for measure in ("precision", "recall", "f1")
             for average in ("macro", "micro", "weighted")]  # fmt: skip
_CLASSES = {
    "accuracy": "labels.Accuracy",
    "top5_accuracy": "probabilities.Top5Accuracy",
    **dict.fromkeys(("sensitivity", "specificity", "precision", "recall", "f1"), "labels.Binary"),
    **dict.fromkeys(_AVERAGES, "labels.Averaged"),
    "matthews_correlation": "labels.MatthewsCorrelation",
    "roc_auc": "ranking.RocAuc",
    "average_precision": "ranking.AveragePrecision",
    "log_loss": "probabilities.LogLoss",
    "expected_calibration_error": "probabilities.ExpectedCalibrationError",
}


def __getattr__(name: str) -> Any:
    homes = {"RowMetric": "base", "SumMetric": "sums"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{homes[name]}"), name)


def names() -> list[str]:
    """Return the names that `load` knows."""
    return list(_CLASSES)


def load(
    name: str,
    *,
    labels: Sequence[str] | None = None,
    multilabel: bool = False,
    pos_label: str | None = None,
) -> evaluate.Metric:
    """Return a fresh metric module.

    Args:
        labels, multilabel, pos_label: see `toolkit.evaluation.metrics.labels.ClassificationMetric`.

    Raises:
        UserError: an unknown name, or a metric that does not fit the classes.
    """
    if name not in _CLASSES:
        raise UserError(
            f"there is no metric {name!r}.{nearest(name, _CLASSES)} Metrics: {', '.join(_CLASSES)}"
        )
    module, kind = _CLASSES[name].split(".")
    found = getattr(import_module(f"{__name__}.{module}"), kind)
    return found(labels=labels, multilabel=multilabel, pos_label=pos_label, name=name)
