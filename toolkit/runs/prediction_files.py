"""Predictions that are files: written beside the lines that name them, as {"file": PATH}."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from toolkit.errors import UserError
from toolkit.plugin_types import PredictionFile
from toolkit.utils import jsonable
from toolkit.utils.files import writing

FOLDER = "predictions"  # within a run's folder
KEY = "file"
LONGEST = 60  # characters of another file's name in that of a prediction's


class FileStore:
    """Writes the files of predictions, as `default` of `json.dumps`.

    Args:
        base: what the names in JSON are relative to. folder: within it, made with the first file.

    row: the number of the row to come. stem: a word that its files' names end with, such as the
    name of an image that they belong to; "" for none.
    """

    def __init__(self, base: Path, folder: str = FOLDER, row: int = 0) -> None:
        self.base, self.folder, self.row = base, folder, row
        self.stem = ""
        self._last, self._count = -1, 0

    def default(self, value: Any) -> Any:
        """Write a file and return its name; other values as `jsonable.plain` has them."""
        if not isinstance(value, PredictionFile):
            return jsonable.plain(value)
        self._count = self._count + 1 if self._last == self.row else 0
        self._last = self.row
        number = f"-{self._count}" if self._count else ""
        stem = f"-{self.stem}" if self.stem else ""
        name = f"{self.folder}/{self.row:07}{number}{stem}{value.suffix}"
        (self.base / self.folder).mkdir(exist_ok=True)
        if (self.base / self.folder).is_symlink():
            raise UserError(f"{self.base / self.folder} is a link: nothing is written there")
        with writing(self.base / name, "wb") as file:
            file.write(value.read())
        return {KEY: name}


def stems_of(rows: pa.Table, columns: Iterable[str]) -> list[str]:
    """Return what names each row's first file: its name, in letters, digits, - and _; "" for none.

    columns: of files.
    """
    for name in columns:
        kind = rows.schema.field(name).type
        if pa.types.is_struct(kind) and kind.get_field_index("path") >= 0:
            return list(map(_stem, pc.struct_field(rows[name], "path").to_pylist()))
    return [""] * len(rows)


def _stem(path: str | None) -> str:
    stem = (path or "").replace("\\", "/").rpartition("/")[2].partition(".")[0]
    return re.sub(r"[^\w-]+", "_", stem)[:LONGEST]


def inline(value: Any) -> Any:
    """Return a file as {"file": "data:image/png;base64,..."}, as `default` of `json.dumps`."""
    if not isinstance(value, PredictionFile):
        return jsonable.plain(value)
    kind = mimetypes.guess_type(f"x{value.suffix}")[0] or "application/octet-stream"
    return {KEY: f"data:{kind};base64,{base64.b64encode(value.read()).decode()}"}


def restoring(base: Path) -> Callable[[dict[str, Any]], Any] | None:
    """Return the `object_hook` of `json.loads` that gives files again; None where there are none.

    It raises UserError for a name that leads out of the folder.
    """
    folder = (base / FOLDER).resolve()
    if not folder.is_dir():
        return None

    def restore(value: dict[str, Any]) -> Any:
        if value.keys() != {KEY} or not str(value[KEY]).startswith(f"{FOLDER}/"):
            return value
        path = (base / str(value[KEY])).resolve()
        if not path.is_relative_to(folder):
            raise UserError(f"{base / str(value[KEY])} leads out of the run's folder")
        return PredictionFile(path.suffix, path=path)

    return restore
