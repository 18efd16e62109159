"""Sentences of the report are no more often false than they say, where the truth is known."""

from __future__ import annotations

import calibration_worlds as worlds
import numpy as np
import pytest
from report_folders import classified, folder, record

from toolkit.evaluation import calibration, metrics
from toolkit.evaluation.shares import wilson
from toolkit.reporting import card_limits, prediction_arrays
from toolkit.reporting.html import failures, per_class, trust
from toolkit.reporting.slice_gaps import clearest

GROUPED = {"column": "patient", "groups": {"test": 40}}


def grouped(rows: int, **changes):
    found = record(rows, **changes)
    found["data"]["group"] = GROUPED
    return found


def said(run, found):
    reading = prediction_arrays.read(run.path / "predictions.jsonl")
    return " ".join(trust.section(found, reading, {}).answer)


@pytest.mark.parametrize("rows", [60, 120])
def test_a_calibrated_model_is_rarely_called_another(rows):
    assert worlds.called_miscalibrated(120, rows) <= 0.09
    assert worlds.called_sure(120, rows) <= 0.09
    assert worlds.called_miscalibrated(30, rows, sharper=3) >= 0.8
    assert worlds.called_sure(30, rows, sharper=3) >= 0.8


def test_accuracy_beyond_a_confidence_is_that_of_test_and_lies_in_its_interval():
    covered, promised = worlds.surest_covered(150, 120, 120)
    assert covered >= 0.91
    assert promised < 0.6  # what validation says of rows that it has chosen is flattering


@pytest.mark.parametrize(("slices", "loss"), [(20, False), (5, True)])
def test_equal_slices_are_rarely_said_to_differ(slices, loss):
    assert worlds.slices_called_apart(60, slices, 30, loss=loss) <= 0.1
    assert worlds.slices_called_apart(30, slices, 60, shift=0.7, loss=loss) >= 0.9


