"""What the forms of a problem share: rows encoded as model inputs, with their targets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from toolkit.plugin import Plugin
from toolkit.plugin_types import Options, columns

if TYPE_CHECKING:
    import datasets

OptionsT = TypeVar("OptionsT", bound=Options)
Batch = Mapping[str, Sequence[Any]]
Encoder = Callable[[Batch], Mapping[str, Any]]


class TaskPlugin(Plugin[OptionsT]):
    """A scenario whose options mark one column as target; a subclass encodes the inputs."""

    @property
    def target(self) -> str:
        """The target column."""
        return next(iter(columns(self.options, "target").values()))

    def encode(self, rows: Batch) -> Mapping[str, Any]:
        """Return model inputs by name, for rows as lists by column: one value per row.

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
        return split.map(encoded, batched=True, remove_columns=split.column_names)


def _encoded(encode: Encoder, targets: Encoder, rows: Batch) -> dict[str, Any]:
    found = dict(encode(rows))
    if "input_ids" in found:
        found["length"] = [len(ids) for ids in found["input_ids"]]
    return found | dict(targets(rows))
