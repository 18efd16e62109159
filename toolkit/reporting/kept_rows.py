"""The first test rows as the model reads them, kept in the run's folder for `compare` and `serve`.

They are rows of data: `toolkit push` never sends them.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import UserError
from toolkit.plugin_types import open_file
from toolkit.plugin_types.columns import marked
from toolkit.utils.files import writing
from toolkit.utils.pictures import FORMATS, room_for

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin

FILE = Path("logs", "test_rows.jsonl")  # within a run's folder; line n is test row n
ROWS, BYTES = 2000, 8_000_000  # of all of them
LONGEST = 100_000  # bytes of a row; a longer one is null
IMAGE, SIDE = 40_000, 640  # bytes of an image that is kept as it is, pixels of any other
BATCH = 100
Row = dict[str, Any]


def write(plugin: Plugin[Any], split: datasets.Dataset, run: Path) -> None:
    """Write the first test rows with the columns that the plugin reads, or all if it names none."""
    named = dict(marked(plugin.options).values())
    # A target that is a file is among the references of predictions.jsonl.
    marks = {name: mark for name, mark in named.items() if mark.role == "input" or not mark.files}
    read = {*marks, *plugin.example()}
    names = [name for name in split.column_names if name in read] or [
        name for name in split.column_names if name in marks or name not in named
    ]
    files, total = {name for name, mark in marks.items() if mark.files}, 0
    (run / FILE).parent.mkdir(exist_ok=True)
    with writing(run / FILE) as file:
        for start in range(0, min(len(split), ROWS), BATCH):
            chosen = split.select_columns(names).select(
                range(start, min(len(split), start + BATCH))
            )
            for row in chosen.to_list():
                row |= {name: _kept(row[name]) for name in files & row.keys()}
                line = json.dumps(row, ensure_ascii=False, default=str)
                line = "null" if len(line) > LONGEST else line
                total += len(line)
                if total > BYTES:
                    return
                file.write(line + "\n")


def read(run: Path, wanted: Collection[int]) -> dict[int, Row]:
    """Return number -> row, of those that were kept; files are {"bytes", "path"}, as in a cell.

    Raises:
        UserError: the file is damaged.
    """
    file, found = run / FILE, {}
    if not wanted or not file.is_file():
        return {}
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if number > max(wanted):
                    break
                if number in wanted and isinstance(row := json.loads(line), dict):
                    found[number] = {name: _cell(value) for name, value in row.items()}
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} is damaged: {error}") from None
    return found


def _kept(cell: Any) -> Row | None:
    """Return a file as JSON has it, a large image smaller; None for what cannot be kept."""
    path = cell.get("path") if isinstance(cell, Mapping) else None
    try:
        content = open_file(cell).read()
        if len(content) > IMAGE:
            content, path = _smaller(content), "image.jpg"
    except Exception:  # decoders raise whatever their formats raise; the other cells are kept
        return None
    return {"base64": base64.b64encode(content).decode(), "path": Path(path or "").name}


def _smaller(content: bytes) -> bytes:
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content), formats=FORMATS) as image, room_for(image, (SIDE, SIDE)):
        small = ImageOps.exif_transpose(image).convert("RGB")
        small.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=85)
    return file.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"base64", "path"}:
        return {"bytes": base64.b64decode(value["base64"]), "path": value["path"]}
    return value