def test_the_calibration_error_has_no_interval_but_that_of_a_calibrated_model():
    scores, truth = worlds.calibrated(np.random.default_rng(0), 120)
    given = {"predictions": scores, "references": truth, "resamples": 200, "seed": 0}
    load = metrics.load
    found = load("expected_calibration_error").compute(**given, draws=True)
    assert np.isnan([found["low"], found["high"]]).all()
    assert "above 0 for a calibrated model" in found["no_interval"]
    assert len(found["draws"]) == 200  # for comparisons, which are paired
    assert 0 < found["expected_calibration_error"] < found["calibrated_high"] < 0.2
    again = load("expected_calibration_error").compute(**given)
    assert again["p_calibrated"] == found["p_calibrated"] > 0.05
    of_groups = load("expected_calibration_error").compute(**given, groups=np.arange(120) // 3)
    assert not {"calibrated_high", "p_calibrated"} & set(of_groups)
    several = load("expected_calibration_error", multilabel=True)
    found = several.compute(predictions=scores, references=np.eye(3, dtype=int)[truth])
    assert set(found) == {"expected_calibration_error"}


def test_report_card_and_record_say_the_same_of_calibration(tmp_path):
    run = folder(tmp_path / "run", classified(["a", "b", "c"], 400))  # twice as sharp as it is
    reading = prediction_arrays.read(run.path / "predictions.jsonl")
    found = trust.calibration(run.record, reading)["test"]
    text = said(run, run.record)
    assert "the model is overconfident" in text
    assert f"up to {found['calibrated_high']:.3f} on so many rows" in text
    assert "this one is not" in text
    lines = list(card_limits.limits({**run.record, "calibration": {"test": found}}))
    assert any("probabilities are not calibrated" in line for line in lines)
    assert "range if calibrated" in str(trust.section(run.record, reading, {}).blocks)

    found["p_calibrated"] = 0.2
    lines = list(card_limits.limits({**run.record, "calibration": {"test": found}}))
    assert not any("calibrated" in line for line in lines)
    few = folder(tmp_path / "few", classified(["a", "b", "c"], 30, sharp=2.0))
    text = said(few, few.record)
    assert "show neither over- nor underconfidence" in text
    assert "this may be one" in text


def test_groups_make_no_claim_of_independent_rows(tmp_path):
    run = folder(tmp_path / "run", classified(["a", "b", "c"], 400))
    chosen = {"temperature": 2.0, "fitted_rows": 90, "surest": {"accuracy": 0.9, "confidence": 0.9}}
    text = said(run, grouped(400, calibration=chosen))
    assert "overconfident" not in text
    assert "how far is not known" in text
    assert "[" not in text
    reading = prediction_arrays.read(run.path / "predictions.jsonl")
    table = list(per_class.tables(reading, independent=False))[-1]
    assert not any("[" in str(cell) for row in table.rows for cell in row)
    assert "rows of a group depend on each other" in table.note
    assert "p_calibrated" not in trust.calibration(grouped(400), reading)["test"]


def test_a_class_of_training_alone_is_never_right(tmp_path):
    pairs = classified(["a", "b"], 100, sharp=2.0)
    odd = [(prediction, "new") for prediction, _ in pairs[:40]]
    run = folder(tmp_path / "run", [*pairs, *odd])
    reading = prediction_arrays.read(run.path / "predictions.jsonl")
    metric = metrics.load("expected_calibration_error", labels=["a", "b"])
    known = metric.compute(predictions=[p for p, _ in [*pairs, *odd]],
                           references=[r for _, r in [*pairs, *odd]])  # fmt: skip
    assert reading.before.error == pytest.approx(known["expected_calibration_error"])
    assert reading.before.count.sum() == 140
    assert reading.before.right.sum() <= 100


def test_the_confidence_of_the_surest_comes_from_validation(tmp_path):
    pairs = classified(["a", "b", "c"], 600, seed=3)
    sample = calibration.Sample(300)
    list(sample.passing([([p for p, _ in pairs[:300]], [r for _, r in pairs[:300]])]))
    chosen = sample.fitted()
    at, wanted = chosen["surest"]["confidence"], chosen["surest"]["accuracy"]
    right = [p["label"] == r for p, r in pairs[:300] if np.float32(p["score"]) >= at]
    assert np.mean(right) >= wanted
    run = folder(tmp_path / "run", pairs[300:], calibration=chosen)
    kept = [p["label"] == r for p, r in pairs[300:] if np.float32(p["score"]) >= at]
    low, high = wilson(sum(kept), len(kept))
    text = said(run, run.record)
    assert f"{np.mean(kept):.3f} [{low:.3f}, {high:.3f}] of these are right" in text
    assert f"an accuracy of {wanted:.0%}" in text
    old = {"temperature": 2.0, "fitted_rows": 300}  # of a run that kept none
    assert "of these are right" not in said(run, {**run.record, "calibration": old})
    assert calibration.surest(np.ones(19), np.arange(19) > 2) is None


def slices(*parts):
    """Return slices of a column: (rows, rows that are right)."""
    ends = [(rows, right, *wilson(right, rows)) for rows, right in parts]
    return {"x": {f"v{place}": {"rows": rows, "accuracy": {"value": right / rows, "low": low,
                                                            "high": high}}
                  for place, (rows, right, low, high) in enumerate(ends)}}  # fmt: skip


def test_only_a_gap_beyond_chance_is_named(tmp_path):
    wide = slices((50, 45), (50, 20), (3, 0))
    run = folder(tmp_path / "run", classified(["a", "b"], 103), slices=wide)
    gap = clearest(run.record, "accuracy")
    assert (gap.lower.name, gap.higher.name, gap.pairs) == ("v1", "v0", 1)
    reading = prediction_arrays.read(run.path / "predictions.jsonl")
    whole = " ".join(failures.section(run.record, reading, None, []).answer)
    assert "By x the accuracy of “v1” and “v0” differs by 0.500 [0.3" in whole
    assert any("“v1” and “v0” differs" in line for line in card_limits.limits(run.record))

    near = {**run.record, "slices": slices(*[(20, 18)] * 9, (20, 14))}
    whole = " ".join(failures.section(near, reading, None, []).answer)
    assert "of 45 pairs of slices none surely differs in accuracy" in whole.lower()
    assert not any("differs" in line for line in card_limits.limits(near))
    # The same gap: of groups, of which there are few, it is not sure.
    assert clearest(grouped(103, slices=wide) | {"headline": None}, "accuracy").least < gap.least
    none = {**run.record, "slices": slices((9, 9), (9, 0))}
    assert clearest(none, "accuracy") is None
    whole = " ".join(failures.section(none, reading, None, []).answer)
    assert "No column has two values with 10 rows or more" in whole


def test_shares_of_classes_have_intervals_and_few_rows_a_count(tmp_path):
    pairs = [({"label": "a"}, "a")] * 30 + [({"label": "b"}, "a")] * 10 + [({"label": "c"}, "c")]
    reading = prediction_arrays.read(folder(tmp_path / "r", pairs).path / "predictions.jsonl")
    rows = {row[0]: row for row in list(per_class.tables(reading, independent=True))[-1].rows}
    low, high = wilson(30, 40)
    assert rows["a"][2] == f"0.750 [{low:.3f}, {high:.3f}]"
    assert rows["a"][4].startswith(f"{60 / 70:.3f} [{2 * low / (1 + low):.3f}, ")
    assert rows["c"][2:4] == ["1 of 1", "1 of 1"]
    assert rows["c"][4] == "n/a"


def test_the_interval_of_f1_covers_it():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        actual = rng.random(80) < 0.3
        predicted = np.where(actual, rng.random(80) < 0.8, rng.random(80) < 0.1)
        both, either = int((actual & predicted).sum()), int((actual | predicted).sum())
        low, high = (2 * share / (1 + share) for share in wilson(both, either))
        hits += low <= 2 * 0.3 * 0.8 / (0.3 + 0.3 * 0.8 + 0.7 * 0.1) <= high
    assert 0.92 <= hits / 400 <= 0.99
