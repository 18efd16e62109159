"""Predictions for a file of rows: `toolkit predict`.

Rows are predicted a window at a time, so that memory does not grow with them. Predictions are first
kept beside the output, a line per row; an interrupted call continues after the last complete line.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic_core import from_json
from rich.console import Console
from rich.progress import track

from toolkit.data import prediction_rows, sources
from toolkit.data.reader import RaggedRows
from toolkit.deployment import partial_file, writers
from toolkit.deployment.json_rows import copy_objects
from toolkit.deployment.windows import FEW, WINDOW, Line, windows
from toolkit.errors import DataError, Fault, UserError
from toolkit.models.find import weights_digest
from toolkit.plugin_types.columns import marked
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.folder import Run
from toolkit.runs.prediction_files import FileStore, stems_of
from toolkit.runs.predictor import Predictor, load_predictor, plugin_of
from toolkit.utils import jsonable
from toolkit.utils.files import writing
from toolkit.utils.logging import quiet_libraries

if TYPE_CHECKING:
    import datasets

    from toolkit.recipe.draft import KeyPath
    from toolkit.runner.on_ray.spec import RaySpec

STDIN = "-"
LINES = (".jsonl", ".ndjson")


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
    raw: bool = False,
    settings: Iterable[tuple[KeyPath, Any]] = (),
    columns: Mapping[str, str] = MappingProxyType({}),
    explain: int | None = None,
    ray: RaySpec | None = None,
) -> PredictedFile:
    """Predict the rows of a file, and write them with all their columns.

    Args:
        source: any data source of recipes, a folder of files, or "-": JSON lines from stdin.
        out: a new file that ends in .jsonl, .csv or .parquet.
        resume: continue an interrupted call with the same arguments.
        computing: otherwise in float32, on all GPUs or the processor.
        split: which one, where the source has several.
        raw: keep texts in csv that a spreadsheet would execute.
        settings: what is read otherwise than the run's data was, as `spec_of` takes it.
        columns: the model's name of a column -> what it is called in the source.
        explain: how many parts of each row's explanation are written; None: no explanation.
        ray: the workers of a cluster that have the model; None: here.

    Raises:
        UserError: the run is not finished, the input cannot be read, lacks a column or has no row
            that can be predicted, `out` exists, or this machine cannot compute as `computing` says.
    """
    computing, console = computing or ComputeConfig(), console or Console(quiet=True)
    writer, kept = writers.writer_of(out, raw), out.with_name(f"{out.name}.partial")
    _check_paths(run, source, out, kept, resume)
    quiet_libraries()
    restored = (load_predictor(run.path, computing.on_all_devices()) if ray is None
                else Predictor(plugin_of(run.path)))  # fmt: skip  # the workers have the model
    with tempfile.TemporaryDirectory(prefix="toolkit-") as folder:
        given = _Input.read(source, restored, Path(folder), split, settings, columns)
        why = out.with_name(f"{out.name}.rejected.jsonl")
        if explain and writers.EXPLANATION in given.given.column_names:
            raise DataError(_reserved(source, writers.EXPLANATION))
        if not len(given.rows):
            raise _none_left(source, given.write_rejected(why), why)
        head = {"model": run.record.get("model_files") or weights_digest(run.path / "model"),
                "runtime": computing.runtime, "dtype": computing.dtype,
                "input": given.digest}  # fmt: skip
        head |= {"explain": str(explain)} if explain else {}
        done = partial_file.start(kept, head, resume)
        with _windows(run, restored, given, done, (computing, explain, ray)) as (made, count):
            shown = track(made, "predicting", count, console=console,
                          disable=not console.is_terminal)  # fmt: skip
            _predict(shown, given, kept, done)
        if restored.rounding is not None:
            console.print(str(restored.rounding))
        predicted = _join(given, kept, out, writer)
        rejected = given.write_rejected(why)
    kept.unlink()
    return PredictedFile(out, predicted, rejected, why)


def _check_paths(run: Run, source: str, out: Path, kept: Path, resume: bool) -> None:
    """Raise UserError if there is no model or input, or the output cannot be written."""
    if run.status != "finished":
        raise UserError(f"{run.path} is {run.status}: only a finished run has a model to predict")
    if os.path.lexists(out):
        raise UserError(f"{out} exists already; name a new file")
    if not out.parent.is_dir():
        raise UserError(f"{out} cannot be written: {out.parent} is not a folder")
    if os.path.lexists(kept) and (not resume or kept.is_symlink()):
        what = f"{kept} is left from an earlier call: continue it with --resume, or delete it"
        raise UserError(what)
    if source != STDIN and (faults := sources.missing(source)):
        raise DataError(faults)  # now, not after seconds of imports


def _reserved(source: str, column: str) -> Fault:
    return Fault(source, f"has a column {column!r}, which is reserved for the output")


def _shown(source: str) -> str:
    return "stdin" if source == STDIN else source


def _none_left(source: str, rejected: int, why: Path) -> DataError:
    what = f"none of its {rejected:,} rows can be predicted; the reasons are in {why}"
    return DataError(Fault(_shown(source), what))


@dataclass
class _Input:
    """rows: those that can be predicted. numbers: theirs in the input, from 1 on.

    given: the same rows as the input has them. wrong: number of a rejected row, why, and its
    content. dropped: reason -> rows that the plugin has dropped. files: the inputs that are files.
    """

    rows: datasets.Dataset
    numbers: Any
    given: datasets.Dataset
    wrong: list[tuple[int, str, Any]]
    dropped: Mapping[str, int]
    digest: str
    files: Sequence[str] = ()

    @classmethod
    def read(
        cls,
        source: str,
        restored: Predictor,
        folder: Path,
        split: str | None,
        settings: Iterable[tuple[KeyPath, Any]],
        columns: Mapping[str, str],
    ) -> _Input:
        """Read a file, with the same checks of rows as before training."""
        plugin = restored.plugin
        spec = prediction_rows.spec_of(source, plugin, settings)
        prediction_rows.require_read(columns, plugin)
        named = marked(plugin.options)
        numbers, wrong = None, list[tuple[int, str, Any]]()
        if source == STDIN or source.lower().endswith(LINES):
            clean = folder / "rows.jsonl"
            if source != STDIN:
                sources.find_sources(source)  # names the nearest existing file
            with sys.stdin.buffer if source == STDIN else Path(source).open("rb") as lines:
                old = {new: name for name, new in spec.rename.items()} | dict(columns)
                numbers, wrong = copy_objects(lines, clean, named, spec.encoding, old)
            spec = spec.model_copy(update={"source": str(clean), "encoding": "utf-8"})
        ragged = RaggedRows(folder / "csv")
        shown = _shown(source)
        found = prediction_rows.read_prediction_rows(spec, plugin, shown, split, ragged, columns)
        raw, given, fields = found.rows, found.given, "has another number of fields than the header"
        wrong += [(number, fields, text[:1000]) for number, text in ragged.rows]
        if writers.COLUMN in given.column_names:
            raise DataError(_reserved(source, writers.COLUMN))
        if numbers is None:
            known = [number for number, _, _ in wrong]
            numbers = np.setdiff1d(np.arange(1, len(raw) + len(known) + 1), known)
        if len(numbers) != len(raw):  # reshaped: these rows are no longer those of the input
            numbers = np.arange(1, len(raw) + 1)
        inputs = [name for name, mark in named.values() if mark.role == "input"]
        unusable = prediction_rows.unusable_rows(raw, inputs, plugin) | found.wrong
        wrong += [(int(numbers[row]), why, given.with_format("arrow")[row : row + 1])
                  for row, why in unusable.items()]  # fmt: skip
        usable = np.setdiff1d(np.arange(len(raw)), list(unusable))
        rows = plugin.add_features(raw.select(usable)) if len(usable) else raw.select(usable)
        given = given.select(usable)
        files = [name for name in inputs if dict(named.values())[name].files]
        return cls(rows, numbers[usable], given, wrong, found.dropped, found.digest, files)

    def paths(self) -> list[str]:
        """Return a file of each column of files, as far as rows name them."""
        found = []
        for name in self.files:
            cell = self.rows.with_format("arrow")[0:1][name].to_pylist()[0]
            path = cell.get("path") if isinstance(cell, dict) and not cell.get("bytes") else cell
            found += [path] if isinstance(path, str) and os.path.isabs(path) else []
        return found

    def write_rejected(self, path: Path) -> int:
        """Write the rejected rows with their reasons, and return how many there are.

        There is no file if there are none.
        """
        lines = [{"row": None, "reason": why, "rows": count} for why, count in self.dropped.items()]
        for number, why, held in sorted(self.wrong, key=itemgetter(0)):
            text = isinstance(held, str)
            cells = {"line": held} if text else writers.without_bytes(held).to_pylist()[0]
            lines.append({"row": number, "reason": why, **cells})
        path.unlink(missing_ok=True)  # of an earlier call
        if lines:
            with writing(path) as file:
                file.writelines(jsonable.line(line) + "\n" for line in lines)
        return len(self.wrong) + sum(self.dropped.values())


def _predict(windows: Iterable[list[Any]], given: _Input, kept: Path, done: int) -> None:
    """Write what is made of the rows from `done` on, a line each."""
    out, start = kept.with_suffix(""), done
    files = FileStore(out.parent, f"{out.name}.files", done)
    with kept.open("a", encoding="utf-8") as file:
        for found in windows:
            table = given.rows.with_format("arrow")[start : start + len(found)]
            named = zip(stems_of(table, given.files), found, strict=True)
            for files.row, (files.stem, one) in enumerate(named, start):
                line = one if isinstance(one, Line) else jsonable.line(one, files.default)
                file.write(f"{line}\n")
            file.flush()
            os.fsync(file.fileno())
            start += len(found)


@contextmanager
def _windows(
    run: Run,
    restored: Predictor,
    given: _Input,
    done: int,
    how: tuple[ComputeConfig, int | None, RaySpec | None],
) -> Iterator[tuple[Iterator[list[Any]], int]]:
    """Yield what is made of each window, and how many there are; here, or on a cluster."""
    computing, explain, ray = how
    if ray is not None:
        from toolkit.deployment import on_ray

        with on_ray.windows(
            ray, run.path, computing, explain, given.rows, done, given.paths()
        ) as found:
            yield found
        return
    restored.settle(given.rows)  # by rows of the whole file, wherever an earlier call stopped
    made = partial(restored.explanations, top=explain) if explain else restored.predictions
    step = FEW if explain else WINDOW
    yield windows(made, given.rows, done, step), len(range(done, len(given.rows), step))


def _join(given: _Input, kept: Path, out: Path, writer: writers.Writer) -> int:
    """Write rows and predictions together, and return how many there are."""
    predicted = 0
    rows = given.given.with_format("arrow")
    with kept.open("rb") as lines, writing(out, "wb") as file, writer(file) as add:
        next(lines)
        for start in range(0, len(rows), WINDOW):
            table = writers.without_bytes(rows[start : start + WINDOW])
            found = [from_json(next(lines)) for _ in range(len(table))]
            good = [place for place, one in enumerate(found) if not isinstance(one, str)]
            given.wrong += [(int(given.numbers[start + place]), one, table[place : place + 1])
                            for place, one in enumerate(found) if isinstance(one, str)]  # fmt: skip
            predicted += len(good)
            if good:
                add(table.take(good), [found[place] for place in good])
    return predicted
