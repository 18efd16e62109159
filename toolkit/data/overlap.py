"""Duplicate rows within a split and between splits, and rows that are nearly equal.

A test row that is also in train measures memory, not skill. Rows are compared by 64-bit hashes
of their inputs: 8 bytes a row, whatever the rows hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.data import media
from toolkit.data.columns import BATCH, column_values, kind_of, tables
from toolkit.data.near_images import ImageSketches
from toolkit.data.near_texts import TextSketches
from toolkit.data.row_hashes import (
    Bools,
    Hashes,
    RowHashes,
    among,
    distinct,
    normalised_cell,
    of_columns,
)
from toolkit.data.splits import codes
from toolkit.plugin_types.columns import LIKENESS, SAME

if TYPE_CHECKING:
    import datasets

    from toolkit.data.known_inputs import Known

THUMBNAIL = "__thumbnail__"  # a temporary column: `RowInspection.thumbnails`
HIDDEN = (SAME, LIKENESS, THUMBNAIL)
COMPARED = 200_000  # rows of a split, at most, among which nearly equal ones are looked for


@dataclass
class Overlap:
    """Duplicates within and between splits.

    overlap: "train-test" -> exact, normalised and near counts, each with those before it; near is
    None where it is not measured, and all is None where nothing was compared. duplicates: split ->
    exact and normalised counts. overlapping: one bool per test row, true where it is also (or
    nearly) in train or validation, or known. digests: split -> of the inputs of its rows, in order.
    hashes: split -> of its rows. known: what the starting model has seen, where that is recorded.
    """

    overlap: dict[str, dict[str, int | None]] | None = None
    duplicates: dict[str, dict[str, int]] = field(default_factory=dict)
    overlapping: Bools | None = None
    digests: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, RowHashes] = field(default_factory=dict)
    known: Known | None = None
    notes: list[str] = field(default_factory=list)


def measure_overlap(
    splits: Mapping[str, datasets.Dataset], inputs: Sequence[str], target: str | None
) -> Overlap:
    """Count equal inputs within and between splits.

    "train-test" counts the rows of test whose inputs are also in train: "exact" as they are,
    "normalised" after `normalised`, and "near" (see `near_texts`, `near_images`). A column `SAME`
    or `LIKENESS` takes the place of the inputs.
    """
    found = Overlap()
    columns = splits["train"].column_names
    if not inputs and SAME not in columns:
        return found
    near = dict[str, Any]()  # of one kind for all splits
    for name, split in splits.items():
        found.hashes[name], sketches = compared(split, inputs)
        found.duplicates[name] = found.hashes[name].duplicates(alike=SAME not in columns)
        if sketches is not None:
            near[name] = sketches
            if len(split) > COMPARED:
                what = (
                    f"nearly equal rows were looked for among {COMPARED:,} of {len(split):,} rows"
                )
                found.notes.append(f"{name}: {what}")
    found.overlap = {}
    seen = dict[str, Bools]()
    for first, second in combinations(splits, 2):
        one, other = found.hashes[first], found.hashes[second]
        exact = among(other.exact, one.exact)
        alike = exact | among(other.normalised, one.normalised)
        counts = {"exact": int(exact.sum()), "normalised": int(alike.sum()), "near": None}
        if near:
            alike[_rows_compared(len(alike))] |= near[second].among(near[first])
            counts["near"] = int(alike.sum())
        found.overlap[f"{first}-{second}"] = counts
        seen[second] = seen.get(second, np.zeros(len(alike), bool)) | alike
    found.digests = {name: of.digest() for name, of in found.hashes.items()}
    if "test" in seen:
        found.overlapping = seen["test"]
    if target is not None and inputs:
        train = found.hashes["train"].normalised
        found.notes += _contradictions(train, codes(splits["train"], target))
    return found


def _rows_compared(rows: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the numbers of the rows among which near ones are looked for, evenly spread."""
    return np.linspace(0, rows - 1, min(rows, COMPARED)).astype(np.int64)


