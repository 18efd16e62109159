"""Files in cells of rows, and files as predictions."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


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
