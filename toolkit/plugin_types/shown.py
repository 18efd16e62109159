"""What people see of predictions: marked texts, images, sounds, series, tables and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, Union

if TYPE_CHECKING:
    from PIL.Image import Image

Point = tuple[float, float]


@dataclass(frozen=True)
class Span:
    """A part of a text, from character `start` up to `end`. actual: not predicted but true."""

    start: int
    end: int
    label: str = ""
    actual: bool = False


@dataclass(frozen=True)
class MarkedText:
    """A text with marked spans, which may overlap."""

    text: str
    spans: Sequence[Span] = ()


@dataclass(frozen=True)
class SideBySide:
    """Texts beside each other, by their titles: a source, its translation and the reference."""

    texts: Mapping[str, str | MarkedText]


@dataclass(frozen=True)
class Box:
    """A rectangle in an image, in pixels from its upper left. actual: not predicted but true."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float
    label: str = ""
    actual: bool = False


@dataclass(frozen=True)
class MarkedImage:
    """An image with boxes and masks.

    image: a cell of a file column, encoded bytes, or a Pillow image. mask, actual_mask: numbers of
    classes, shape (height, width), 0 is background; an array, or a PNG in a `PredictionFile`.
    names: of those numbers: which are in the masks is said beneath, in their colours.
    """

    image: Any
    boxes: Sequence[Box] = ()
    mask: Any = None
    actual_mask: Any = None
    names: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sound:
    """A sound file (wav, mp3, ogg, flac): a cell of a file column, bytes or a `PredictionFile`."""

    file: Any


@dataclass(frozen=True)
class Series:
    """Values over equal steps. lines: name -> (number of its first step, values)."""

    lines: Mapping[str, tuple[int, Sequence[float]]]


Shown: TypeAlias = str | MarkedText | SideBySide | MarkedImage | Sound | Series


@dataclass(frozen=True)
class Table:
    """A table of scores, for example per entity, class or horizon; numbers are rounded."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | int | None]]


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
