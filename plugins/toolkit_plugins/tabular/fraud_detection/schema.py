"""The role of each column of a table of transactions, and its labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing
from toolkit_plugins.tabular.encoding import WHOLE
from toolkit_plugins.tabular.frame import to_frame

if TYPE_CHECKING:
    import datasets
    import polars as pl

    from toolkit_plugins.tabular.money import Mark

Array = np.ndarray[Any, Any]
AMOUNT = "amount_number"  # what amounts that are texts say


@dataclass(frozen=True)
class Schema:
    """The columns of a table of transactions, and the two values of its label.

    decimal: the decimal mark of amounts that are texts. day_first: of times that begin with day
    or month.
    """

    time: str | None
    amount: str | None
    entities: tuple[str, ...]
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    label: str | None
    labels: tuple[str, str] = ("0", "1")
    proposed: tuple[str, ...] = field(default=(), compare=False)
    decimal: Mark | None = None
    day_first: bool | None = None

    @property
    def money(self) -> str | None:
        """The column of the amounts as numbers."""
        return AMOUNT if self.amount and self.decimal else self.amount

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Schema:
        """Return the schema that `to_dict` was called on."""
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in given.items()
        }
        return cls(**values)


def as_label(value: Any) -> str:
    """Return a label's value as text: 1, 1.0 and true are the same one."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return WHOLE.sub(r"\1", str(value).strip())


def frauds_of(column: pl.Series, schema: Schema) -> Array:
    """Return 1 for a fraud and 0 for the rest, int8; a row without a label counts as none.

    Raises:
        DataError: values that are neither of the two.
    """
    values = [v for v in column.unique().to_list() if v is not None and as_label(v)]
    odd = [v for v in values if as_label(v) not in schema.labels]
    if odd:
        what = f"holds {listing([repr(v) for v in odd], 5)}; the two values are "
        raise DataError(Fault(str(schema.label), what + listing(schema.labels)))
    positive = [v for v in values if as_label(v) == schema.labels[1]]
    found: Array = column.is_in(positive).fill_null(False).to_numpy().astype(np.int8)
    return found


def truth_of(rows: datasets.Dataset, schema: Schema) -> Array:
    """Return 1 for a fraud and 0 for the rest, shape (rows,)."""
    label = str(schema.label)
    return frauds_of(to_frame(rows, [label])[label], schema)
