"""64-bit hashes of rows: as they are, and without case, punctuation and spaces."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import xxhash

Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
PART = 1 << 18  # hashes that are searched for together
SEPARATOR = b"\x1f"  # between the cells of a row
# For ASCII, all that `normalised` does to single characters.
_PLAIN = bytes(ord(chr(n).lower()) if n < 128 and chr(n).isalnum() else 32 for n in range(256))


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
        return {form: len(values) - len(distinct(values)) for form, values in forms.items()}


def normalised(text: str) -> str:
    """Return text without case, punctuation and extra spaces; unchanged if nothing else is left.

    Accents are the same however they are written (NFC, NFD).
    """
    folded = text.casefold()
    if not folded.isascii():
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
    return " ".join(_gaps().sub(" ", folded).split()) or text


def normalised_cell(cell: bytes) -> bytes:
    """Return what `normalised` makes of a text in UTF-8; ASCII takes a tenth of the time."""
    if cell.isascii():
        return b" ".join(cell.translate(_PLAIN).split()) or cell
    return normalised(cell.decode("utf-8", "surrogatepass")).encode("utf-8", "surrogatepass")


@cache
def _gaps() -> re.Pattern[str]:
    # The vowel signs of Indic scripts and the points of Hebrew and Arabic are no \w, but many
    # words differ by nothing else.
    marks = "".join(chr(c) for c in range(0x300, 0x10000) if unicodedata.category(chr(c))[0] == "M")
    return re.compile(rf"(?:[^\w{marks}]|_)+")


def of_columns(columns: Sequence[Iterable[bytes]]) -> Hashes:
    """Return the hashes of rows whose cells are given by column."""
    rows = map(SEPARATOR.join, zip(*columns, strict=True))
    return np.fromiter(map(xxhash.xxh3_64_intdigest, rows), np.uint64)


def distinct(values: Hashes) -> Hashes:
    """Return the values sorted, each once. numpy's `unique` takes a second per million."""
    ordered = np.sort(values)
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]
    return np.asarray(ordered[new])


def among(values: Hashes, known: Hashes) -> Bools:
    """Return one bool per value: whether it is one of the known. numpy's `isin` takes longer."""
    found = np.zeros(len(values), bool)
    known = np.sort(known)
    for start in range(0, len(values) if len(known) else 0, PART):
        part = values[start : start + PART]
        order = np.argsort(part)  # those that are searched for in their order are found faster
        places = np.minimum(np.searchsorted(known, part[order]), len(known) - 1)
        found[start + order] = known[places] == part[order]
    return found
