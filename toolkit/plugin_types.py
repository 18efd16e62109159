"""Arguments and return values of the hooks of a plugin."""

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
Ints = np.ndarray[Any, np.dtype[np.int64]]
Point = tuple[float, float]


@dataclass(frozen=True)
class Column:
    """Marks an option as the name of a data column, so that the core can check and compare it.

    Args:
        role: "input" (read by the model; compared between splits) or "target" (to be predicted).
        as_text: read the column as text where the file format has no types (csv), so that a
            label 007 stays 007.
        files: suffixes (".wav") of an input that is a file. Rows name the file (relative to their
            table), contain it, or are the files of class folders. The contents are compared and
            fingerprinted.
        may_be_empty: rows without a value in this target are valid, and are kept.
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
    """Base of a plugin's options: immutable, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class NoOptions(Options):
    """For a plugin without options."""


@dataclass(frozen=True)
class RowInspection:
    """The findings of `Plugin.inspect_rows` in raw rows.

    unusable: reason -> numbers of the rows that are skipped and counted for it. fatal: faults that
    stop the run. likeness: one text per row, equal for inputs that differ only in their format.
    """

    unusable: Mapping[str, Sequence[int]] = field(default_factory=dict)
    fatal: Sequence[Fault] = ()
    likeness: Sequence[str] | None = None


def columns(options: BaseModel, role: str | None = None) -> dict[str, str]:
    """Return option -> column name for the options marked as columns that are not None.

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
    """Yield the metadata of nested `Annotated`s: `TextColumn | None`, `list[InputColumn]`."""
    yield from getattr(annotation, "__metadata__", ())
    for inner in getattr(annotation, "__args__", ()):
        yield from _metadata(inner)


@dataclass(frozen=True)
class BaselineData:
    """Raw rows and prepared model inputs, and the orders in which baselines use them."""

    train: datasets.Dataset
    train_prepared: datasets.Dataset
    test: datasets.Dataset
    test_prepared: datasets.Dataset
    train_order: Ints
    test_order: Ints


@dataclass(frozen=True)
class BaselineResult:
    """Predictions for some test rows (by number), and how many training rows were used."""

    predictions: list[Prediction]
    test_rows: Ints
    train_rows: int


class Baseline(ABC):
    """A simple method that the model must beat."""

    name: str

    @abstractmethod
    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Fit on train and predict test within about `seconds`."""


@dataclass(frozen=True)
class Curve:
    """Lines over two axes.

    title, x, y: of the figure and of its axes. lines: name -> points (x, y), in drawing order.
    marks: name -> a highlighted point, such as the chosen threshold.
    """

    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[Point]]
    marks: Mapping[str, Point] = field(default_factory=dict)


Figure: TypeAlias = Union[Curve, "Image"]
