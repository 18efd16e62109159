"""Objects with shapes (polygons, run lengths) painted as semantic masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import xxhash

from toolkit.data import caches
from toolkit.errors import DataError, Fault, UserError
from toolkit.plugin_types import ReshapedRows
from toolkit.utils.packages import extra
from toolkit.utils.text import counted, listing, nearest
from toolkit_plugins.vision.images import in_threads, name_of
from toolkit_plugins.vision.masks import canonical, decoding
from toolkit_plugins.vision.masks.canonical import IGNORED, MOST_CLASSES
from toolkit_plugins.vision.masks.survey import WINDOW, digest, folder

if TYPE_CHECKING:
    import datasets

Array = np.ndarray[Any, Any]
BACKGROUND = "background"
VERSION = 1  # of what is kept
MOST_UNKNOWN = 0.1  # share of the objects whose labels are no classes, above which they are refused
NO_SHAPE = "objects have a box and no shape: the pixels of their boxes are ignored"


def from_objects(
    rows: datasets.Dataset,
    image: str,
    objects: str,
    mask: str,
    names: Sequence[str] | None = None,
    split: str = "",
) -> ReshapedRows:
    """Return rows with a canonical mask in place of objects with shapes.

    Each object is {"label", "box", "crowd", "area", "shape": {"size": [height, width], "counts"}}.
    The first class is "background", unless it is among the names. Crowds are ignored pixels, and
    so are the boxes of objects without a shape, and objects of labels that are none of the names;
    smaller objects lie over larger ones.

    Args:
        names: the classes in order; by default all labels, sorted.
        split: as messages name the rows.

    Raises:
        DataError: no object has a shape, more than a tenth have labels that are none of the
            names, or a shape has another size than its image.
        UserError: the package that decodes shapes is not installed.
    """
    import datasets

    found, counts = _surveyed(rows, objects)
    classes = list(names) if names is not None else sorted(found)
    classes = classes if BACKGROUND in classes else [BACKGROUND, *classes]
    unknown = {label: count for label, count in sorted(found.items()) if label not in classes}
    where = f"{split}, {objects}" if split else objects
    _check(found, unknown, counts, classes, where)
    painter = _Painter(image, objects, classes)
    only = rows.select_columns(list(dict.fromkeys((image, objects))))
    key = xxhash.xxh3_128(f"{VERSION} {mask} {classes}".encode())
    for batch in only.iter(WINDOW):
        key.update(repr([(digest(a), b) for a, b in zip(batch[image], batch[objects], strict=True)])
                   .encode())  # fmt: skip

    def write(path: Path) -> None:
        kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
        schema = pa.schema({mask: kind})
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
            for made in painter.painted(only):
                cells = [{"bytes": content, "path": None} for content in made]
                stream.write_batch(pa.record_batch([pa.array(cells, kind)], schema=schema))

    path, _ = caches.kept(folder(), f"painted-{key.hexdigest()}", ".arrow", write)
    masks = datasets.Dataset.from_file(str(path))
    others = rows.remove_columns([name for name in (objects, mask) if name in rows.column_names])
    shapes = counted(counts["shapes"], "shapes")
    notes = [f"masks are painted from {shapes}; what no shape covers is {BACKGROUND}"]
    told = {"crowds": "crowds: their pixels are ignored", "boxes": NO_SHAPE}
    notes += [counted(counts[kind], what) for kind, what in told.items() if counts[kind]]
    if unknown:
        shown = listing(f"{label!r} ({count:,})" for label, count in unknown.items())
        what = f"objects of labels that train lacks: their pixels are ignored: {shown}"
        notes.append(counted(sum(unknown.values()), what))
    return ReshapedRows(datasets.concatenate_datasets([others, masks], axis=1), {}, notes)


def _surveyed(rows: datasets.Dataset, objects: str) -> tuple[Counter[str], Counter[str]]:
    """Return label -> objects, and how many have a shape, a box alone, or are crowds."""
    labels, counts = Counter[str](), Counter[str]()
    for batch in rows.select_columns([objects]).iter(1000):
        for one in (item for own in batch[objects] for item in own or ()):
            counts["crowds"] += bool(one.get("crowd"))
            counts["shapes" if one.get("shape") else "boxes"] += 1
            labels[str(one["label"])] += 1
    return labels, counts


def _check(
    found: Mapping[str, int],
    unknown: Mapping[str, int],
    counts: Mapping[str, int],
    classes: Sequence[str],
    where: str,
) -> None:
    faults = list[Fault]()
    total = sum(found.values())
    if sum(unknown.values()) > MOST_UNKNOWN * total:
        faults = [
            Fault(where, f"the label {label!r} of {count:,} of {total:,} objects is no class."
                         f"{nearest(label, classes)} Known: {listing(classes)}")
            for label, count in unknown.items()
        ]  # fmt: skip
        hint = "rename them as in train, give train objects of these labels, or take them out"
        faults = [*faults[:19], Fault("", hint)]
    if len(classes) > MOST_CLASSES:
        faults.append(Fault(where, f"{len(classes):,} classes: at most {MOST_CLASSES} can be"))
    if counts["boxes"] and not counts["shapes"]:
        what = "objects have boxes but no shapes: that is object detection, not segmentation"
        faults.append(Fault(where, what))
    if faults:
        raise DataError(faults[:20])


class _Painter:
    """Paints the objects of rows. classes: in the order of their numbers."""

    def __init__(self, image: str, objects: str, classes: Sequence[str]) -> None:
        try:
            from faster_coco_eval.core import mask as coco
        except ImportError:
            raise UserError(f"shapes of objects need faster-coco-eval: {extra('vision')}") from None
        self.decode = coco.decode
        self.image, self.objects, self.classes = image, objects, classes
        self.numbers = {name: number for number, name in enumerate(classes)}

    def painted(self, rows: datasets.Dataset) -> Iterator[list[bytes]]:
        """Yield the masks of some rows at a time, as PNGs."""
        for batch in rows.iter(WINDOW):
            yield in_threads(self._paint, list(zip(batch[self.image], batch[self.objects],
                                                   strict=True)))  # fmt: skip

    def _paint(self, pair: tuple[Any, Any]) -> bytes:
        cell, objects = pair
        shapes = [one for one in objects or () if one.get("shape")]
        header = decoding.header_of(cell)
        if header is not None:
            (width, height), turn = header
            width, height = (height, width) if turn >= 5 else (width, height)
        else:
            height, width = map(int, shapes[0]["shape"]["size"]) if shapes else (1, 1)
        found = np.full((height, width), self.numbers[BACKGROUND], np.uint8)
        for one in sorted(objects or (), key=_order):
            known = one.get("shape") and not one.get("crowd")
            number = self.numbers.get(str(one["label"]), IGNORED) if known else IGNORED
            found[self._pixels(one, (height, width), cell)] = number
        return canonical.encoded(found, self.classes)

    def _pixels(self, one: Mapping[str, Any], size: tuple[int, int], cell: Any) -> Any:
        """Return what selects an object's pixels."""
        shape = one.get("shape")
        if not shape:
            x_min, y_min, x_max, y_max = (round(edge) for edge in one["box"])
            return np.s_[max(y_min, 0) : max(y_max, 0), max(x_min, 0) : max(x_max, 0)]
        own = tuple(int(side) for side in shape["size"])
        counts = shape["counts"]
        counts = counts.encode() if isinstance(counts, str) else counts
        pixels = np.asarray(self.decode({"size": list(own), "counts": counts})).astype(bool)
        pixels = pixels.reshape(own)
        if own != size:
            if abs(own[0] * size[1] / (own[1] * size[0]) - 1) > 0.05:
                what = f"a shape is {own[1]} x {own[0]}, the image {size[1]} x {size[0]}"
                raise DataError(Fault(name_of(cell, "an image"), what))
            pixels = decoding.nearest(pixels, (size[1], size[0]))
        return pixels


def _order(one: Mapping[str, Any]) -> tuple[int, float]:
    """Return by what objects are painted: boxes alone and crowds, then the larger ones first."""
    first = 0 if not one.get("shape") else 1 if one.get("crowd") else 2
    x_min, y_min, x_max, y_max = one["box"]
    area = one.get("area") or (x_max - x_min) * (y_max - y_min)
    return first, -float(area)
