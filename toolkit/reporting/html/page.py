"""The page: all sections put together, and written into a run's folder as one file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import UserError
from toolkit.plugin_types import Curve
from toolkit.reporting import examples, prediction_arrays, terminal
from toolkit.reporting.html import failures, headline, provenance, training, trust
from toolkit.reporting.html.parts import Picture, Section, sentence, words
from toolkit.runs.folder import Run
from toolkit.training import log_history

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin
    from toolkit.reporting.prediction_arrays import PredictionArrays
    from toolkit.runs.writer import RunWriter

FILE = "report.html"
PICTURES = 8  # drawn by a plugin, that are shown
ROOM = 1_500_000  # characters of all of them together
WIDEST = 1000  # pixels


def write_first(plugin: Plugin[Any], test: datasets.Dataset, folder: RunWriter) -> None:
    """Write the report at the end of a run, and keep what it shows of the test rows."""
    read = _read(folder.path, folder.record)
    folder.write(calibration=trust.calibration(folder.record, read))
    examples.keep(plugin, test, folder.path, read)
    # As it stands in the file, where what is no number is null: the same page comes of it later.
    _write(folder.path, Run(folder.path).record, read, folder.path / FILE)


def write(run: Run, target: Path | None = None) -> Path:
    """Write the report of a finished run from what its folder holds; return where it is.

    Raises:
        UserError: the run is not finished, its predictions are gone, or `target` cannot be written.
    """
    if run.status != "finished":
        raise UserError(f"{run.path} is {run.status}: only a finished run has a report")
    target, file = target or run.path / FILE, run.path / "predictions.jsonl"
    try:
        read = _read(run.path, run.record)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged: {type(error).__name__}: {error}") from None
    try:
        _write(run.path, run.record, read, target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror or error}") from None
    return target


def published(run: Run, record: Mapping[str, Any], recipe: str, rows: bool) -> str:
    """Return the page for readers elsewhere.

    Args:
        record, recipe: run.json and recipe.yaml as they may be read there.
        rows: whether rows of the test split, and pictures that a plugin has drawn, are shown.

    Raises:
        UserError: predictions or figures are damaged.
        OSError: predictions.jsonl cannot be read.
    """
    from toolkit.reporting.html import templates

    try:
        read = _read(run.path, record)
    except (ValueError, KeyError, TypeError) as error:
        file = run.path / "predictions.jsonl"
        raise UserError(f"{file} is damaged: {type(error).__name__}: {error}") from None
    name = Path(run.path.resolve().name)
    return templates.render(record, list(_sections(run.path, record, read, name, recipe, rows)))


def _read(run: Path, record: Mapping[str, Any]) -> PredictionArrays:
    temperature = (record.get("calibration") or {}).get("temperature")
    return prediction_arrays.read(run / "predictions.jsonl", temperature, record.get("positive"))


def _write(run: Path, record: Mapping[str, Any], read: PredictionArrays, target: Path) -> None:
    from toolkit.reporting.html import templates

    text = templates.render(record, sections(run, record, read))
    partial = target.with_name(f"{target.name}.partial")
    partial.write_text(text, encoding="utf-8", errors="replace")
    os.replace(partial, target)


def sections(run: Path, record: Mapping[str, Any], read: PredictionArrays) -> list[Section]:
    """Return the sections in the order in which a reader asks."""
    return list(_sections(run, record, read, run, provenance.recipe_text(run), True))


def _sections(
    run: Path,
    record: Mapping[str, Any],
    read: PredictionArrays,
    name: Path,
    recipe: str,
    rows: bool,
) -> Iterator[Section]:
    curves = dict(_curves(run, record))
    kept, pictures = (examples.read(run), list(_pictures(run, record))) if rows else (None, [])
    yield headline.section(record, list(terminal.warnings(record)))
    yield failures.section(record, read, kept, pictures)
    yield trust.section(record, read, curves)
    yield training.section(record, log_history.read(run))
    yield provenance.section(record, name, recipe)


def _curves(run: Path, record: Mapping[str, Any]) -> Iterator[tuple[str, Curve]]:
    """Yield what a plugin has drawn as lines, by name."""
    from pydantic import TypeAdapter, ValidationError

    for name, path in (record.get("figures") or {}).items():
        file = (run / "figures" / Path(path).name).with_suffix(".json")
        if path.endswith(".svg") and file.is_file():
            try:
                yield name, TypeAdapter(Curve).validate_json(file.read_bytes())
            except ValidationError as error:
                raise UserError(f"{file} is damaged: {error.errors()[0]['msg'].lower()}") from None


def _pictures(run: Path, record: Mapping[str, Any]) -> Iterator[Picture]:
    """Yield what a plugin has drawn as pictures, small enough for one file together."""
    from PIL import Image

    left = ROOM
    paths = {n: p for n, p in (record.get("figures") or {}).items() if p.endswith(".png")}
    for name, path in list(paths.items())[:PICTURES]:
        file = run / "figures" / Path(path).name
        if not file.is_file():
            continue
        try:
            with Image.open(file) as image:
                small = image.convert("RGB")
        except (OSError, ValueError, SyntaxError) as error:
            raise UserError(f"{file} is damaged: {error}") from None
        small.thumbnail((WIDEST, 4 * WIDEST))
        data = examples.as_jpeg(small, 75)
        left -= len(data)
        if left >= 0:
            yield Picture(sentence(words(name)), data, small.width, small.height)
