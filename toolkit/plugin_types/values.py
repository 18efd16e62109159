"""What goes in and out of hooks: rows, predictions, files, and the baselines to beat."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import datasets

    from toolkit.errors import Fault

JsonValue = Any
Prediction = dict[str, JsonValue]
Row = Mapping[str, Any]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class ReshapedRows:
    """Rows in another shape, as `Plugin.reshape_rows` returns them.

    dropped: reason -> how many of the given rows have no row here. notes: for the report.
    """

    rows: datasets.Dataset
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class SourceRows:
    """Rows by split ("train", "validation", "test"), as `Plugin.read_source` returns them.

    files: that the rows were read from, whose contents identify the data; those that columns of
    files name need not be among them. notes: for the report.
    """

    splits: Mapping[str, datasets.Dataset]
    files: Sequence[Path] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class RowInspection:
    """The findings of `Plugin.inspect_rows` in raw rows.

    unusable: reason -> numbers of the rows that are skipped and counted for it. fatal: faults that
    stop the run. likeness: one text per row, equal for inputs that differ only in their format.
    thumbnails: of images, 16 x 16 grey values per row, a byte each, by which nearly equal ones are
    found.
    """

    unusable: Mapping[str, Sequence[int]] = field(default_factory=dict)
    fatal: Sequence[Fault] = ()
    likeness: Sequence[str] | None = None
    thumbnails: Sequence[bytes] | None = None


@dataclass(frozen=True)
class BaselineData:
    """Raw rows and prepared model inputs, and the orders in which baselines use them.

    validation: for choosing settings; None where a run has no such split.
    """

    train: datasets.Dataset
    train_prepared: datasets.Dataset
    test: datasets.Dataset
    test_prepared: datasets.Dataset
    train_order: Ints
    test_order: Ints
    validation: datasets.Dataset | None = None
    validation_prepared: datasets.Dataset | None = None


@dataclass(frozen=True)
class BaselineResult:
    """Predictions for some test rows (by number), and how many training rows were used.

    setting: of several the one that was chosen on validation, for the report. available: how many
    training rows the model sees, where these are not all.
    """

    predictions: list[Prediction]
    test_rows: Ints
    train_rows: int
    setting: str = ""
    available: int | None = None


class Baseline(ABC):
    """A simple method that the model must beat.

    is_the_model: whether it is what the run itself trains: it is not run then.
    """

    name: str
    is_the_model: bool = False

    @abstractmethod
    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Fit on train and predict test within about `seconds`."""


@dataclass(frozen=True, eq=False)
class PredictionFile:
    """A file as (part of) a prediction: a mask, an image, a sound.

    A run stores it below `predictions/`, and predictions.jsonl names it; whoever reads the
    predictions, metrics too, gets a `PredictionFile` again.

    suffix: ".png", ".wav" and the like, which says what it is. content: its bytes; or
    path: where they are.
    """

    suffix: str
    content: bytes | None = None
    path: Path | None = None

    def read(self) -> bytes:
        """Return the contents."""
        if self.content is not None:
            return self.content
        if self.path is None:
            raise ValueError("a PredictionFile has `content` or `path`")
        return self.path.read_bytes()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PredictionFile):
            return NotImplemented
        return self.suffix == other.suffix and self.read() == other.read()

    def __hash__(self) -> int:
        return hash((self.suffix, self.read()))


def open_file(cell: Any) -> IO[bytes]:
    """Return the contents of the file in a cell of a file column, in whatever form it is there.

    They are in memory: what is returned need not be closed.

    Args:
        cell: {"bytes", "path"} as `datasets` stores files, bytes, a path, or a `PredictionFile`.

    Raises:
        ValueError: the cell holds no file. OSError: the file cannot be read.
    """
    if isinstance(cell, PredictionFile):
        return io.BytesIO(cell.read())
    if isinstance(cell, Mapping):
        cell = cell["path"] if cell.get("bytes") is None else cell["bytes"]
    if isinstance(cell, str | Path):
        return io.BytesIO(Path(cell).read_bytes())
    if isinstance(cell, bytes | bytearray | memoryview):
        return io.BytesIO(cell)
    raise ValueError(f"no file but {type(cell).__name__}")
