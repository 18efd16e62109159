"""Are the probabilities calibrated: reliability, curves of two classes, accuracy by coverage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from toolkit.evaluation.calibration import BINS, FEWEST, UNLIKELY, ends_of_ties
from toolkit.evaluation.shares import wilson
from toolkit.plugin_types import Curve
from toolkit.reporting import charts
from toolkit.reporting.formatting import cut, number, p_value, score
from toolkit.reporting.html.parts import Chart, Section, Table, line_chart
from toolkit.reporting.prediction_arrays import OneLabel, PredictionArrays, Reliability
from toolkit.reporting.shares import share_of
from toolkit.reporting.terminal import units

EVEN = 0.02  # between confidence and accuracy, up to which they count as equal
ON_TEST = "Drawn on the test rows: a threshold that is picked from it looks better than it is."


def section(
    record: Mapping[str, Any], reading: PredictionArrays, curves: Mapping[str, Curve]
) -> Section:
    """Return the section. curves: name -> what a plugin has drawn (see `plugin_types.Curve`)."""
    found = Section("trust", "Are the probabilities calibrated?")
    before, one = reading.before, reading.one
    if before is not None:
        found.answer += _calibration(record, reading, before)
        found.blocks.append(_reliability(reading, before, _independent(record, reading)))
        if one is not None and reading.positive is not None:
            name = cut(reading.names[reading.positive], 40)
            found.blocks += _two_classes(one, reading.positive, name, curves)
        if one is not None and reading.rows >= 2 * FEWEST:
            found.answer += _surest(record, one)
            found.blocks += _coverage(one)
    elif reading.classes is not None:
        found.answer.append("The predictions hold no probabilities of all classes.")
    else:
        more = "; the curves of the scenario follow." if curves else "."
        found.answer.append(f"The predictions are not of classes with probabilities{more}")
    found.blocks += [
        line_chart(f"figure {name}", curve.title, curve.lines, curve.x, curve.y, curve.marks,
                   ON_TEST if curve.marks else "")
        for name, curve in curves.items()
    ]  # fmt: skip
    return found


def calibration(record: Mapping[str, Any], reading: PredictionArrays) -> dict[str, Any] | None:
    """Return what run.json says of calibration, with the errors on test; None without any."""
    if reading.before is None:
        return None
    after = reading.after.error if reading.after is not None else None
    errors = {"expected_calibration_error": reading.before.error,
              "expected_calibration_error_scaled": after}  # fmt: skip
    if _independent(record, reading):
        chance = reading.before.calibrated
        errors |= {"calibrated_high": chance.error, "p_calibrated": chance.p}
    return {**(record.get("calibration") or {}), "test": errors}


def _independent(record: Mapping[str, Any], reading: PredictionArrays) -> bool:
    """Return whether decisions are independent: not those of a row, or of rows of a group."""
    return reading.one is not None and units(record) == "rows"


def _calibration(
    record: Mapping[str, Any], reading: PredictionArrays, before: Reliability
) -> Iterator[str]:
    independent = _independent(record, reading)
    if reading.one is not None:
        yield confidence(before, independent)
    yield f"The expected calibration error is {number(before.error)} (0 is perfect)."
    if independent:
        chance = before.calibrated
        high, p = number(chance.error), p_value(chance.p)
        yield (f"A perfectly calibrated model with these confidences would show up to {high} on so "
               f"many rows (95% of cases; p {p if '<' in p else f'= {p}'}): "
               + ("this one is not." if chance.p <= UNLIKELY else "this may be one."))  # fmt: skip
    else:
        yield ("It is above 0 for a perfectly calibrated model, too; how far is not known where "
               "decisions depend on each other, as those of a row or a group do.")  # fmt: skip
    given = record.get("calibration") or {}
    if reading.after is not None and given.get("fitted_rows"):
        yield (f"With temperature {number(float(given['temperature']))}, fitted on "
               f"{given['fitted_rows']:,} validation rows, it would be "
               f"{number(reading.after.error)}; predicted labels would not change.")  # fmt: skip


def confidence(before: Reliability, independent: bool) -> str:
    """Return mean confidence, accuracy, and a verdict where the rows are enough for one.

    independent: whether the rows are; otherwise there is no verdict.
    """
    total, right = int(before.count.sum()), int(before.right.sum())
    sure = float(before.confidence.sum() / max(total, 1))
    accuracy = right / max(total, 1)
    text = (f"Mean confidence is {number(sure)} and accuracy of the most probable class "
            f"{number(accuracy)}")  # fmt: skip
    if not independent:
        return f"{text}."
    # Of rows with these confidences, accuracy alone is uncertain.
    low, high = (sure - end for end in reversed(wilson(right, total)))
    text += f", a difference of {score({'value': sure - accuracy, 'low': low, 'high': high})}"
    if -EVEN < low <= high < EVEN:
        verdict = "the model is well calibrated on average"
    elif low <= 0 <= high:
        verdict = "these rows show neither over- nor underconfidence"
    else:
        verdict = f"the model is {'over' if low > 0 else 'under'}confident"
    return f"{text}: {verdict}."


def _surest(record: Mapping[str, Any], one: OneLabel) -> Iterator[str]:
    """Yield how accurate the rows are that reach the confidence which validation has chosen."""
    chosen = (record.get("calibration") or {}).get("surest")
    if not chosen:
        return
    at, kept = chosen["confidence"], one.given >= chosen["confidence"]
    rows, right = int(kept.sum()), int(one.right[kept].sum())
    yield (f"On validation, rows with a confidence of {number(at)} or more have an accuracy of "
           f"{chosen['accuracy']:.0%} or more.")  # fmt: skip
    independent = units(record) == "rows"
    said = f"On test, {share_of(rows, len(kept), independent)} of the rows reach it"
    more = f", and {share_of(right, rows, independent)} of these are right" if rows else ""
    yield f"{said}{more}."


def _reliability(reading: PredictionArrays, before: Reliability, independent: bool) -> Chart:
    series = {"as predicted": before, **({"scaled": reading.after} if reading.after else {})}
    chance = before.calibrated if independent else None
    lines, rows, band = {}, [], []
    for line, found in series.items():
        points = []
        for place in np.flatnonzero(found.count).tolist():
            count = int(found.count[place])
            point = found.confidence[place] / count, found.right[place] / count
            cells = [line, f"{place / BINS:.2f} to {(place + 1) / BINS:.2f}", count]
            rows.append([*cells, *map(number, point), ""])
            points.append(point)
            if chance is not None and found is before:
                low, high = float(chance.low[place]), float(chance.high[place])
                band.append((point[0], low, high))
                rows[-1][-1] = f"{number(low)} to {number(high)}"
        lines[line] = points
    shares = (before.count / max(before.count.sum(), 1.0)).tolist()
    svg = charts.reliability(lines, shares, band, name="Reliability: accuracy over confidence")
    heads = ["", "confidence", "rows" if reading.one is not None else "decisions",
             "mean confidence", "accuracy", "range if calibrated"]  # fmt: skip
    caption = "Dotted line: perfect calibration; points below it are overconfident."
    if band:
        caption += " Grey: 95% range of the accuracy of a perfectly calibrated model."
    caption += " Bars: share of all predictions at each confidence."
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


def _coverage(one: OneLabel) -> Iterator[Chart]:
    """Yield how accurate the most confident rows are, by how many of them there are."""
    if one.right.all() or not one.right.any():
        return
    order = np.argsort(-one.given, kind="stable")
    rows = np.arange(1, len(order) + 1)
    ends = ends_of_ties(one.given[order], min(FEWEST, len(order) // 2))
    accuracy = (np.cumsum(one.right[order]) / rows)[ends]
    caption = f"If the least confident rows are left to a person: accuracy on the others. {ON_TEST}"
    yield line_chart("coverage", "Accuracy on the most confident rows",
                     {"model": _even(rows[ends] / len(order), accuracy)},
                     "share of rows that are kept", "accuracy", caption=caption)  # fmt: skip
