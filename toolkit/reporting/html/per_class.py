"""Errors by class: the confusion matrix or the most confused pairs, and scores of each class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from toolkit.evaluation.shares import wilson
from toolkit.reporting.formatting import NONE, cut, score, share
from toolkit.reporting.html.parts import Table
from toolkit.reporting.prediction_arrays import OneLabel, PredictionArrays
from toolkit.reporting.shares import FEW, share_of

MATRIX = 20  # classes of a confusion matrix, at most
CLASSES = 50  # rows of the table of classes
HEAD = 24  # characters of a class beside the matrix, which is never broken
PAIRS = 15  # confused pairs

Pairs = list[tuple[int, int, int]]  # (rows, actual class, predicted class), the most frequent first


def tables(reading: PredictionArrays, independent: bool) -> Iterator[Table]:
    """Yield the confusion matrix (or the most confused pairs), and the table of classes.

    independent: whether rows are; otherwise single classes have no intervals.
    """
    names = reading.names
    if reading.one is not None:
        pairs, counts = _pairs(reading.one, len(names)), _counts(reading.one, len(names))
        if len(names) <= MATRIX:
            yield _matrix(names, counts, pairs)
        elif pairs:
            yield _confused(names, counts, pairs, independent)
        confused: dict[int, str] = {}
        for _, actual, predicted in pairs:
            confused.setdefault(actual, names[predicted])
        yield _classes(names, counts, confused, independent)
    elif reading.several is not None:
        yield _classes(names, reading.several.counts, None, independent)


def sentences(reading: PredictionArrays) -> list[str]:
    """Return how many rows are wrong, and the most frequent confusion."""
    if reading.one is not None:
        names, wrong = reading.names, int((~reading.one.right).sum())
        part = share(wrong, reading.rows)
        lines = [f"{wrong:,} of {reading.rows:,} test rows are wrong ({part})."]
        for count, actual, predicted in _pairs(reading.one, len(names))[:1]:
            times = "once" if count == 1 else f"{count:,} times"
            lines.append(f"The most frequent confusion in these rows: “{cut(names[actual])}” is "
                         f"predicted as “{cut(names[predicted])}” {times}.")  # fmt: skip
        return lines
    if reading.several is not None:
        wrong = int((reading.several.wrong > 0).sum())
        part = share(wrong, reading.rows)
        return [f"{wrong:,} of {reading.rows:,} test rows have at least one label too many or too "
                f"few ({part})."]  # fmt: skip
    return []


def _pairs(one: OneLabel, width: int) -> Pairs:
    cells, counts = np.unique((one.truth * width + one.predicted)[~one.right], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(int(counts[k]), *divmod(int(cells[k]), width)) for k in order]


def _counts(one: OneLabel, width: int) -> Any:
    """Return (classes, 3) of actual, predicted, both."""
    parts = one.truth, one.predicted, one.truth[one.right]
    return np.stack([np.bincount(part, minlength=width) for part in parts], axis=1)


def _matrix(names: list[str], counts: Any, pairs: Pairs) -> Table:
    found = np.diag(counts[:, 2])
    for count, actual, predicted in pairs:
        found[actual, predicted] = count
    rows = [[cut(name, HEAD), *map(int, line)] for name, line in zip(names, found, strict=True)]
    heads = ["actual ↓ predicted →", *(cut(name, HEAD) for name in names)]
    heat = (found / np.maximum(found.sum(axis=1, keepdims=True), 1)).tolist() if names else []
    note = "Rows: actual classes. Columns: predicted classes. Shaded by the share of the row."
    return Table("Confusion matrix", heads, rows, note, heat)


def _confused(names: list[str], counts: Any, pairs: Pairs, independent: bool) -> Table:
    rows = [[names[actual], names[predicted], count,
             share_of(count, int(counts[actual, 0]), independent)]
            for count, actual, predicted in pairs[:PAIRS]]  # fmt: skip
    note = (f"The {len(rows)} most frequent of {len(pairs):,} confused pairs in these rows; in "
            "others, pairs that are chosen so are mostly rarer.")  # fmt: skip
    heads = ["actual", "predicted", "rows", "share of the class"]
    return Table("Most confused classes", heads, rows, note)


def _classes(
    names: list[str], counts: Any, confused: dict[int, str] | None, independent: bool
) -> Table:
    """Return the table of classes. confused: class -> the class most often predicted instead."""
    errors = counts[:, 0] + counts[:, 1] - 2 * counts[:, 2]
    rows = []
    for place in np.argsort(-errors, kind="stable")[:CLASSES].tolist():
        actual, predicted, both = (int(count) for count in counts[place])
        cells = [names[place], actual, share_of(both, actual, independent),
                 share_of(both, predicted, independent),
                 _f1(both, actual + predicted - both, independent)]  # fmt: skip
        rows.append(cells if confused is None else [*cells, confused.get(place, NONE)])
    heads = ["class", "rows", "recall", "precision", "F1"]
    heads += ["most confused with"] if confused is not None else []
    note = "Sorted by the number of errors in these rows. "
    note += ("In brackets 95% intervals (Wilson), of each class by itself" if independent else
             "No intervals: rows of a group depend on each other")  # fmt: skip
    note += f"; of fewer than {FEW} rows there is only the count."
    if len(counts) > CLASSES:
        note += f" {CLASSES} of {len(counts):,} classes are shown."
    return Table("By class", heads, rows, note)


def _f1(both: int, either: int, independent: bool) -> str:
    """Return F1, with its interval: it rises with the share of rows of either kind that are both.

    either: rows of the class and rows that are predicted as such, each counted once.
    """
    if either < FEW:
        return NONE
    shares = both / either, *(wilson(both, either) if independent else ())
    return score(dict(zip(("value", "low", "high"), (2 * s / (1 + s) for s in shares))))  # noqa: B905
