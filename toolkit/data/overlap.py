"""Duplicate rows within a split and between splits, and rows that are nearly equal.

A test row that is also in train measures memory, not skill. Rows are compared by 64-bit hashes
of their inputs: 8 bytes a row, whatever the rows hold.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from toolkit.data import media
from toolkit.data.columns import BATCH, column_values, kind_of
from toolkit.data.near_images import ImageSketches
from toolkit.data.near_texts import TextSketches
from toolkit.data.splits import codes
from toolkit.plugin_types.columns import LIKENESS, SAME

if TYPE_CHECKING:
    import datasets

    from toolkit.data.known_inputs import Known

Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
THUMBNAIL = "__thumbnail__"  # a temporary column: `RowInspection.thumbnails`
HIDDEN = (SAME, LIKENESS, THUMBNAIL)
COMPARED = 200_000  # rows of a split, at most, among which nearly equal ones are looked for


@dataclass
class RowHashes:
    """A hash per row: of its inputs as they are, and as they are without case and the like."""

    exact: Hashes
    normalised: Hashes

    def digest(self) -> str:
        """Return one hash of all rows as they are, in their order."""
        return str(xxhash.xxh3_128_hexdigest(self.exact.astype("<u8").tobytes()))

    def duplicates(self, alike: bool) -> dict[str, int]:
        """Return how many rows are there again, in either form. alike: whether to use both."""
        forms = {"exact": self.exact, "normalised": self.normalised if alike else self.exact}
        return {form: len(values) - len(np.unique(values)) for form, values in forms.items()}


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


def normalised(text: str) -> str:
    """Return text without case, punctuation and extra spaces; unchanged if nothing else is left.

    Accents are the same however they are written (NFC, NFD).
    """
    folded = text.casefold()
    if not folded.isascii():
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
    return " ".join(_gaps().sub(" ", folded).split()) or text


@cache
def _gaps() -> re.Pattern[str]:
    # The vowel signs of Indic scripts and the points of Hebrew and Arabic are no \w, but many
    # words differ by nothing else.
    marks = "".join(chr(c) for c in range(0x300, 0x10000) if unicodedata.category(chr(c))[0] == "M")
    return re.compile(rf"(?:[^\w{marks}]|_)+")


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
        exact = np.isin(other.exact, one.exact)
        alike = exact | np.isin(other.normalised, one.normalised)
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
    for start, rows in _batches(split, inputs):
        like = [[normalised(text) for text in texts] for texts in rows]
        exact[start : start + len(rows)] = [_hash(texts) for texts in rows]
        loose[start : start + len(rows)] = [_hash(texts) for texts in like]
        if isinstance(near, TextSketches):
            here = chosen[(chosen >= start) & (chosen < start + len(rows))] - start
            near.add([like[place] for place in here])
    for name, hashes in ((SAME, exact), (LIKENESS, loose)):
        if name in split.column_names:
            hashes[:] = [_hash([str(cell)]) for chunk in column_values(split, name).chunks
                         for cell in chunk.to_pylist()]  # fmt: skip
    return RowHashes(exact, loose), near


def _are_texts(split: datasets.Dataset, inputs: Sequence[str]) -> bool:
    kinds = {kind_of(split.features[name]) for name in inputs}
    return "text" in kinds and kinds <= {"text", "number", "boolean"}


def _thumbnails(split: datasets.Dataset) -> np.ndarray[Any, np.dtype[np.uint8]]:
    cells = b"".join(column_values(split, THUMBNAIL).to_pylist())
    return np.frombuffer(cells, np.uint8).reshape(len(split), -1)


def _batches(
    split: datasets.Dataset, inputs: Sequence[str]
) -> Iterator[tuple[int, list[list[str]]]]:
    """Yield the number of a row, and from there on what is compared of each row."""
    import datasets

    split = split.select_columns(list(inputs)) if inputs else split
    for name, feature in split.features.items():
        # An image is compared by its bytes; decoding it here would cost minutes.
        if isinstance(feature, datasets.Image | datasets.Audio):
            split = split.cast_column(name, type(feature)(decode=False))
    start = 0
    for batch in split.iter(BATCH) if inputs else ():
        columns = zip(*(batch[name] for name in inputs), strict=True)
        rows = [[_content(value) for value in values] for values in columns]
        yield start, rows
        start += len(rows)


def _content(value: Any) -> str:
    """Return what is compared: of an undecoded file only its bytes, whatever its name."""
    is_file = isinstance(value, Mapping) and {"bytes", "path"} <= set(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as in a table where all numbers of the column are whole
    return media.digest(value) if is_file or isinstance(value, bytes) else str(value)


def _hash(texts: Sequence[str]) -> int:
    return int(xxhash.xxh3_64_intdigest("\x1f".join(texts).encode("utf-8", "surrogatepass")))


def _contradictions(hashes: Hashes, targets: np.ndarray[Any, Any]) -> list[str]:
    """Note equal inputs with different targets: no model can get all of those right."""
    order = np.lexsort((targets, hashes))
    same = hashes[order][1:] == hashes[order][:-1]
    differs = targets[order][1:] != targets[order][:-1]
    count = len(np.unique(hashes[order][1:][same & differs]))
    return [f"train: {count:,} inputs occur with different targets"] if count else []
