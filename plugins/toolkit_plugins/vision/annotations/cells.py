"""Objects of an image in the cells of tables: boxes with classes, in the usual layouts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit_plugins.vision.annotations import conventions, shapes
from toolkit_plugins.vision.annotations.forms import (
    Faults,
    Item,
    Tally,
    Thing,
    listed,
    number,
    numbers,
)
from toolkit_plugins.vision.annotations.headers import measured

BOXES = ("box", "bbox", "bboxes", "boxes", "bounding_box", "bounding_boxes")
TEXTS = ("category_name", "category_names", "class_name", "label_name", "name", "names")
LABELS = ("label", "labels", "category", "categories", "class", "classes", "category_id",
          "category_ids", "class_id", "class_ids", "class_label", "class_labels")  # fmt: skip
CROWD, AREA = ("crowd", "iscrowd", "is_crowd"), ("area", "areas")
SHAPE = ("shape", "segmentation")
CORNERS = (  # keys of a box that is an object -> its convention
    (("x_min", "y_min", "x_max", "y_max"), "xyxy"), (("xmin", "ymin", "xmax", "ymax"), "xyxy"),
    (("x1", "y1", "x2", "y2"), "xyxy"), (("left", "top", "right", "bottom"), "xyxy"),
    (("x", "y", "width", "height"), "xywh"), (("x", "y", "w", "h"), "xywh"),
    (("left", "top", "width", "height"), "xywh"), (("cx", "cy", "w", "h"), "cxcywh"),
)  # fmt: skip
NO_OBJECTS = "images whose cell of objects is empty: no objects"


@dataclass(frozen=True)
class Layout:
    """Where tables have the parts of objects: keys of the column of objects, or columns."""

    boxes: str
    label: str | None
    text: str | None
    crowd: str | None
    area: str | None
    shape: str | None
    inside: bool
    names: Sequence[str] | Mapping[int, str] | None = None

    @property
    def edges(self) -> bool:
        """Whether rows are in the toolkit's own form: boxes are edges in pixels."""
        own = self.boxes, self.crowd, self.area
        return self.inside and own == ("box", "crowd", "area")

    def convention(self, keys: str | None, wanted: str | None) -> str | None:
        """Return the convention of the boxes; None where it is to be recognised.

        Args:
            keys: the one that the keys of a box name. wanted: that of the options. It says what no
                key does: whether numbers are fractions, and whether x and y are the centre.
        """
        if keys is not None:
            kind = (wanted or "").removesuffix("_normalised")
            alike = kind == keys or (keys, kind) == ("xywh", "cxcywh")
            return wanted if alike else keys
        if self.edges:
            return "xyxy"
        return wanted or ("xyxy" if self.boxes == "box" and self.inside else None)


def layout_of(
    keys: Sequence[str], inside: bool, kinds: Mapping[str, Any] | None = None,
    names: Any = None,
) -> Layout | None:  # fmt: skip
    """Return the layout of objects with these keys; None where there is no box among them.

    Args:
        kinds: features by key, which may hold the names of classes. names: of classes by number.
    """

    def first(known: Sequence[str]) -> str | None:
        return next((key for key in known if key in keys), None)

    boxes = first(BOXES)
    if boxes is None:
        return None
    text, label = first(TEXTS), first(LABELS)
    names = names or _class_names((kinds or {}).get(label or ""))
    return Layout(boxes, label, text, first(CROWD), first(AREA), first(SHAPE), inside, names)


def _class_names(feature: Any) -> Sequence[str] | None:
    while feature is not None and not hasattr(feature, "names"):
        feature = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    return None if feature is None else list(feature.names)


def keys_of(feature: Any) -> dict[str, Any]:
    """Return key -> feature of a column of objects: a list of objects, or an object of lists."""
    inner = feature
    while not isinstance(inner, Mapping):
        inner = inner[0] if isinstance(inner, list) else getattr(inner, "feature", None)
        if inner is None:
            return {}
    return dict(inner)


def parsed(value: Any) -> Any:
    """Return what a cell holds, also as text of json; None where that is none."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else []
    except ValueError:
        return None


def is_broken(value: Any) -> bool:
    """Return whether a cell is a text, but neither json nor empty."""
    if not isinstance(value, str) or not value.strip():
        return False
    return parsed(value) is None and value.strip() != "null"


class Labels:
    """Names of classes for what tables have: a name, or a number with names beside it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.bare = False

    def of(self, text: Any, value: Any) -> tuple[str, str]:
        """Return the name of a class, or what is wrong with it."""
        if isinstance(text, str) and text.strip():
            return text.strip(), ""
        if value is None or value == "":
            return "", "an object has no class"
        names, key = self.layout.names, number(value)
        if isinstance(value, str) and (names is None or key is None):
            return value.strip(), ""
        if key is None or not key.is_integer():
            return "", f"{str(value)[:40]!r} is no class"
        if names is None:
            self.bare = True
            return str(int(key)), ""
        known = dict(enumerate(names)) if not isinstance(names, Mapping) else {
            int(k): v for k, v in names.items()
        }  # fmt: skip
        if int(key) not in known:
            return (
                "",
                f"class {int(key)} is none of the {len(known)} names ({listed(known.values())})",
            )
        return str(known[int(key)]).strip(), ""

    def notes(self, split: str) -> list[str]:
        """Return a note where numbers have no names."""
        return [f"{split}: classes are numbers without names"] if self.bare else []


