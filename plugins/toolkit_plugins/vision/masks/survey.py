"""What the masks of a split hold, all of them: by it is decided how they are meant."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash as hashing

from toolkit.data import caches, media
from toolkit.errors import Fault
from toolkit_plugins.vision.images import UnreadableError, in_threads, name_of
from toolkit_plugins.vision.masks import decoding
from toolkit_plugins.vision.masks.decoding import GREY, WHITE
from toolkit_plugins.vision.masks.fits import Fit, fit_of

if TYPE_CHECKING:
    import datasets

WINDOW = 64  # masks that are decoded together
MOST_VALUES = 4096  # of a file that are told apart; a photo has more
VERSION = 2  # of what is kept
FIRST = 5  # files that are remembered for each value


@dataclass(frozen=True)
class Seen:
    """A mask: its form, values, their pixels, and those of them that lie in flat places."""

    form: decoding.Form
    values: tuple[int, ...]
    pixels: tuple[int, ...]
    flat: tuple[int, ...]
    palette: dict[int, int]
    lossy: bool
    real: bool
    fit: Fit | None  # None: it has another shape than its image

    def to_json(self) -> list[Any]:
        """Return the fields in their order; a palette as pairs."""
        own = [getattr(self, one.name) for one in fields(self)[:-1]]
        own[4] = list(self.palette.items())
        return [*own, asdict(self.fit) if self.fit else None]

    @classmethod
    def from_json(cls, found: list[Any]) -> Seen:
        """Return what `to_json` was made of."""
        form, values, pixels, flat, palette, lossy, real, fit = found
        if fit:
            fit = Fit(**{**fit, "size": tuple(fit["size"])})
        return cls(form, tuple(values), tuple(pixels), tuple(flat), dict(palette), lossy, real, fit)


@dataclass
class Survey:
    """All masks of a split.

    seen: by row; None without a mask, or where it cannot be read. names: of the files. forms: how
    many masks have each. pixels, flat: value -> pixels. files: value -> the first files with it.
    """

    seen: list[Seen | None] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    forms: Counter[str] = field(default_factory=Counter)
    lossy: int = 0
    by_colour: bool = False  # the values are 0xrrggbb
    fractions: bool = False  # some were 0 to 1, which is spread over 0 to 255
    pixels: Counter[int] = field(default_factory=Counter)
    flat: Counter[int] = field(default_factory=Counter)
    files: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    sets: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Pixels of all masks."""
        return self.pixels.total()

    @property
    def values(self) -> list[int]:
        """All values, ascending."""
        return sorted(self.pixels)

    def share(self, value: int) -> float:
        """Return the share of pixels that have a value."""
        return self.pixels[value] / max(self.total, 1)

    def solid(self, value: int) -> bool:
        """Return whether a value fills places, and not edges alone as blurred ones do."""
        return self.flat[value] >= 0.25 * self.pixels[value]

    def faults(self, most: int) -> list[Fault]:
        """Return what is wrong with the masks that cannot be read."""
        rows = list(self.broken)
        found = [Fault(self.names[row], self.broken[row]) for row in rows[:most]]
        more = len(rows) - most
        return [*found, Fault("", f"and {more:,} more masks")] if more > 0 else found


def survey(
    rows: datasets.Dataset, split: str, image: str, mask: str, by_colour: bool | None = None
) -> Survey:
    """Look at every mask of a split, decoded once: what is seen in files is kept in the cache.

    Args:
        by_colour: whether values are colours; by default they are where some masks have colours
            alone, or palettes that differ, or white by a palette where others have it as 255.
    """
    only = rows.select_columns(list(dict.fromkeys((image, mask))))
    key = hashing.xxh3_128(f"{VERSION} {image == mask}".encode())
    names: list[str] = []
    for start in range(0, len(rows), WINDOW):
        batch = only[start : start + WINDOW]
        for place, pair in enumerate(zip(batch[image], batch[mask], strict=True), start):
            key.update("/".join(digest(cell) for cell in pair).encode() + b" ")
            names.append(name_of(pair[1], f"{split} row {place + 1}"))
    path, _ = caches.kept(
        folder(), f"seen-{key.hexdigest()}", ".parquet", lambda p: _write(p, only, image, mask)
    )
    found = Survey(names=names)
    for place, text in enumerate(pq.read_table(path)["seen"].to_pylist()):
        what = json.loads(text)
        found.seen.append(Seen.from_json(what) if isinstance(what, list) else None)
        if isinstance(what, str):
            found.broken[place] = what
    _count(found, by_colour)
    return found


