"""Rows that stand in more than one split, or more than once in one.

A test row that training has seen measures memory, not skill. Rows are compared by 64-bit hashes
of their inputs: 8 bytes a row, whatever the rows hold.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.checks import BATCH
from toolkit.data.splits import codes

if TYPE_CHECKING:
    import datasets

Hashes = np.ndarray[Any, np.dtype[np.uint64]]


@dataclass
class Overlap:
    """Counts by pair of splits and by split, and which test rows stand in train or validation.

    test_digest: of the inputs of the test rows, in their order.
    """

    pairs: dict[str, dict[str, int]] = field(default_factory=dict)
    duplicates: dict[str, dict[str, int]] = field(default_factory=dict)
    test_rows: np.ndarray[Any, Any] | None = None
    test_digest: str | None = None
    notes: list[str] = field(default_factory=list)


def normalised(text: str) -> str:
    """Return text without case, punctuation and extra spaces; unchanged if nothing else is left."""
    return " ".join(_gaps().sub(" ", text.casefold()).split()) or text


@cache
def _gaps() -> re.Pattern[str]:
    # The vowel signs of Indic scripts and the points of Hebrew and Arabic are no \w, but what
    # tells many words apart.
    marks = "".join(chr(c) for c in range(0x300, 0x10000) if unicodedata.category(chr(c))[0] == "M")
    return re.compile(rf"(?:[^\w{marks}]|_)+")


def measure_overlap(
    splits: Mapping[str, datasets.Dataset],
    inputs: Sequence[str],
    target: str | None,
    likeness: str | None = None,
) -> Overlap:
    """Count equal inputs within and between splits.

    "train-test" counts the rows of test whose inputs stand in train, "exact" to the letter and
    "normalised" after `normalised`, or by the column `likeness`, where there is such a one.
    """
    hashes = {name: _hashes(split, inputs, likeness) for name, split in splits.items()}
    found = Overlap()
    for first, second in combinations(hashes, 2):
        found.pairs[f"{first}-{second}"] = {
            kind: int(np.isin(hashes[second][kind], hashes[first][kind]).sum())
            for kind in ("exact", "normalised")
        }
    for name, kinds in hashes.items():
        found.duplicates[name] = {
            kind: len(values) - len(np.unique(values)) for kind, values in kinds.items()
        }
    if "test" in hashes:
        others = [kinds["normalised"] for name, kinds in hashes.items() if name != "test"]
        found.test_digest = _digest(hashes["test"]["exact"])
        found.test_rows = np.isin(hashes["test"]["normalised"], np.concatenate(others))
    if target is not None:
        found.notes = _contradictions(hashes["train"]["normalised"], codes(splits["train"], target))
    return found


def _hashes(
    split: datasets.Dataset, inputs: Sequence[str], likeness: str | None
) -> dict[str, Hashes]:
    alike = split[likeness][:] if likeness in split.column_names else None
    exact = np.empty(len(split), np.uint64)
    loose = np.empty(len(split), np.uint64)
    place = 0
    # Undecoded: an image's bytes are its identity, and decoding it here would cost minutes.
    for batch in _undecoded(split.select_columns(list(inputs))).iter(BATCH):
        for values in zip(*(batch[name] for name in inputs), strict=True):
            texts = [_content(value) for value in values]
            exact[place] = _hash(texts)
            like = [normalised(text) for text in texts] if alike is None else [alike[place]]
            loose[place] = _hash(like)
            place += 1
    return {"exact": exact, "normalised": loose}


def _content(value: Any) -> str:
    """Return what is compared: of an undecoded file its bytes alone, under whatever name."""
    from toolkit.data import media

    if isinstance(value, Mapping) and {"bytes", "path"} <= set(value):
        return media.digest(value)
    return media.digest(value) if isinstance(value, bytes) else str(value)


def _hash(texts: Sequence[str]) -> int:
    import xxhash

    return int(xxhash.xxh3_64_intdigest("\x1f".join(texts).encode("utf-8", "surrogatepass")))


def _digest(hashes: Hashes) -> str:
    import xxhash

    return str(xxhash.xxh3_128_hexdigest(hashes.astype("<u8").tobytes()))


def _undecoded(split: datasets.Dataset) -> datasets.Dataset:
    import datasets

    for name, feature in split.features.items():
        if isinstance(feature, datasets.Image | datasets.Audio):
            split = split.cast_column(name, type(feature)(decode=False))
    return split


def _contradictions(hashes: Hashes, targets: np.ndarray[Any, Any]) -> list[str]:
    """Note equal inputs with different targets: no model can get all of those right."""
    order = np.lexsort((targets, hashes))
    same = hashes[order][1:] == hashes[order][:-1]
    differs = targets[order][1:] != targets[order][:-1]
    count = len(np.unique(hashes[order][1:][same & differs]))
    return [f"train: {count:,} inputs stand there with different targets"] if count else []
