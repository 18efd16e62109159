"""The toolkit's metrics of classes, as scikit-learn says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

AVERAGES = ("macro", "micro", "weighted")
RIGHT = "eps = np.finfo(float).eps\nright = np.clip(right, eps, 1 - eps)"
#: Those of probabilities: rows of a class that training never saw are left out of them.
OF_SCORES = ("log_loss", "roc_auc", "average_precision", "top5_accuracy")


@dataclass(frozen=True)
class Expression:
    """A metric as source: an expression of `truth`, `predicted` and probabilities `p`.

    before: statements that must stand before it.
    """

    text: str
    before: str = ""


def expressions(
    classes: int, several: bool, positive: int | None = None
) -> Mapping[str, Expression]:
    """Return metric -> what it is in a script.

    Args:
        classes: how many there are. several: whether a row may have several labels.
        positive: the id of the positive one of two classes; by default the last.
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
    if classes > 5:
        call = "metrics.top_k_accuracy_score(truth, p, k=5, labels=every)"
        found["top5_accuracy"] = Expression(call, "every = range(len(LABELS))")
    return {**found, **_of_two(1 if positive is None else positive)} if classes == 2 else found


def _of_two(positive: int) -> Mapping[str, Expression]:
    """Return those of the positive one of two classes."""
    settings = '{name} = {{"pos_label": {label}, "zero_division": 0}}'
    of_positive = settings.format(name="positive", label=positive)
    of_negative = settings.format(name="negative", label=1 - positive)
    found = {
        kind: Expression(f"metrics.{kind}_score(truth, predicted, **positive)", of_positive)
        for kind in ("precision", "recall", "f1")
    }
    negative = "metrics.recall_score(truth, predicted, **negative)"
    scored = f"(truth == {positive}, p[:, {positive}])"
    return {
        **found,
        "sensitivity": found["recall"],
        "specificity": Expression(negative, of_negative),
        "roc_auc": Expression(f"metrics.roc_auc_score{scored}"),
        "average_precision": Expression(f"metrics.average_precision_score{scored}"),
    }