def fill(
    items: Sequence[Item], given: Iterator[Any], layout: Layout, labels: Labels, faults: Faults,
    tally: Tally, where: str,
) -> str | None:  # fmt: skip
    """Give each image its objects, boxes as they are; return the convention their keys name."""
    fixed: set[str] = set()
    for place, (item, value) in enumerate(zip(items, given, strict=True)):
        given_text, value = value, parsed(value)
        if value is None and is_broken(given_text):
            what = f"is no json: {given_text.strip()[:60]}"
            faults.add(where, f"row {place + 1}", what)
            continue
        if value is None or value in ([], {}):
            tally.add(NO_OBJECTS, item.name, int(value is None and layout.inside))
            continue
        one, what = _objects(value, layout)
        if what:
            faults.add(where, f"row {place + 1}", what)
            continue
        for box, text, label, crowd, area, shape in one:
            flat, keys = _flat(box)
            name, wrong = labels.of(text, label)
            if flat is None:
                faults.add(where, f"row {place + 1}", f"a box of four numbers is expected, not "
                           f"{str(box)[:60]}")  # fmt: skip
            if wrong:
                faults.add(where, f"row {place + 1}", wrong)
            if flat is None or wrong:
                continue
            fixed |= {keys} if keys else set()
            found = Thing(name, (flat[0], flat[1], flat[2], flat[3]), _flag(crowd), number(area))
            found.shape = shapes.polygons_of(shape) or shapes.rle_of(shape)
            item.things.append(found)
    return fixed.pop() if len(fixed) == 1 else None


def _flag(value: Any) -> bool:
    """Return what a cell says of a crowd; in csv and json it may be a text."""
    text = str(value).strip().lower()
    return bool(value) and text not in ("", "0", "0.0", "false", "no", "none", "nan")


def _objects(value: Any, layout: Layout) -> tuple[list[tuple[Any, ...]], str]:
    """Return box, name, class, crowd, area and outline of each object, or what is wrong."""
    keys = (layout.boxes, layout.text, layout.label, layout.crowd, layout.area, layout.shape)
    if isinstance(value, Mapping):
        boxes = value.get(layout.boxes)
        boxes = parsed(boxes) if boxes is not None else []
        if not isinstance(boxes, Sequence) or isinstance(boxes, str):
            return [], f"{layout.boxes!r} is no list of boxes"
        columns = [boxes]
        for key in keys[1:]:
            cells = parsed(value.get(key)) if key else None
            if not isinstance(cells, Sequence) or isinstance(cells, str):
                cells = [None] * len(boxes)
            if len(cells) != len(boxes):
                return [], f"{len(boxes)} boxes, but {len(cells)} values of {key!r}"
            columns.append(cells)
        return list(zip(*columns, strict=True)), ""
    if isinstance(value, Sequence) and all(isinstance(one, Mapping) for one in value):
        return [tuple(one.get(key) if key else None for key in keys) for one in value], ""
    return [], f"{str(value)[:60]} is no list of objects"


def _flat(box: Any) -> tuple[list[float] | None, str]:
    """Return the four numbers of a box, and the convention that its keys name, if it has any."""
    if isinstance(box, Mapping):
        for keys, convention in CORNERS:
            if all(key in box for key in keys):
                return numbers([box[key] for key in keys], 4), convention
        return None, ""
    return numbers(box, 4), ""


def in_edges(items: Sequence[Item], convention: str | None) -> tuple[str, str]:
    """Put boxes as edges in pixels or fractions.

    Returns:
        The convention that they had, and a note on it where it was recognised.
    """
    told = ""
    if convention is None:
        known = zip(items, measured(items), strict=True)
        boxes = [(thing.box, header.upright) for item, header in known if header
                 for thing in item.things]  # fmt: skip
        convention, told = conventions.recognised([b for b, _ in boxes], [s for _, s in boxes])
    for item in items:
        item.fractions = convention.endswith("_normalised")
        for thing in item.things:
            thing.box = conventions.edges(thing.box, convention)
    return convention, told
