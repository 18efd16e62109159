"""Which classes are taken for which: tables of what is true and what was said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from toolkit.reporting.html.parts import NONE, Table, number, share
from toolkit.reporting.prediction_arrays import PredictionArrays

MATRIX = 20  # classes of a confusion matrix, at most
CLASSES = 50  # rows of the table of classes
HEAD = 24  # characters of a class above a narrow column
PAIRS = 15  # confused pairs


def tables(reading: PredictionArrays) -> Iterator[Table]:
    """Yield the confusion matrix (or the most confused pairs), and the table of classes."""
    if reading.one is not None:
        width = len(reading.names)
        pairs = _pairs(reading)
        if width <= MATRIX:
            yield _matrix(reading, pairs)
        elif len(pairs):
            yield _confused(reading, pairs)
        yield _classes(reading, _counts_of_one(reading), pairs)
    elif reading.several is not None:
        yield _classes(reading, reading.several.counts, [])


def sentence(reading: PredictionArrays) -> str:
    """Return how many rows are wrong."""
    if reading.one is not None:
        wrong = int((~reading.one.right).sum())
        return f"{wrong:,} of {reading.rows:,} test rows are wrong ({share(wrong, reading.rows)})."
    if reading.several is not None:
        wrong = int((reading.several.wrong > 0).sum())
        return (f"{wrong:,} of {reading.rows:,} test rows have at least one label too many or too "
                f"few ({share(wrong, reading.rows)}).")  # fmt: skip
    return ""


def worst_pair(reading: PredictionArrays) -> str:
    """Return what is most often taken for what; nothing where all is right."""
    pairs = _pairs(reading) if reading.one is not None else []
    if not pairs:
        return ""
    count, truth, said = pairs[0]
    times = "once" if count == 1 else f"{count:,} times"
    return f"Most often “{_name(reading, truth)}” is taken for “{_name(reading, said)}”: {times}."


def _name(reading: PredictionArrays, place: int) -> str:
    name = reading.names[place]
    return name if len(name) <= 60 else name[:59] + "…"


def _pairs(reading: PredictionArrays) -> list[tuple[int, int, int]]:
    """Return (rows, true class, predicted class) of what is confused, the commonest first."""
    one, width = reading.one, len(reading.names)
    assert one is not None  # noqa: S101 - the callers have looked
    cells, counts = np.unique((one.truth * width + one.predicted)[~one.right], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(int(counts[k]), int(cells[k]) // width, int(cells[k]) % width) for k in order]


def _counts_of_one(reading: PredictionArrays) -> Any:
    """Return (classes, 3) of true, predicted, both."""
    one, width = reading.one, len(reading.names)
    assert one is not None  # noqa: S101 - the caller has looked
    parts = one.truth, one.predicted, one.truth[one.right]
    return np.stack([np.bincount(part, minlength=width) for part in parts], axis=1)


def _matrix(reading: PredictionArrays, pairs: list[tuple[int, int, int]]) -> Table:
    width = len(reading.names)
    found = np.diag(_counts_of_one(reading)[:, 2])
    for count, truth, said in pairs:
        found[truth, said] = count
    rows = [[name, *map(int, found[place])] for place, name in enumerate(reading.names)]
    heads = [name if len(name) <= HEAD else name[: HEAD - 1] + "…" for name in reading.names]
    heat = (found / np.maximum(found.sum(axis=1, keepdims=True), 1)).tolist() if width else []
    note = "Rows: what is true. Columns: what was said. Shaded by the share of the row."
    return Table("Confusion matrix", ["true ↓ said →", *heads], rows, note, heat)


def _confused(reading: PredictionArrays, pairs: list[tuple[int, int, int]]) -> Table:
    counts = _counts_of_one(reading)
    rows = [
        [reading.names[truth], reading.names[said], count, share(count, int(counts[truth, 0]))]
        for count, truth, said in pairs[:PAIRS]
    ]
    note = f"The {len(rows)} most often confused of {len(pairs):,} pairs that were confused."
    return Table("What is taken for what", ["true", "said", "rows", "of its rows"], rows, note)


def _classes(reading: PredictionArrays, counts: Any, pairs: list[tuple[int, int, int]]) -> Table:
    errors = counts[:, 0] + counts[:, 1] - 2 * counts[:, 2]
    order = np.argsort(-errors, kind="stable")[:CLASSES]
    taken: dict[int, str] = {}
    for _, truth, said in pairs:
        taken.setdefault(truth, reading.names[said])
    rows = []
    for place in order.tolist():
        support, said, both = (int(count) for count in counts[place])
        recall = f"{both / support:.3f} [{', '.join(_wilson(both, support))}]" if support else NONE
        precision = number(both / said) if said else NONE
        f1 = number(2 * both / (support + said)) if support + said else NONE
        cells = [reading.names[place], support, recall, precision, f1]
        rows.append([*cells, taken.get(place, NONE)] if reading.one is not None else cells)
    head = ["class", "rows", "recall", "precision", "F1"]
    head += ["most taken for"] if reading.one is not None else []
    note = (
        "Those with the most errors first. Recall: the share of its rows that is found, with its "
    )
    note += "95% interval (Wilson). Precision: of what was called so, the share that is."
    if len(counts) > CLASSES:
        note += f" {CLASSES} of {len(counts):,} classes are shown."
    return Table("By class", head, rows, note)


def _wilson(hits: int, rows: int, z: float = 1.959964) -> tuple[str, str]:
    """Return the interval of a share: Wilson (1927), Journal of the American Statistical Assoc."""
    middle = (hits + z * z / 2) / (rows + z * z)
    half = z / (rows + z * z) * np.sqrt(hits * (rows - hits) / rows + z * z / 4)
    return number(float(max(middle - half, 0.0))), number(float(min(middle + half, 1.0)))
