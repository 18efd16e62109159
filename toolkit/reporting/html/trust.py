"""Can its probabilities be trusted: reliability, two classes' curves, and what leaving out buys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from toolkit.evaluation.calibration import BINS
from toolkit.plugin_types import Curve
from toolkit.reporting import charts
from toolkit.reporting.html.parts import Chart, Section, Table, line_chart, number, share
from toolkit.reporting.prediction_arrays import PredictionArrays, Reliability

SURE = (0.99, 0.95, 0.9)  # accuracies of which the first that some rows reach is told
EVEN = 0.02  # between confidence and what is right, up to which they count as alike
FEWEST = 20  # rows; of fewer, how many are right is chance


def section(
    record: Mapping[str, Any], reading: PredictionArrays, curves: Mapping[str, Curve]
) -> Section:
    """Return the section. curves: name -> what a plugin has drawn (see `figures.Curve`)."""
    found = Section("trust", "Can its probabilities be trusted?")
    if reading.has_scores:
        found.answer += _in_words(record, reading)
        found.blocks.append(_reliability(reading))
        found.blocks += _two_classes(reading, curves)
        found.blocks += _coverage(reading, found.answer)
    elif reading.classes is not None:
        found.answer.append("Its predictions hold no probabilities of all classes.")
    else:
        found.answer.append(
            "Its predictions are not of classes with probabilities; what the scenario itself "
            "draws of them stands here." if curves else
            "Its predictions are not of classes with probabilities."
        )  # fmt: skip
    for name, curve in curves.items():
        found.blocks.append(_drawn(name, curve))
    return found


def calibration(record: Mapping[str, Any], reading: PredictionArrays) -> dict[str, Any] | None:
    """Return what run.json says of calibration, with the errors on test; None without any."""
    if reading.before is None:
        return None
    after = reading.after.error if reading.after is not None else None
    given = record.get("calibration") or {}
    errors = {"expected_calibration_error": reading.before.error,
              "expected_calibration_error_scaled": after}  # fmt: skip
    return {**given, "test": errors}


def _in_words(record: Mapping[str, Any], reading: PredictionArrays) -> Iterator[str]:
    before, after = reading.before, reading.after
    assert before is not None  # noqa: S101 - the caller has looked
    total = max(before.count.sum(), 1.0)
    sure, right = before.confidence.sum() / total, before.right.sum() / total
    if reading.one is not None:
        side = "more sure than right" if sure > right else "less sure than right"
        side = "about as sure as right" if abs(sure - right) < EVEN else side
        yield (f"Its mean confidence is {number(float(sure))}, and {number(float(right))} of its "
               f"likeliest classes are true: it is {side}.")  # fmt: skip
    yield f"The expected calibration error is {number(before.error)} (0 is perfect)."
    given = record.get("calibration")
    if after is not None and given and given.get("fitted_rows"):
        yield (
            f"With the temperature {number(float(given['temperature']))}, fitted on "
            f"{given['fitted_rows']:,} validation rows, it would be {number(after.error)}; labels "
            "stay as they are."
        )


def _reliability(reading: PredictionArrays) -> Chart:
    before, after = reading.before, reading.after
    assert before is not None  # noqa: S101 - the caller has looked
    series = {"as it is": before, **({"scaled": after} if after else {})}
    lines = {name: _points(found) for name, found in series.items()}
    shares = (before.count / max(before.count.sum(), 1.0)).tolist()
    name = "Reliability: the share that is right over how sure the model is"
    rows = []
    for line, found in series.items():
        for place in np.flatnonzero(found.count).tolist():
            count = found.count[place]
            span = f"{place / BINS:.2f} to {(place + 1) / BINS:.2f}"
            rows.append([line, span, int(count), number(float(found.confidence[place] / count)),
                         number(float(found.right[place] / count))])  # fmt: skip
    unit = "rows" if reading.one is not None else "decisions"
    head = ["", "confidence", unit, "mean confidence", "share right"]
    says = "On the dotted line probabilities are what they say; below it the model is too sure. "
    says += "Below: the share of all that comes at each confidence."
    return Chart("Reliability", charts.reliability(lines, shares, name=name), says,
                 Table("Numbers: reliability", head, rows))  # fmt: skip


def _points(found: Reliability) -> tuple[list[float], list[float]]:
    kept = found.count > 0
    confidence = found.confidence[kept] / found.count[kept]
    return confidence.tolist(), (found.right[kept] / found.count[kept]).tolist()


def _two_classes(reading: PredictionArrays, curves: Mapping[str, Curve]) -> Iterator[Chart]:
    """Yield ROC and precision over recall, with the point at which labels are given."""
    one, positive = reading.one, reading.positive
    if one is None or positive is None:
        return
    truth, said = one.truth == positive, one.predicted == positive
    if truth.all() or not truth.any():
        return
    order = np.argsort(-one.positive, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(one.positive[order])), len(order) - 1)
    hits, alarms = np.cumsum(truth[order])[ends], ends + 1
    found, false = hits / truth.sum(), (alarms - hits) / (~truth).sum()
    at_found = float((said & truth).sum() / truth.sum())
    at_false = float((said & ~truth).sum() / (~truth).sum())
    name, mark = _cut(reading.names[positive]), "as labels are given"
    if "roc" not in curves:
        model = _even(np.append(0.0, false), np.append(0.0, found))
        yield line_chart("roc", f"ROC of “{name}”", {"model": model, "chance": [(0, 0), (1, 1)]},
                         "share of others called so", "share found",
                         {mark: (at_false, at_found)})  # fmt: skip
    if "precision_recall" not in curves:
        base = float(truth.mean())
        marks = {mark: (at_found, float((said & truth).sum() / said.sum()))} if said.any() else {}
        lines = {"model": _even(found, hits / alarms), "chance": [(0.0, base), (1.0, base)]}
        yield line_chart("precision recall", f"Precision over recall of “{name}”", lines,
                         "recall", "precision", marks)  # fmt: skip


def _even(x: Any, y: Any) -> list[charts.Point]:
    """Return points at even steps of x: most rows stand where it hardly changes."""
    places = np.searchsorted(x, np.linspace(x[0], x[-1], charts.POINTS)).clip(max=len(x) - 1)
    places = np.unique(np.concatenate([[0], places, [len(x) - 1]]))
    return [(float(x[place]), float(y[place])) for place in places]


def _coverage(reading: PredictionArrays, answer: list[str]) -> Iterator[Chart]:
    """Yield how accurate the surest rows are, by how many of them there are."""
    one = reading.one
    if one is None or reading.rows < 2 * FEWEST or one.right.all() or not one.right.any():
        return
    order = np.argsort(-one.given, kind="stable")
    rows = np.arange(1, len(order) + 1)
    accuracy, coverage = np.cumsum(one.right[order]) / rows, rows / len(order)
    # Equal confidences are left to a person or kept together.
    ends = np.append(np.flatnonzero(np.diff(one.given[order])), len(order) - 1)
    ends = ends[rows[ends] >= min(FEWEST, len(order) / 2)]
    answer += _reached(accuracy[ends], coverage[ends])
    points = _even(coverage[ends], accuracy[ends])
    says = "Where the least sure rows are left to a person: how accurate the rest is."
    yield line_chart("coverage", "Accuracy of the surest rows", {"model": points},
                     "share of rows that are answered", "accuracy", says=says)  # fmt: skip


def _reached(accuracy: Any, coverage: Any) -> Iterator[str]:
    """Yield what share of the rows may be answered so that most answers are right."""
    for wanted in SURE:
        places = np.flatnonzero(accuracy >= wanted)
        if accuracy[-1] < wanted and len(places):
            kept = share(float(coverage[places[-1]]), 1.0)
            yield f"Of the surest {kept} of the rows {wanted:.0%} are right."
            return


def _drawn(name: str, curve: Curve) -> Chart:
    """Return a curve of the plugin's."""
    key = f"figure {name}"
    return line_chart(key, curve.title, curve.lines, curve.x, curve.y, curve.marks)


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
