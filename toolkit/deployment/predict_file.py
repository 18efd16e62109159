"""Predictions for a file of rows: `toolkit predict`.

Rows are predicted a window at a time, so that memory does not grow with them. Predictions are first
kept beside the output, a line per row; an interrupted call continues after the last complete line.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track

from toolkit.data import prediction_rows, sources
from toolkit.data.reader import RaggedRows
from toolkit.deployment import writers
from toolkit.errors import DataError, Fault, UserError
from toolkit.models.find import weights_digest
from toolkit.plugin_types import Column, column_markers, columns
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.folder import Run
from toolkit.runs.prediction_files import FileStore
from toolkit.runs.predictor import Predictor, load_predictor
from toolkit.utils import jsonable
from toolkit.utils.logging import quiet_libraries
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

STDIN = "-"
LINES = (".jsonl", ".ndjson")
WINDOW = 4096  # rows that are prepared and predicted together


@dataclass(frozen=True)
class PredictedFile:
    """The file written, rows in it, rows rejected, and the file with the reasons."""

    path: Path
    rows: int
    rejected: int
    rejected_path: Path


def predict(
    run: Run,
    source: str,
    out: Path,
    resume: bool = False,
    console: Console | None = None,
    computing: ComputeConfig | None = None,
    split: str | None = None,
) -> PredictedFile:
    """Predict the rows of a file, and write them with all their columns.

    Args:
        source: any data source of recipes, a folder of files, or "-": JSON lines from stdin.
        out: a new file that ends in .jsonl, .csv or .parquet.
        resume: continue an interrupted call with the same arguments.
        computing: otherwise in float32, on all GPUs or the processor.
        split: which one, where the source has several.

    Raises:
        UserError: the run is not finished, the input cannot be read or lacks a column, `out`
            exists, or this machine cannot compute as `computing` says.
    """
    computing = computing or ComputeConfig()
    writer, kept = writers.writer_of(out), out.with_name(f"{out.name}.partial")
    _check_paths(run, out, kept, resume)
    quiet_libraries()
    restored = load_predictor(run.path, computing.on_all_devices())
    with tempfile.TemporaryDirectory(prefix="toolkit-") as folder:
        given = _Input.read(source, restored, Path(folder), split)
        head = {"model": weights_digest(run.path / "model"), "runtime": computing.runtime,
                "dtype": computing.dtype, "input": given.digest}  # fmt: skip
        _predict(restored, given, _Kept(kept, head, resume), console or Console(quiet=True))
        why = out.with_name(f"{out.name}.rejected.jsonl")
        writers.write_rejected(why, given.rejected())
        _join(given, kept, out, writer)
    kept.unlink()
    return PredictedFile(out, len(given.rows), len(given.wrong), why)


def _check_paths(run: Run, out: Path, kept: Path, resume: bool) -> None:
    """Raise UserError if there is no model, or the output cannot be written."""
    if run.status != "finished":
        raise UserError(f"{run.path} is {run.status}: only a finished run has a model to predict")
    if os.path.lexists(out):
        raise UserError(f"{out} exists already; name a new file")
    if not out.parent.is_dir():
        raise UserError(f"{out} cannot be written: {out.parent} is not a folder")
    if kept.exists() and not resume:
        raise UserError(f"{kept} is left from an earlier call: continue it with --resume, or "
                        "delete it")  # fmt: skip


@dataclass
class _Input:
    """rows: those that can be predicted. columns: those of the input.

    wrong: place of a row in the input, from 1 on -> why it is rejected, and its content.
    """

    rows: datasets.Dataset
    columns: list[str]
    wrong: dict[int, tuple[str, Any]]
    digest: str

    @classmethod
    def read(
        cls, source: str, restored: Predictor, folder: Path, split: str | None = None
    ) -> _Input:
        """Read a file, with the same checks of rows as before training."""
        plugin = restored.plugin
        markers = column_markers(type(plugin.options))
        named = {option: (name, markers[option.split(".")[0]])
                 for option, name in columns(plugin.options).items()}  # fmt: skip
        path, numbers, wrong = source, None, dict[int, tuple[str, Any]]()
        if source == STDIN or source.lower().endswith(LINES):
            clean = folder / "rows.jsonl"
            with sys.stdin.buffer if source == STDIN else _opened(Path(source)) as lines:
                numbers, wrong = _copy_objects(lines, clean, named)
            path = str(clean)
        ragged = RaggedRows(folder / "csv")
        rename = plugin.recipe.data.rename if plugin.recipe else {}
        raw, digest = prediction_rows.read_prediction_rows(
            path, named, rename, source, split, plugin, ragged
        )
        for number, text in ragged.rows:
            wrong[number] = "has another number of fields than the header", text[:1000]
        if writers.COLUMN in raw.column_names:
            what = f"has a column {writers.COLUMN!r}, which is reserved for the output"
            raise DataError(Fault(source, what))
        if numbers is None:
            numbers = np.setdiff1d(np.arange(1, len(raw) + len(wrong) + 1), list(wrong))
        inputs = [name for name, mark in named.values() if mark.role == "input"]
        unusable = prediction_rows.unusable_rows(raw, inputs, plugin)
        for row, why in unusable.items():
            wrong[int(numbers[row])] = why, raw.with_format("arrow")[row : row + 1]
        usable = np.setdiff1d(np.arange(len(raw)), list(unusable))
        rows = plugin.add_features(raw.select(usable)) if len(usable) else raw.select(usable)
        return cls(rows, raw.column_names, wrong, digest)

    def window(self, start: int, *, whole: bool) -> pa.Table:
        """Return rows; whole: with the columns that the plugin has added."""
        found = self.rows.with_format("arrow")[start : start + WINDOW]
        return found if whole else writers.without_bytes(found.select(self.columns))

    def rejected(self) -> list[dict[str, Any]]:
        """Return the rejected rows, in their order."""
        found = []
        for number in sorted(self.wrong):
            why, held = self.wrong[number]
            text = isinstance(held, str)
            cells = {"line": held} if text else writers.without_bytes(held).to_pylist()[0]
            found.append({"row": number, "reason": why, **cells})
        return found


def _opened(path: Path) -> IO[bytes]:
    sources.find_sources(str(path))  # names the nearest existing file
    return path.open("rb")


def _copy_objects(
    lines: IO[bytes], clean: Path, named: Mapping[str, tuple[str, Column]]
) -> tuple[Any, dict[int, tuple[str, Any]]]:
    """Copy the lines that are JSON objects; return their numbers, and what is wrong with others."""
    texts = [name for name, mark in named.values() if mark.as_text and mark.role != "target"]
    numbers, wrong = array("q"), {}
    with clean.open("w", encoding="utf-8") as file:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                file.write(_normalized(json.loads(line), texts) + "\n")
                numbers.append(number)
                continue
            except RecursionError:
                why = "is nested too deeply"
            except DataError as error:
                why = str(error)
            except ValueError as error:  # also NaN, or half a character
                why = f"is not JSON: {error}"
            wrong[number] = why, line[:1000].decode("utf-8", "replace").strip()
    if not numbers:
        raise DataError(Fault("the input", f"holds no JSON object in its {len(wrong):,} lines"))
    return np.array(numbers), wrong


def _normalized(row: Any, texts: list[str]) -> str:
    """Return a row as a line of JSON, numbers in columns of texts as text.

    Raises:
        DataError: it is not an object, or has a list or an object in a column of texts.
        ValueError: it cannot be written as JSON in UTF-8.
    """
    if not isinstance(row, dict):
        raise DataError("is not a JSON object")
    if odd := [name for name in texts if isinstance(row.get(name), dict | list)]:
        raise DataError(f"{listing(odd)} is not text")
    row |= {name: str(row[name]) for name in texts if row.get(name) is not None}
    found = json.dumps(row, ensure_ascii=False, allow_nan=False)
    found.encode()
    return found


class _Kept:
    """Predictions kept beside the output: a line that identifies them, and one for each row.

    Args:
        head: the model and the input.
        resume: whether to continue after the last complete line.

    rows: how many there are already.

    Raises:
        UserError: the file belongs to another run or another input.
    """

    def __init__(self, path: Path, head: Mapping[str, str], resume: bool) -> None:
        self.path, self.rows, end = path, -1, 0
        first = f"{json.dumps(head)}\n".encode()
        path.open("ab" if resume else "wb").close()
        with path.open("r+b") as file:
            for line in file:
                if self.rows < 0 and line.endswith(b"\n") and line != first:
                    raise UserError(f"{path} belongs to another model or another input: delete it")
                if line.endswith(b"\n"):
                    self.rows, end = self.rows + 1, end + len(line)
            file.truncate(end)
            if not end:
                file.seek(0)
                file.write(first)
                self.rows = 0

    def add(self, predictions: list[Any], files: FileStore) -> None:
        """Append the predictions of the next rows."""
        with self.path.open("a", encoding="utf-8") as file:
            for found in predictions:
                file.write(jsonable.line(found, files.default) + "\n")
                files.row += 1
            file.flush()
            os.fsync(file.fileno())


def _predict(restored: Predictor, given: _Input, kept: _Kept, console: Console) -> None:
    import datasets
    from datasets.table import InMemoryTable

    files = FileStore(
        kept.path.parent, kept.path.name.removesuffix(".partial") + ".files", kept.rows
    )
    starts = range(kept.rows, len(given.rows), WINDOW)
    for start in track(starts, "predicting", console=console, disable=not console.is_terminal):
        table = InMemoryTable(given.window(start, whole=True))
        kept.add(restored.predictions(datasets.Dataset(table, info=given.rows.info)), files)


def _join(given: _Input, kept: Path, out: Path, writer: writers.Writer) -> None:
    """Write rows and predictions together, under another name until the file is complete."""
    target = out.with_name(f"{out.name}.writing")
    with kept.open(encoding="utf-8") as lines, writer(target) as add:
        next(lines)
        for start in range(0, len(given.rows), WINDOW):
            table = given.window(start, whole=False)
            add(table, [json.loads(next(lines)) for _ in range(len(table))])
    if target.exists():
        os.replace(target, out)
    else:  # no row could be predicted
        out.touch()
