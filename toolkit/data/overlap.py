"""Duplicate rows within a split and between splits.

A test row that is also in train measures memory, not skill. Rows are compared by 64-bit hashes
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
import xxhash

from toolkit.data import media
from toolkit.data.columns import BATCH
from toolkit.data.splits import codes

if TYPE_CHECKING:
    import datasets

Hashes = np.ndarray[Any, np.dtype[np.uint64]]


@dataclass
class Overlap:
    """Duplicates within and between splits.

    overlap: "train-test" -> exact and normalised counts. duplicates: split -> the same counts.
    overlapping: one bool per test row, true where it is also (normalised) in train or validation.
    test_digest: of the inputs of the test rows, in order.
    """

    overlap: dict[str, dict[str, int]] = field(default_factory=dict)
    duplicates: dict[str, dict[str, int]] = field(default_factory=dict)
    overlapping: np.ndarray[Any, Any] | None = None
    test_digest: str | None = None
    notes: list[str] = field(default_factory=list)


def normalised(text: str) -> str:
    """Return text without case, punctuation and extra spaces; unchanged if nothing else is left."""
    return " ".join(_gaps().sub(" ", text.casefold()).split()) or text


@cache
def _gaps() -> re.Pattern[str]:
    # The vowel signs of Indic scripts and the points of Hebrew and Arabic are no \w, but many
    # words differ by nothing else.
    marks = "".join(chr(c) for c in range(0x300, 0x10000) if unicodedata.category(chr(c))[0] == "M")
    return re.compile(rf"(?:[^\w{marks}]|_)+")


def measure_overlap(
    splits: Mapping[str, datasets.Dataset],
    inputs: Sequence[str],
    target: str | None,
    likeness: str | None = None,
) -> Overlap:
    """Count equal inputs within and between splits.

    "train-test" counts the rows of test whose inputs are also in train: "exact" as they are,
    "normalised" after `normalised`, or by the column `likeness` if there is one.
    """
    hashes = {name: _hashes(split, inputs, likeness) for name, split in splits.items()}
    found = Overlap()
    for first, second in combinations(hashes, 2):
        found.overlap[f"{first}-{second}"] = {
            form: int(np.isin(hashes[second][form], hashes[first][form]).sum())
            for form in ("exact", "normalised")
        }
    for name, forms in hashes.items():
        found.duplicates[name] = {
            form: len(values) - len(np.unique(values)) for form, values in forms.items()
        }
    if "test" in hashes:
        others = [forms["normalised"] for name, forms in hashes.items() if name != "test"]
        exact = hashes["test"]["exact"].astype("<u8").tobytes()
        found.test_digest = str(xxhash.xxh3_128_hexdigest(exact))
        found.overlapping = np.isin(hashes["test"]["normalised"], np.concatenate(others))
    if target is not None:
        found.notes = _contradictions(hashes["train"]["normalised"], codes(splits["train"], target))
    return found


def _hashes(
    split: datasets.Dataset, inputs: Sequence[str], likeness: str | None
) -> dict[str, Hashes]:
    import datasets

    alike = split[likeness][:] if likeness in split.column_names else None
    exact = np.empty(len(split), np.uint64)
    loose = np.empty(len(split), np.uint64)
    split = split.select_columns(list(inputs))
    for name, feature in split.features.items():
        # An image is compared by its bytes; decoding it here would cost minutes.
        if isinstance(feature, datasets.Image | datasets.Audio):
            split = split.cast_column(name, type(feature)(decode=False))
    place = 0
    for batch in split.iter(BATCH):
        for values in zip(*(batch[name] for name in inputs), strict=True):
            texts = [_content(value) for value in values]
            exact[place] = _hash(texts)
            like = [normalised(text) for text in texts] if alike is None else [alike[place]]
            loose[place] = _hash(like)
            place += 1
    return {"exact": exact, "normalised": loose}


def _content(value: Any) -> str:
    """Return what is compared: of an undecoded file only its bytes, whatever its name."""
    is_file = isinstance(value, Mapping) and {"bytes", "path"} <= set(value)
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
