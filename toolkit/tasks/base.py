"""What the forms of a problem share: rows encoded as model inputs, with their targets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from toolkit.plugin import Plugin
from toolkit.plugin_types import Options, columns

if TYPE_CHECKING:
    import datasets

OptionsT = TypeVar("OptionsT", bound=Options)
Batch = Mapping[str, Sequence[Any]]
Encoder = Callable[[Batch], Mapping[str, Any]]


class TaskPlugin(Plugin[OptionsT]):
    """A scenario whose options mark one column as target; a subclass encodes the inputs.

    encoded_together: rows that `encode` gets at a time, at most.
    """

    encoded_together: ClassVar[int] = 1000

    @property
    def target(self) -> str:
        """The target column."""
        return next(iter(columns(self.options, "target").values()))

    def encode(self, rows: Batch) -> Mapping[str, Any]:
        """Return model inputs by name, for rows as lists by column: one value per row.

        Values are lists, or Arrow arrays, which take less time where rows are many.

        It is called on a copy of the plugin without `data`, `recipe` and `model`, so that what it
        returns can be cached.
        """
        # No abstract method: a plugin with a `prepare` of its own has no need of it.
        raise NotImplementedError(f"{type(self).__name__} needs encode(rows), or its own prepare")

    @abstractmethod
    def target_encoder(self) -> Encoder:
        """Return the function from a batch of columns to {"labels": ...}; {} without targets.

        It holds no plugin, so that `datasets.map` can pickle it.
        """

    def prepare(self, split: datasets.Dataset, name: str) -> datasets.Dataset:
        """Return the inputs that `encode` makes, token counts as `length`, and labels."""
        bare = self.with_(data=None, recipe=None, model=None)
        encoded = partial(_encoded, bare.encode, self.target_encoder())
        together = {"batch_size": self.encoded_together, "writer_batch_size": self.encoded_together}
        return split.map(encoded, batched=True, remove_columns=split.column_names, **together)


def _encoded(encode: Encoder, targets: Encoder, rows: Batch) -> dict[str, Any] | pa.Table:
    found = dict(encode(rows))
    ids = found.get("input_ids")
    if isinstance(ids, pa.Array):
        lengths = pc.cast(pc.list_value_length(ids), pa.int64())
        return pa.table({**found, "length": lengths, **targets(rows)})
    if ids is not None:
        found["length"] = [len(row) for row in ids]
    return found | dict(targets(rows))
