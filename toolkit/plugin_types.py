"""What the hooks of a plugin take and give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Union

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import datasets
    from PIL.Image import Image

    from toolkit.errors import Fault


JsonValue = Any


Prediction = dict[str, JsonValue]


Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """Marks an option as the name of a data column, so that the core can check and compare it.

    Args:
        role: "input" (what the model reads: compared between splits), "target" (what it learns).
        as_text: read the column as text where the file format has no types (csv), so that a
            label 007 stays 007.
        files: of an input that is a file of its own: the suffixes by which such files are known
            (".wav"). Rows name them (relative to their table), hold them, or are the files of a
            folder a class. Their contents are what is compared and fingerprinted.
        may_be_empty: of a target: a row without a value says something by that, and is kept.
    """

    role: str
    as_text: bool = False
    may_be_empty: bool = False
    files: tuple[str, ...] = ()


TextColumn = Annotated[str, Column("input", as_text=True)]


InputColumn = Annotated[str, Column("input")]


LabelColumn = Annotated[str, Column("target", as_text=True)]


TargetColumn = Annotated[str, Column("target")]


class Options(BaseModel):
    """Base of a plugin's options: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class NoOptions(Options):
    """For a plugin that has nothing to set."""


@dataclass(frozen=True)
class Examined:
    """What a look into the inputs of raw rows has found.

    unusable: why -> numbers of the rows that are set aside for it, and counted. fatal: what ends
    the run. likeness: a text a row, equal where two inputs are the same but for their form.
    """

    unusable: Mapping[str, Sequence[int]] = field(default_factory=dict)
    fatal: Sequence[Fault] = ()
    likeness: Sequence[str] | None = None


def columns(options: BaseModel, role: str | None = None) -> dict[str, str]:
    """Return option -> column name for the options marked as columns and set (not None).

    An option that names several columns has a key for each: `entities.0`, `entities.1`.
    """
    found: dict[str, str] = {}
    for name, marker in column_markers(type(options)).items():
        value = getattr(options, name)
        if value is None or role not in (None, marker.role):
            continue
        if isinstance(value, str):
            found[name] = value
        else:
            found |= {f"{name}.{place}": column for place, column in enumerate(value)}
    return found


def column_markers(options: type[BaseModel]) -> dict[str, Column]:
    """Return option name -> marker for every field of an options class that names a column."""
    found = {}
    for name, known in options.model_fields.items():
        inside = [*known.metadata, *_metadata(known.annotation)]
        marker = next((m for m in inside if isinstance(m, Column)), None)
        if marker is not None:
            found[name] = marker
    return found


def _metadata(annotation: Any) -> Iterator[Any]:
    """Yield what `Annotated` says anywhere inside: `TextColumn | None`, `list[InputColumn]`."""
    yield from getattr(annotation, "__metadata__", ())
    for inner in getattr(annotation, "__args__", ()):
        yield from _metadata(inner)


Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class BaselineData:
    """Rows as read and as the model takes them, and the orders in which baselines use them."""

    train: datasets.Dataset
    train_prepared: datasets.Dataset
    test: datasets.Dataset
    test_prepared: datasets.Dataset
    train_order: Ints
    test_order: Ints


@dataclass(frozen=True)
class BaselineResult:
    """Predictions of some test rows (by their numbers), and how many rows were fitted."""

    predictions: list[Prediction]
    test_rows: Ints
    train_rows: int


class Baseline(ABC):
    """One cheap thing to beat."""

    name: str

    @abstractmethod
    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Fit on train and predict test within about so many seconds."""


Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """Lines over two axes.

    title, x, y: what is shown, and what the axes measure. lines: name -> points (x, y), drawn in
    their order. marks: name -> a point that stands out, the threshold that was chosen, say.
    """

    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[Point]]
    marks: Mapping[str, Point] = field(default_factory=dict)


Figure: TypeAlias = Union[Curve, "Image"]
