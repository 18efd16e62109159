"""Test rows that two runs answer differently: how many, which, and whether that is chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import groups
from toolkit.evaluation.bootstrap import against_zero, resamples_for, unit_count, weights
from toolkit.evaluation.metrics.encoding import truth_of
from toolkit.plugin_types import PredictionFile, sameness
from toolkit.runs.folder import Run, predictions_file, read_groups, read_predictions

if TYPE_CHECKING:
    from toolkit.plugin_types import Prediction

SHOWN = 20  # rows that changed, at most


@dataclass(frozen=True)
class Change:
    """A test row that two runs answer differently, with what is true and what both say.

    Where predictions have labels, one that only one of the two has right.
    """

    row: int
    reference: Any
    reference_prediction: Prediction
    prediction: Prediction


@dataclass(frozen=True)
class Answers:
    """How the answers of a run differ from those of the baseline.

    gained, lost: rows that only the run, or only the baseline, has right; None where predictions
    have no label. mcnemar: p of McNemar's exact test on those; where rows have groups None, and
    by_groups: p of gained less lost with the groups resampled. changed: rows that are answered
    differently, beyond rounding and whatever their confidence; None where answers are numbers or
    files.
    changes: some of the gained and lost, or of the changed.
    """

    gained: int | None
    lost: int | None
    mcnemar: float | None
    changed: int | None
    changes: list[Change]
    by_groups: float | None


def between(baseline: Run, run: Run, split: str = "test") -> Answers:
    """Count the rows that are answered differently, and keep the first of them."""
    changed, net = 0, list[int]()  # 1 where a row is gained, -1 where it is lost
    labelled = worded = True
    found: list[Change] = []
    for row, ((before, reference), (after, _)) in enumerate(
        zip(rows(baseline, split), rows(run, split), strict=True)
    ):
        right = _right(before, reference), _right(after, reference)
        said, other = answer(before), answer(after)
        labelled, worded = labelled and None not in right, worded and not _is_measured(said)
        differs = not sameness.equal(said, other)
        changed += differs
        net.append((right == (False, True)) - (right == (True, False)))
        if (right[0] != right[1] if labelled else differs) and len(found) < SHOWN:
            found.append(Change(row, reference, before, after))
    if not labelled:
        return Answers(None, None, None, changed if worded else None, found if worded else [], None)
    gained, lost, of = net.count(1), net.count(-1), groups.of_columns(read_groups(run, split))
    if of is None:
        return Answers(gained, lost, _mcnemar(gained, lost), changed, found, None)
    drawn = [
        float(counts @ np.array(net))
        for counts in weights(len(net), resamples_for(len(net)), 0, of)
    ]
    p = against_zero(float(sum(net)), drawn, unit_count(len(net), of))[2]
    return Answers(gained, lost, None, changed, found, p)


def answer(prediction: Any) -> Any:
    """Return what a prediction answers, without how sure it is.

    Where a text comes first (`label`, `answer`), it is that text: what follows are alternatives.
    """
    found = sameness.answer(prediction)
    first = next(iter(found.values()), None) if isinstance(found, Mapping) else None
    return first if isinstance(first, str) else found


def rows(run: Run, split: str = "test") -> Iterator[tuple[Prediction, Any]]:
    """Yield prediction and reference of each row of a split of a run."""
    for predictions, references in read_predictions(predictions_file(run.path, split)):
        yield from zip(predictions, references, strict=True)


def _mcnemar(gained: int, lost: int) -> float:
    """Return p of McNemar's test (1947), exact: are rows gained as often as lost?"""
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost, 0.5).pvalue) if gained + lost else 1.0


def _is_measured(answer: Any) -> bool:
    """Return whether an answer is numbers or files, of which no two models give the same."""
    if isinstance(answer, Mapping):
        return all(_is_measured(value) for value in answer.values())
    return isinstance(answer, float | PredictionFile)


def _right(prediction: Mapping[str, Any], reference: Any) -> bool | None:
    """Return whether a prediction's label, or labels, are true; None where it has none."""
    truth = truth_of(reference)
    if "labels" in prediction and isinstance(truth, list):
        return sorted(map(str, prediction["labels"])) == sorted(map(str, truth))
    if "label" in prediction and isinstance(truth, str):
        return bool(prediction["label"] == truth)
    return None
