"""PNG files of segment ids as rows of segments with outlines, whatever they come as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from toolkit.data import caches
from toolkit.errors import DataError, Fault
from toolkit.plugin_types import ReshapedRows
from toolkit.utils.text import listing, nearest
from toolkit_plugins.vision.annotations.build import features
from toolkit_plugins.vision.annotations.forms import Faults, Tally
from toolkit_plugins.vision.images import in_threads, name_of
from toolkit_plugins.vision.masks.fits import OTHER_SHAPE, UNREADABLE, Fit, ways
from toolkit_plugins.vision.masks.survey import digest, folder
from toolkit_plugins.vision.segmentation.panoptic_files import WANTED, segment_features
from toolkit_plugins.vision.segmentation.panoptic_forms import PNGS, SEGMENTS, segments_in
from toolkit_plugins.vision.segmentation.panoptic_png import Things, segments_of

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.vision.segmentation.options import SegmentationOptions

WINDOW = 64  # images that are decoded together
VERSION = 1  # of what is kept


def reshaped(
    rows: datasets.Dataset, split: str, options: SegmentationOptions, known: Things
) -> tuple[ReshapedRows, Things]:
    """Return rows with segments in the shared form, and label -> whether it is a thing.

    Segments are {"box", "label", "crowd", "area", "shape": an RLE, "thing"}. Rows that have this
    form, and rows to predict, come back as they are.

    Args:
        known: what training rows say of things, {} for these themselves.

    Raises:
        DataError: there are no segments, or PNG files that cannot be read.
    """
    column = str(options.objects)
    if split == "predict" or options.image not in rows.column_names or not len(rows):
        return ReshapedRows(rows), known
    if column in rows.column_names and _is_shared(rows, column):
        return ReshapedRows(rows), known
    png, listed = _columns(rows, options, split)
    rows = _with_segments(rows, png, listed, column, split)
    things, notes = _things(rows, column, options, known)
    made, fits, told = _converted(rows, options, png, things, split)
    _, more, dropped = ways(fits, _names(rows, png, split), split)
    tally = Tally()
    for name, counts in told:
        for what, count in counts.items():
            tally.add(what, name, count)
    notes += [f"{split}: {note}" for note in tally.notes()]
    return ReshapedRows(made, dropped, [*notes, *more]), things


def _is_shared(rows: datasets.Dataset, column: str) -> bool:
    inner = getattr(rows.features[column], "feature", None)
    return isinstance(inner, Mapping) and {"shape", "thing"} <= set(inner)


def _columns(
    rows: datasets.Dataset, options: SegmentationOptions, split: str
) -> tuple[str, str]:  # fmt: skip
    """Return the columns of PNG files and of segments."""
    there = rows.column_names
    listed = next((name for name in (str(options.objects), *SEGMENTS) if name in there), None)
    png = next((name for name in PNGS if name in there and name != listed), None)
    if listed is None or png is None:
        lacks = f"no column of PNG files of ids ({listing(PNGS, 9)})"
        if listed is None:
            lacks = f"no column of segments ({listing((str(options.objects), *SEGMENTS))})"
        raise DataError(Fault(split, f"{lacks} among {listing(there, 20)}. {WANTED}"))
    return png, listed


def _with_segments(
    rows: datasets.Dataset, png: str, listed: str, column: str, split: str
) -> datasets.Dataset:
    """Return image, PNG files as cells, and segments as `segments_in` has them."""
    import datasets

    if isinstance(rows.features[png], datasets.Image):
        rows = rows.cast_column(png, datasets.Image(decode=False))
    given = rows.select_columns([listed])
    words = [segments_in(_parsed(row[listed]), f"{split} row {place}")
             for place, row in enumerate(given, 1)]  # fmt: skip
    made = datasets.Dataset.from_dict(
        {column: words}, datasets.Features({column: segment_features()})
    )
    rest = rows.remove_columns([listed])
    return datasets.concatenate_datasets([rest, made], axis=1)


def _parsed(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _things(
    rows: datasets.Dataset, column: str, options: SegmentationOptions, known: Things
) -> tuple[dict[str, bool], list[str]]:
    """Return label -> whether it is a thing, as options, training rows or annotations say.

    Where none says it, a class is one if an image has two segments of it, or a crowd.

    Raises:
        DataError: `options.things` names what is no class.
    """
    said: dict[str, bool] = {}
    several: dict[str, bool] = {}
    for row in rows.select_columns([column]):
        seen: set[str] = set()
        for one in row[column]:
            label = one["label"]
            if one["thing"] is not None:
                said.setdefault(label, one["thing"])
            several[label] = several.get(label, False) or label in seen or one["crowd"]
            seen.add(label)
    if options.things is not None and not known:
        faults = [Fault("options.things", f"{name!r} is no class.{nearest(name, several)} "
                        f"Classes: {listing(several, 20)}")
                  for name in options.things if name not in several]  # fmt: skip
        if faults:
            raise DataError(faults)
        said = {label: label in options.things for label in several}
    guessed = [label for label in sorted(several) if label not in said and label not in known]
    notes = []
    if guessed:
        own = listing([label for label in guessed if several[label]] or ["none of them"], 10)
        notes.append(f"annotations do not say which of {len(guessed)} classes are things: those "
                     f"with two segments in an image are ({own}; options.things)")  # fmt: skip
    return {**several, **said, **known}, notes


def _names(rows: datasets.Dataset, png: str, split: str) -> list[str]:
    only = rows.select_columns([png])
    return [name_of(cell, f"{split} row {start + place + 1}")
            for start in range(0, len(only), WINDOW)
            for place, cell in enumerate(only[start : start + WINDOW][png])]  # fmt: skip


def _converted(
    rows: datasets.Dataset, options: SegmentationOptions, png: str, things: Things, split: str
) -> tuple[datasets.Dataset, list[Fit | str | None], list[tuple[str, dict[str, int]]]]:
    """Return the rows that are kept with their segments, how PNG files fit, and odd counts."""
    import datasets
    import pyarrow.parquet as pq

    column = str(options.objects)
    path = _kept(rows, options, png, things)
    found = pq.read_table(path)
    states = [json.loads(text) for text in found["state"].to_pylist()]
    names = _names(rows, png, split)
    faults, fits = Faults(), list[Fit | str | None]()
    for name, state in zip(names, states, strict=True):
        if "broken" in state:
            faults.add(name, "", state["broken"])
            fits.append(UNREADABLE)
        else:
            fit = state["fit"]
            fits.append(Fit(**{**fit, "size": tuple(fit["size"])}) if fit else OTHER_SHAPE)
    if faults and options.on_corrupt == "error":
        hint = Fault("options.on_corrupt", "skip leaves such rows out, and counts them")
        raise DataError([*faults.list(), hint])
    kept = [place for place, fit in enumerate(fits) if isinstance(fit, Fit)]
    shared = datasets.Dataset(found.select([column])).cast(_features(column))
    made = datasets.concatenate_datasets([rows.remove_columns([png, column]), shared], axis=1)
    told = [(Path(names[place]).name, states[place]["odd"]) for place in kept]
    return (made.select(kept) if len(kept) < len(made) else made), fits, told


def _features(column: str) -> Any:
    import datasets

    inner = dict(features(shapes=True).feature) | {"thing": datasets.Value("bool")}
    return datasets.Features({column: datasets.List(inner)})


def _kept(
    rows: datasets.Dataset, options: SegmentationOptions, png: str, things: Things
) -> Path:  # fmt: skip
    """Return the file of converted rows in the cache, made where it is not there."""
    import datasets

    column, image = str(options.objects), options.image
    only = rows.select_columns([image, png, column])
    key = xxhash.xxh3_128(f"{VERSION} {column} {sorted(things.items())}".encode())
    for start in range(0, len(only), WINDOW):
        batch = only[start : start + WINDOW]
        for cells in zip(batch[image], batch[png], batch[column], strict=True):
            key.update(f"{digest(cells[0])} {digest(cells[1])} {cells[2]}".encode())

    def write(path: Path) -> None:
        data: dict[str, list[Any]] = {column: [], "state": []}
        for start in range(0, len(only), WINDOW):
            batch = only[start : start + WINDOW]
            triples = list(zip(batch[image], batch[png], batch[column], strict=True))
            for segments, state in in_threads(lambda one: segments_of(*one, things), triples):
                data[column].append(segments)
                data["state"].append(json.dumps(state))
        kinds = datasets.Features({**_features(column), "state": datasets.Value("string")})
        datasets.Dataset.from_dict(data, kinds).to_parquet(path)

    return caches.kept(folder(), f"segments-{key.hexdigest()}", ".parquet", write)[0]
