"""Some of the classes of a data set: objects of all others are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from toolkit.errors import DataError, Fault
from toolkit.plugin_types import ReshapedRows
from toolkit.utils.text import counted, listing, nearest


def of_labels(found: ReshapedRows, split: str, column: str, labels: Sequence[str]) -> ReshapedRows:
    """Return rows with the objects of some classes; images without any of them stay.

    Raises:
        DataError: no training image has an object of a class that is asked for.
    """
    cells = found.rows.select_columns([column])
    there = Counter(one["label"] for row in cells for one in row[column] or ())
    unknown = [name for name in labels if name not in there]
    if split == "train" and unknown:
        known = f"Classes: {listing(sorted(there), 40)}."
        raise DataError([
            Fault("options.labels",
                  f"no training image has {name!r}.{nearest(name, there)} {known}")
            for name in unknown
        ])  # fmt: skip
    left = sum(count for name, count in there.items() if name not in labels)
    if not left:
        return found
    rows = found.rows.map(_chosen, fn_kwargs={"column": column, "labels": list(labels)})
    note = f"{split}: {counted(left, 'objects of other classes')} left out (options.labels)"
    return ReshapedRows(rows, found.dropped, [*found.notes, note])


def _chosen(row: dict[str, object], column: str, labels: list[str]) -> dict[str, object]:
    objects = row[column]
    kept = [one for one in objects if one["label"] in labels] if isinstance(objects, list) else []
    return {column: kept}
