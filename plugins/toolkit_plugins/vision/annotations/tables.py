"""Rows of tables and of the Hub with their objects in the shared form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.errors import DataError, Fault
from toolkit.plugin_types import ReshapedRows
from toolkit.utils.text import listing, nearest
from toolkit_plugins.vision.annotations import conventions
from toolkit_plugins.vision.annotations.build import cell, features
from toolkit_plugins.vision.annotations.cells import (
    BOXES,
    Labels,
    Layout,
    fill,
    in_edges,
    is_broken,
    keys_of,
    layout_of,
    parsed,
)
from toolkit_plugins.vision.annotations.clean import clean
from toolkit_plugins.vision.annotations.forms import (
    Faults,
    Item,
    Tally,
    names_alike,
)
from toolkit_plugins.vision.annotations.headers import Header, headers
from toolkit_plugins.vision.images import name_of

if TYPE_CHECKING:
    import datasets

BATCH = 256  # images whose headers are read at a time


def reshaped(
    rows: datasets.Dataset, split: str, image: str, objects: str, convention: str | None = None,
    names: Sequence[str] | Mapping[int, str] | None = None,
) -> ReshapedRows:  # fmt: skip
    """Return rows of a table with their objects in the shared form, boxes cleaned.

    Objects are a column of lists or objects, text of json, or columns of boxes and classes. Rows
    in the shared form are only cleaned; rows to predict stay as they are.

    Args:
        convention: of the boxes; recognised where it is None. names: of classes by number.

    Raises:
        DataError: there are no objects, or the layout is unknown.
    """
    return recognising(rows, split, image, objects, convention, names)[0]


def recognising(
    rows: datasets.Dataset, split: str, image: str, objects: str, convention: str | None = None,
    names: Sequence[str] | Mapping[int, str] | None = None,
) -> tuple[ReshapedRows, str | None]:  # fmt: skip
    """Return what `reshaped` returns, and the convention that was recognised, for other splits.

    A split of few boxes may be read otherwise than the training rows are. None: there are no boxes,
    they are in the shared form, or their keys or the options name the convention.
    """
    convention = conventions.checked(convention)
    if split == "predict" or image not in rows.column_names:
        return ReshapedRows(rows), None  # the core says which columns are missing
    layout, given = _given(rows, objects, names)
    faults, tally = Faults(), Tally()
    labels_of = Labels(layout)
    items = list(_items(rows, image))
    fixed = fill(items, given, layout, labels_of, faults, tally, f"{split}, {objects}")
    wrong = faults.list()
    told, recognised = "", None
    if not wrong:
        if layout.edges:  # of the upright image by definition
            for item in items:
                item.header = Header(item.header.upright) if item.header else None
        known = layout.convention(fixed, convention)
        used, told = in_edges(items, known)
        recognised = used if known is None and told else None
        wrong = clean(items, tally, split, layout.shape is not None)
    if wrong:
        raise DataError(wrong)
    notes = [told and f"{split}: {told}", *(f"{split}: {n}" for n in tally.notes())]
    if not layout.edges:  # `read` has told it of all splits
        notes += labels_of.notes(split) + names_alike(t.label for i in items for t in i.things)
    made = _built(rows, items, objects, layout)
    return ReshapedRows(made, {}, [n for n in notes if n]), recognised


def _items(rows: datasets.Dataset, image: str) -> Iterator[Item]:
    """Yield the images with their headers; their bytes are not kept."""
    place = 0
    for batch in rows.select_columns([image]).iter(BATCH):
        for value, header in zip(batch[image], headers(batch[image]), strict=True):
            place += 1
            name = name_of(value, f"row {place}").replace("\\", "/").rpartition("/")[2]
            yield Item(None, name, header=header, measured=True)


def _built(
    rows: datasets.Dataset, items: Sequence[Item], objects: str, layout: Layout
) -> datasets.Dataset:
    import datasets

    shape = layout.shape is not None
    kinds = datasets.Features({objects: features(shape)})
    made = [cell(item.things, shape) for item in items]
    new = datasets.Dataset.from_dict({objects: made}, kinds)
    keys = (layout.boxes, layout.label, layout.text, layout.crowd, layout.area, layout.shape)
    gone = {objects} if layout.inside else {objects, *(key for key in keys if key)}
    others = rows.remove_columns([name for name in rows.column_names if name in gone])
    return datasets.concatenate_datasets([others, new], axis=1)


def _keys_of_texts(cells: Sequence[str | None], objects: str) -> list[str]:
    """Return the keys of objects in texts of json, by the first text that has some.

    Raises:
        DataError: none is json.
    """
    broken, whole = list[int](), False
    for place, one in enumerate(cells):
        value = parsed(one)
        if is_broken(one):
            broken.append(place + 1)
        whole |= bool(value)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, Mapping) and value:
            return list(value)
    if broken and not whole:
        rows = f"row{'s' if len(broken) > 1 else ''} {listing(broken, 5)}"
        what = f"is no json: {str(cells[broken[0] - 1]).strip()[:60]}"
        raise DataError(Fault(f"column {objects}, {rows}", what))
    return []


def _given(rows: datasets.Dataset, objects: str, names: Any) -> tuple[Layout, Iterator[Any]]:
    """Return the layout of the objects, and those of each row."""
    there = rows.column_names
    if objects in there:
        kinds = keys_of(rows.features[objects])
        if getattr(rows.features[objects], "dtype", "") in ("string", "large_string"):
            keys = _keys_of_texts(rows[objects], objects)
        else:
            keys = list(kinds)
        layout = layout_of(keys, True, kinds, names)
        if layout is not None:
            return layout, (row[objects] for row in rows.select_columns([objects]))
        if not keys and all(not parsed(v) for v in rows[objects]):
            return Layout("box", "label", None, None, None, None, True), iter([[]] * len(rows))
        what = (f"{objects!r} holds {listing(keys, 10) or 'no objects'}, and no box: looked for "
                f"{listing(BOXES)}")  # fmt: skip
        raise DataError(Fault(f"column {objects}", what))
    layout = layout_of(there, False, rows.features, names)
    if layout is None:
        what = (f"there is no column {objects!r}, and none of boxes ({listing(BOXES)}). Columns "
                f"found: {listing(there, 40)}.{nearest(objects, there)} Name it with --set "
                "options.objects=COLUMN.")  # fmt: skip
        raise DataError(Fault("options.objects", what))
    keys = [k for k in (layout.boxes, layout.label, layout.text, layout.crowd, layout.area) if k]
    return layout, iter(rows.select_columns(keys))