def folder() -> Path:
    """Return the cache of masks."""
    import datasets

    return Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-masks"


def digest(cell: Any) -> str:
    """Return a hash of a file's contents; of one that cannot be read, of its name."""
    try:
        return "" if cell is None else media.digest(cell)
    except (OSError, TypeError):
        return repr(cell)


def _write(path: Path, rows: datasets.Dataset, image: str, mask: str) -> None:
    texts = []
    for start in range(0, len(rows), WINDOW):
        batch = rows[start : start + WINDOW]
        looks = in_threads(_look, list(zip(batch[image], batch[mask], strict=True)))
        texts += [json.dumps(look if isinstance(look, str) or look is None else look.to_json())
                  for look in looks]  # fmt: skip
    pq.write_table(pa.table({"seen": pa.array(texts, pa.string())}), path)


def _look(pair: tuple[Any, Any]) -> Seen | str | None:
    image, cell = pair
    if cell is None:
        return None
    try:
        raw = decoding.decode(cell)
    except UnreadableError as error:
        return str(error)
    values, numbers = numbered(raw.values)
    if len(values) > MOST_VALUES:
        counts = flat = np.zeros(len(values), np.int64)
    else:
        counts = np.bincount(numbers.ravel(), minlength=len(values))
        corner = numbers[:-1, :-1]
        same = (corner == numbers[1:, :-1]) & (corner == numbers[:-1, 1:])
        flat = np.bincount(corner[same], minlength=len(values))
    kept = values[:MOST_VALUES]
    pixels = counts if counts.any() else np.ones(len(values), np.int64)
    as_ints = partial(map, int)
    return Seen(
        raw.form, tuple(as_ints(kept)), tuple(as_ints(pixels[: len(kept)])),
        tuple(as_ints(flat[: len(kept)])), dict(raw.palette or {}), raw.lossy, raw.real,
        fit_of(raw.size, image),
    )  # fmt: skip


def numbered(values: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """Return the values that occur, and for each pixel the number of its value among them."""
    low, high = int(values.min()), int(values.max())
    if high - low < 1 << 16:
        there = np.bincount((values - low).ravel(), minlength=high - low + 1) > 0
        places = np.cumsum(there) - 1
        return np.flatnonzero(there) + low, places[values - low]
    found, numbers = np.unique(values, return_inverse=True)
    return found, numbers.reshape(values.shape)


def _count(found: Survey, by_colour: bool | None) -> None:
    """Count values over all masks: as stored, or as colours."""
    there = [one for one in found.seen if one is not None]
    found.forms = Counter(one.form for one in there)
    found.lossy = sum(one.lossy for one in there)
    palette: dict[int, int] = {}
    changing = any(
        palette.setdefault(index, colour) != colour
        for one in there
        for index, colour in one.palette.items()
    )
    if by_colour is None:
        by_colour = bool(found.forms["colour"]) or changing or _white_twice(there, palette)
    found.by_colour = by_colour
    found.fractions = any(one.real for one in there)
    for name, one in zip(found.names, found.seen, strict=True):
        if one is None:
            continue
        values = _values(one, found)
        found.sets.append(tuple(sorted(set(values))))
        for value, pixels, flat in zip(values, one.pixels, one.flat, strict=True):
            found.pixels[value] += pixels
            found.flat[value] += flat
            if len(found.files[value]) < FIRST:
                found.files[value].append(name)


def _white_twice(there: Sequence[Seen], palette: Mapping[int, int]) -> bool:
    """Return whether white is 255 in some masks, and another number in those of a palette."""
    greys = {value for one in there if one.form != "palette" for value in one.values}
    if not greys <= {0, 255} or 255 not in greys or not set(palette.values()) <= {0, WHITE}:
        return False
    return any(index * GREY != colour for index, colour in palette.items())


def _values(one: Seen, masks: Survey) -> Sequence[int]:
    if masks.by_colour and one.form == "palette":
        return [one.palette.get(value, 0) for value in one.values]
    if masks.by_colour and one.form != "colour":
        return [value * GREY for value in one.values]
    if masks.fractions and one.form == "float":
        return [value * 255 for value in one.values]
    return one.values
