"""The toolkit's metrics of classes, as scikit-learn says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

AVERAGES = ("macro", "micro", "weighted")
RIGHT = "eps = np.finfo(float).eps\nright = np.clip(right, eps, 1 - eps)"
#: Those of probabilities: rows of a class that training never saw are left out of them.
OF_SCORES = ("log_loss", "roc_auc", "average_precision")


@dataclass(frozen=True)
class Expression:
    """A metric as source: an expression of `truth`, `predicted` and probabilities `p`.

    before: statements that must stand before it.
    """

    text: str
    before: str = ""


def expressions(classes: int, several: bool) -> Mapping[str, Expression]:
    """Return metric -> what it is in a script.

    Args:
        classes: how many there are. several: whether a row may have several labels.
    """
    found = {"accuracy": Expression("metrics.accuracy_score(truth, predicted)")}
    for kind, average in product(("precision", "recall", "f1"), AVERAGES):
        settings = f'{average} = {{"average": "{average}", "zero_division": 0}}'
        call = f"metrics.{kind}_score(truth, predicted, **{average})"
        found[f"{kind}_{average}"] = Expression(call, settings)
    loss = "-np.log(right).mean()"
    if several:
        right = "right = np.where(truth > 0, p, 1 - p)"
        return {**found, "log_loss": Expression(loss, f"{right}\n{RIGHT}")}
    right = "right = p[np.arange(len(truth)), truth] / p.sum(axis=1)"
    found["log_loss"] = Expression(loss, f"{right}\n{RIGHT}")
    found["matthews_correlation"] = Expression("metrics.matthews_corrcoef(truth, predicted)")
    if classes == 2:
        for kind in ("precision", "recall", "f1"):
            call = f"metrics.{kind}_score(truth, predicted, zero_division=0)"
            found[kind] = Expression(call)
        found["roc_auc"] = Expression("metrics.roc_auc_score(truth, p[:, 1])")
        found["average_precision"] = Expression("metrics.average_precision_score(truth, p[:, 1])")
    return found
