"""Rows with masks of any kind as rows with masks in the canonical form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pyarrow as pa
import xxhash

from toolkit.data import caches
from toolkit.errors import DataError, Fault
from toolkit.plugin_types import ReshapedRows
from toolkit.utils.text import listing
from toolkit_plugins.vision.images import in_threads
from toolkit_plugins.vision.masks import canonical, decoding, legends, renaming
from toolkit_plugins.vision.masks.blurred import NEAR
from toolkit_plugins.vision.masks.deciding import decide, lenient
from toolkit_plugins.vision.masks.fits import OTHER_SHAPE, UNREADABLE, Fit, ways
from toolkit_plugins.vision.masks.known import KnownMasks
from toolkit_plugins.vision.masks.questions import Question, some
from toolkit_plugins.vision.masks.survey import WINDOW, Survey, digest, folder, survey

if TYPE_CHECKING:
    import datasets

NAMED = 20  # unreadable files that are named
VERSION = 2  # of what is kept


class MaskOptions(Protocol):
    """The options that are read here. ignore: numbers, colours or names of classes."""

    @property
    def image(self) -> str: ...
    @property
    def mask(self) -> str: ...
    @property
    def classes(self) -> legends.Classes | None: ...
    @property
    def ignore(self) -> int | str | Sequence[int | str] | None: ...
    @property
    def on_corrupt(self) -> Literal["error", "skip"]: ...


def reshaped(
    rows: datasets.Dataset, split: str, options: MaskOptions, known: KnownMasks | None = None
) -> tuple[ReshapedRows, KnownMasks | None]:
    """Return rows with canonical masks, and how masks are read.

    A canonical mask is an 8-bit PNG of class numbers at the size of the upright image; 255 is
    ignored. Rows without a mask keep none; rows that have this form come back as they are, and so
    do rows to predict, or without a column of masks.

    Args:
        known: how masks are read, as train or a saved model says; None decides it on these rows.

    Raises:
        DataError: masks cannot be read or understood, or have values that `known` does not.
    """
    there = rows.column_names
    if split == "predict" or options.mask not in there or options.image not in there or not rows:
        return ReshapedRows(rows), known
    if (names := _canonical(rows, options.mask)) is not None:
        return _renumbered(rows, split, options, known, names)
    masks = survey(rows, split, options.image, options.mask, known.by_colour if known else None)
    if masks.broken and options.on_corrupt == "error":
        hint = Fault("options.on_corrupt", "skip leaves such rows out, and counts them")
        raise DataError([*masks.faults(NAMED), hint])
    notes: list[str] = []
    if not masks.sets and not masks.broken:
        return ReshapedRows(rows), known  # no row has a mask, which the checks of the core tell
    if known is None:
        decision = decide(Question(masks, _legend(rows, options), _listed(options.ignore), split))
        known, notes = decision.known, decision.notes
    elif masks.sets:
        notes = _compare(masks, known, split)
    seen = [None if one is None else one.fit or OTHER_SHAPE for one in masks.seen]
    whole = [UNREADABLE if row in masks.broken else fit for row, fit in enumerate(seen)]
    fits, more, dropped = ways(whole, masks.names, split)
    made = _written(rows, options.mask, known, fits)
    told = [*(f"masks, {split}: {note}" for note in notes), *more]
    return ReshapedRows(made, dropped, told), known


def _listed(ignore: int | str | Sequence[int | str] | None) -> list[int | str] | None:
    if ignore is None:
        return None
    return [ignore] if isinstance(ignore, int | str) else list(ignore)


def _canonical(rows: datasets.Dataset, mask: str) -> list[str] | None:
    """Return the classes that all masks name, where they have the canonical form."""
    found: list[str] | None = None
    for batch in rows.select_columns([mask]).iter(WINDOW):
        for cell in batch[mask]:
            if cell is None:
                continue
            own = canonical.classes_of(cell)
            if own is None or own != (found or own):
                return None
            found = own
    return found


def _renumbered(
    rows: datasets.Dataset,
    split: str,
    options: MaskOptions,
    known: KnownMasks | None,
    names: Sequence[str],
) -> tuple[ReshapedRows, KnownMasks]:
    """Return rows with canonical masks, whose classes the options may join or ignore."""
    notes: list[str] = []
    if known is None:
        known, notes = renaming.by_options(names, options.classes, _listed(options.ignore))
    else:
        renaming.require_same(names, known, f"{split}, {options.mask}")
    if len(names) == len(known.names):  # the numbers of the classes are the same
        return ReshapedRows(rows), known
    headers: list[tuple[decoding.Size, int] | None] = []
    for batch in rows.select_columns([options.mask]).iter(WINDOW):
        headers += [cell and decoding.header_of(cell) for cell in batch[options.mask]]
    made = _written(rows, options.mask, known, [one and Fit(one[0]) for one in headers])
    return ReshapedRows(made, {}, [f"masks, {split}: {note}" for note in notes]), known


def _legend(rows: datasets.Dataset, options: MaskOptions) -> legends.Legend | None:
    given = legends.of_option(options.classes)
    if given is not None:
        return given
    folders: dict[Path, None] = {}
    for batch in rows.select_columns([options.mask]).iter(1000):
        for cell in batch[options.mask]:
            path = cell.get("path") if isinstance(cell, dict) else cell
            if isinstance(path, str) and Path(path).is_absolute():
                folders[Path(path).parent] = None
    return legends.beside(list(folders)[:100])


def _compare(masks: Survey, known: KnownMasks, split: str) -> list[str]:
    """Return notes on masks that are read as those of train are.

    Raises:
        DataError: they have other values, or lack the foreground where 255 is ignored.
    """
    if masks.forms["colour"] and not known.by_colour:
        what = "masks are in colours, and those that the model was trained on are numbers"
        raise DataError(Fault(split, what))
    _refuse_ones(masks, known, split)
    unknown = known.unknown(masks.values)
    notes = lenient(masks, known, unknown, split)
    classes = {known.class_of(value) for value in masks.values if value not in unknown}
    gone = sum(masks.share(value) for value in known.ignored)
    if len(known.names) == 2 and classes == {0, canonical.IGNORED} and gone > 0.01:
        what = (f"masks have no {known.names[1]} but {gone:.1%} of their pixels are ignored "
                f"({listing(known.shown(value) for value in known.ignored)}): in train it is "
                f"{known.described()}")  # fmt: skip
        raise DataError(Fault(split, what))
    return notes


def _refuse_ones(masks: Survey, known: KnownMasks, split: str) -> None:
    """Raise DataError where a threshold of greys would find no foreground in masks of 0 and 1."""
    if known.threshold is None or (known.fractions and masks.forms["float"]):
        return  # whole numbers stored as fractions are spread as these are
    values = [value for value in masks.values if value >= 0 and value not in known.ignored]
    if 0 < max(values, default=0) <= NEAR:
        what = (f"masks hold no value near the grey of {known.names[1]}, which is above "
                f"{known.threshold:g} in train, but {some(values, False)}: are they 0 and 1? Store "
                "them as 0 and 255, as those of train are")  # fmt: skip
        raise DataError(Fault(split, what))


def _written(
    rows: datasets.Dataset, mask: str, known: KnownMasks, fits: Sequence[Fit | str | None]
) -> datasets.Dataset:
    """Return the rows that are kept, with masks in the canonical form, which are in the cache."""
    import datasets

    kept = [row for row, fit in enumerate(fits) if not isinstance(fit, str)]
    others = rows.select(kept) if len(kept) < len(rows) else rows
    only = others.select_columns([mask])
    kinds = [fit for fit in fits if not isinstance(fit, str)]
    key = xxhash.xxh3_128(f"{VERSION} {mask} {known.to_json()}".encode())
    for start in range(0, len(only), WINDOW):
        cells = only[start : start + WINDOW][mask]
        key.update(repr([(digest(c), kinds[start + n]) for n, c in enumerate(cells)]).encode())

    def write(path: Path) -> None:
        kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
        schema = pa.schema({mask: kind})
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
            for made in _encoded(only, mask, known, kinds):
                stream.write_batch(pa.record_batch([pa.array(made, kind)], schema=schema))

    path, _ = caches.kept(folder(), f"masks-{key.hexdigest()}", ".arrow", write)
    masks = datasets.Dataset.from_file(str(path))
    others = others.remove_columns([mask])
    return datasets.concatenate_datasets([others, masks], axis=1)


def _encoded(
    only: datasets.Dataset, mask: str, known: KnownMasks, fits: Sequence[Fit | None]
) -> Iterator[list[dict[str, Any] | None]]:
    def one(pair: tuple[Any, Fit | None]) -> dict[str, Any] | None:
        cell, fit = pair
        if cell is None or fit is None:
            return None
        values = decoding.upright(known.read(decoding.decode(cell)), fit.turn)
        if (values.shape[1], values.shape[0]) != fit.size:
            values = decoding.nearest(values, fit.size)
        path = cell.get("path") if isinstance(cell, dict) else cell
        named = path if isinstance(path, str) else None
        return {"bytes": canonical.encoded(values, known.names), "path": named}

    for start in range(0, len(only), WINDOW):
        cells = only[start : start + WINDOW][mask]
        yield in_threads(one, list(zip(cells, fits[start : start + WINDOW], strict=True)))