def compared(
    split: datasets.Dataset, inputs: Sequence[str]
) -> tuple[RowHashes, TextSketches | ImageSketches | None]:
    """Return the hashes of a split's rows, and what near ones are found by, where they can be."""
    exact, loose = (np.empty(len(split), np.uint64) for _ in range(2))
    near: TextSketches | ImageSketches | None = None
    chosen = _rows_compared(len(split))
    if THUMBNAIL in split.column_names and len(inputs) == 1:
        near = ImageSketches(_thumbnails(split.select(chosen)))
    elif inputs and _are_texts(split, inputs):
        near = TextSketches()
    start = 0
    for columns in _batches(split, inputs):
        like = [list(map(normalised_cell, cells)) for cells in columns]
        end = start + len(like[0])
        exact[start:end], loose[start:end] = of_columns(columns), of_columns(like)
        if isinstance(near, TextSketches):
            here = chosen[(chosen >= start) & (chosen < end)] - start
            near.add([[cells[row].decode("utf-8", "surrogatepass") for cells in like]
                      for row in here])  # fmt: skip
        start = end
    for name, hashes in ((SAME, exact), (LIKENESS, loose)):
        if name in split.column_names:
            cells = (str(cell).encode("utf-8", "surrogatepass")
                     for chunk in column_values(split, name).chunks
                     for cell in chunk.to_pylist())  # fmt: skip
            hashes[:] = of_columns([cells])
    return RowHashes(exact, loose), near


def _are_texts(split: datasets.Dataset, inputs: Sequence[str]) -> bool:
    kinds = {kind_of(split.features[name]) for name in inputs}
    return "text" in kinds and kinds <= {"text", "number", "boolean"}


def _thumbnails(split: datasets.Dataset) -> np.ndarray[Any, np.dtype[np.uint8]]:
    cells = b"".join(column_values(split, THUMBNAIL).to_pylist())
    return np.frombuffer(cells, np.uint8).reshape(len(split), -1)


def _batches(split: datasets.Dataset, inputs: Sequence[str]) -> Iterator[list[list[bytes]]]:
    """Yield what is compared of the rows, some thousands at a time, by column."""
    import datasets

    if inputs and all(kind_of(split.features[name]) == "text" for name in inputs):
        for table in tables(split, inputs):
            texts = (pc.fill_null(table[name].cast(pa.large_string()), "None") for name in inputs)
            yield [cells.cast(pa.large_binary()).to_pylist() for cells in texts]
        return
    split = split.select_columns(list(inputs)) if inputs else split
    for name, feature in split.features.items():
        # An image is compared by its bytes; decoding it here would cost minutes.
        if isinstance(feature, datasets.Image | datasets.Audio):
            split = split.cast_column(name, type(feature)(decode=False))
    for batch in split.iter(BATCH) if inputs else ():
        yield [list(map(_content, batch[name])) for name in inputs]


def _content(value: Any) -> bytes:
    """Return what is compared: of an undecoded file only its bytes, whatever its name."""
    is_file = isinstance(value, Mapping) and {"bytes", "path"} <= set(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as in a table where all numbers of the column are whole
    found = media.digest(value) if is_file or isinstance(value, bytes) else str(value)
    return found.encode("utf-8", "surrogatepass")


def _contradictions(hashes: Hashes, targets: np.ndarray[Any, Any]) -> list[str]:
    """Note equal inputs with different targets: no model can get all of those right."""
    order = np.argsort(hashes)
    hashes, targets = hashes[order], targets[order]
    same = hashes[1:] == hashes[:-1]
    again = np.append(same, False) | np.append(False, same)  # few, as a rule
    hashes, targets = hashes[again], targets[again]
    order = np.lexsort((targets, hashes))
    hashes, targets = hashes[order], targets[order]
    same, differs = hashes[1:] == hashes[:-1], targets[1:] != targets[:-1]
    count = len(distinct(hashes[1:][same & differs]))
    return [f"train: {count:,} inputs occur with different targets"] if count else []
