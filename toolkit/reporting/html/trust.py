"""Are the probabilities calibrated: reliability, curves of two classes, accuracy by coverage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from toolkit.evaluation.calibration import BINS
from toolkit.plugin_types import Curve
from toolkit.reporting import charts
from toolkit.reporting.formatting import cut, number, share
from toolkit.reporting.html.parts import Chart, Section, Table, line_chart
from toolkit.reporting.prediction_arrays import OneLabel, PredictionArrays, Reliability

SURE = (0.99, 0.95, 0.9)  # accuracies; the first that the most confident rows reach is reported
EVEN = 0.02  # between confidence and accuracy, up to which they count as equal
FEWEST = 20  # rows; of fewer, how many are right is chance


def section(
    record: Mapping[str, Any], reading: PredictionArrays, curves: Mapping[str, Curve]
) -> Section:
    """Return the section. curves: name -> what a plugin has drawn (see `plugin_types.Curve`)."""
    found = Section("trust", "Are the probabilities calibrated?")
    before, one = reading.before, reading.one
    if before is not None:
        found.answer += _calibration(record, reading, before)
        found.blocks.append(_reliability(reading, before))
        if one is not None and reading.positive is not None:
            name = cut(reading.names[reading.positive], 40)
            found.blocks += _two_classes(one, reading.positive, name, curves)
        if one is not None and reading.rows >= 2 * FEWEST:
            found.blocks += _coverage(one, found.answer)
    elif reading.classes is not None:
        found.answer.append("The predictions hold no probabilities of all classes.")
    else:
        more = "; the curves of the scenario follow." if curves else "."
        found.answer.append(f"The predictions are not of classes with probabilities{more}")
    found.blocks += [
        line_chart(f"figure {name}", curve.title, curve.lines, curve.x, curve.y, curve.marks)
        for name, curve in curves.items()
    ]
    return found


def calibration(record: Mapping[str, Any], reading: PredictionArrays) -> dict[str, Any] | None:
    """Return what run.json says of calibration, with the errors on test; None without any."""
    if reading.before is None:
        return None
    after = reading.after.error if reading.after is not None else None
    errors = {"expected_calibration_error": reading.before.error,
              "expected_calibration_error_scaled": after}  # fmt: skip
    return {**(record.get("calibration") or {}), "test": errors}


def _calibration(
    record: Mapping[str, Any], reading: PredictionArrays, before: Reliability
) -> Iterator[str]:
    total = max(before.count.sum(), 1.0)
    sure, right = float(before.confidence.sum() / total), float(before.right.sum() / total)
    if reading.one is not None:
        verdict = "overconfident" if sure > right else "underconfident"
        verdict = "well calibrated on average" if abs(sure - right) < EVEN else verdict
        yield (f"Mean confidence is {number(sure)} and accuracy of the most probable class "
               f"{number(right)}: the model is {verdict}.")  # fmt: skip
    yield f"The expected calibration error is {number(before.error)} (0 is perfect)."
    given = record.get("calibration") or {}
    if reading.after is not None and given.get("fitted_rows"):
        yield (f"With temperature {number(float(given['temperature']))}, fitted on "
               f"{given['fitted_rows']:,} validation rows, it would be "
               f"{number(reading.after.error)}; predicted labels would not change.")  # fmt: skip


def _reliability(reading: PredictionArrays, before: Reliability) -> Chart:
    series = {"as predicted": before, **({"scaled": reading.after} if reading.after else {})}
    lines, rows = {}, []
    for line, found in series.items():
        bins = np.flatnonzero(found.count)
        count = found.count[bins]
        means = np.stack([found.confidence[bins], found.right[bins]], axis=1) / count[:, None]
        lines[line] = means.tolist()
        rows += [
            [line, f"{place / BINS:.2f} to {(place + 1) / BINS:.2f}", int(n), *map(number, pair)]
            for place, n, pair in zip(bins, count, means.tolist(), strict=True)
        ]
    shares = (before.count / max(before.count.sum(), 1.0)).tolist()
    svg = charts.reliability(lines, shares, name="Reliability: accuracy over confidence")
    heads = ["", "confidence", "rows" if reading.one is not None else "decisions",
             "mean confidence", "accuracy"]  # fmt: skip
    caption = ("Dotted line: perfect calibration; points below it are overconfident. Bars: share "
               "of all predictions at each confidence.")  # fmt: skip
    return Chart("Reliability", svg, caption, Table("Numbers: reliability", heads, rows))


def _two_classes(
    one: OneLabel, positive: int, name: str, curves: Mapping[str, Curve]
) -> Iterator[Chart]:
    """Yield ROC and precision over recall, with the threshold that gives the labels."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    actual, predicted = one.truth == positive, one.predicted == positive
    if actual.all() or not actual.any():
        return
    recall, false = float(predicted[actual].mean()), float(predicted[~actual].mean())
    mark = "current threshold"
    if "roc" not in curves:
        x, y, _ = roc_curve(actual, one.positive)
        lines = {"model": _even(x, y), "chance": [(0.0, 0.0), (1.0, 1.0)]}
        yield line_chart("roc", f"ROC of “{name}”", lines, "false positive rate",
                         "true positive rate (recall)", {mark: (false, recall)})  # fmt: skip
    if "precision_recall" not in curves:
        y, x, _ = precision_recall_curve(actual, one.positive)
        base = float(actual.mean())
        marks = {mark: (recall, float(actual[predicted].mean()))} if predicted.any() else {}
        # Without the last point, recall 0, which belongs to no threshold.
        lines = {"model": _even(x[-2::-1], y[-2::-1]), "chance": [(0.0, base), (1.0, base)]}
        yield line_chart("precision recall", f"Precision over recall of “{name}”", lines,
                         "recall", "precision", marks)  # fmt: skip


def _even(x: Any, y: Any) -> list[charts.Point]:
    """Return points at even steps of x: most rows are where it hardly changes."""
    places = np.searchsorted(x, np.linspace(x[0], x[-1], charts.POINTS)).clip(max=len(x) - 1)
    places = np.unique(np.concatenate([[0], places, [len(x) - 1]]))
    return [(float(x[place]), float(y[place])) for place in places]


def _coverage(one: OneLabel, answer: list[str]) -> Iterator[Chart]:
    """Yield how accurate the most confident rows are, by how many of them there are."""
    if one.right.all() or not one.right.any():
        return
    order = np.argsort(-one.given, kind="stable")
    rows = np.arange(1, len(order) + 1)
    # Rows of equal confidence are kept or left out together.
    ends = np.append(np.flatnonzero(np.diff(one.given[order])), len(order) - 1)
    ends = ends[rows[ends] >= min(FEWEST, len(order) / 2)]
    accuracy = (np.cumsum(one.right[order]) / rows)[ends]
    coverage = rows[ends] / len(order)
    for wanted in SURE:
        reached = np.flatnonzero(accuracy >= wanted)
        if accuracy[-1] < wanted and len(reached):
            part = share(float(coverage[reached[-1]]), 1.0)
            answer.append(f"On the most confident {part} of the rows, accuracy is {wanted:.0%}.")
            break
    caption = "If the least confident rows are left to a person: the accuracy on the others."
    yield line_chart("coverage", "Accuracy on the most confident rows",
                     {"model": _even(coverage, accuracy)}, "share of rows that are kept",
                     "accuracy", caption=caption)  # fmt: skip
