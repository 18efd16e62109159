"""What hooks return of raw rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datasets

    from toolkit.errors import Fault


@dataclass(frozen=True)
class ReshapedRows:
    """Rows in another shape, as `Plugin.reshape_rows` returns them.

    dropped: reason -> how many of the given rows have no row here. notes: for the report.
    """

    rows: datasets.Dataset
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class RowInspection:
    """The findings of `Plugin.inspect_rows` in raw rows.

    unusable: reason -> numbers of the rows that are skipped and counted for it. fatal: faults that
    stop the run. likeness: one text per row, equal for inputs that differ only in their format.
    """

    unusable: Mapping[str, Sequence[int]] = field(default_factory=dict)
    fatal: Sequence[Fault] = ()
    likeness: Sequence[str] | None = None
