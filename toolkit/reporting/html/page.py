"""The report: its sections put together, and written as one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from toolkit.errors import UserError
from toolkit.plugin_types import Curve
from toolkit.reporting import (
    examples,
    explanations,
    images,
    kept_rows,
    prediction_arrays,
    templates,
    terminal,
    verdicts,
)
from toolkit.reporting.formatting import sentence, words
from toolkit.reporting.html import explanations as moved
from toolkit.reporting.html import failures, headline, provenance, training, trust
from toolkit.reporting.html.parts import Picture
from toolkit.runs.folder import EVALUATES, Run
from toolkit.training import log_history
from toolkit.utils.files import write_atomically
from toolkit.utils.pictures import FORMATS

if TYPE_CHECKING:
    import datasets

    from toolkit.evaluation.baselines import Attempt
    from toolkit.plugin import Plugin
    from toolkit.reporting.prediction_arrays import PredictionArrays
    from toolkit.runs.writer import RunWriter

FILE = "report.html"
PICTURES = 8  # drawn by a plugin, that are shown
ROOM = 1_500_000  # characters of all of them together
WIDEST = 1000  # pixels


def write_first(
    plugin: Plugin[Any],
    test: datasets.Dataset,
    folder: RunWriter,
    attempt: Attempt,
    sharded: bool = False,
) -> None:
    """Write the report at the end of a run, and keep what it shows of the test rows.

    Args:
        sharded: whether this process holds a part of the model only.
    """
    reading = _read(folder.path, folder.record)
    folder.write(calibration=trust.calibration(folder.record, reading))
    with attempt("report", "example rows"):
        examples.write_examples(plugin, test, folder.path, reading)
        kept_rows.write(plugin, test, folder.path)
    with attempt("report", "explanations"):
        kinds = examples.read_examples(folder.path).kinds
        explanations.write_explanations(plugin, test, folder, kinds, sharded)
    # As in the file, where NaN is null: the page is the same when it is written again.
    _write(Run(folder.path), reading, folder.path / FILE)


def write(run: Run, target: Path | None = None) -> Path:
    """Write the report of a finished run from what its folder holds; return where it is.

    Raises:
        UserError: the run is not finished, its predictions are gone, or `target` cannot be written.
    """
    if run.status != "finished":
        raise UserError(f"{run.path} is {run.state}: only a finished run has a report")
    target = target or run.path / FILE
    try:
        reading = _read(run.path, run.record)
    except OSError as error:
        file = run.path / "predictions.jsonl"
        raise UserError(f"{file} cannot be read: {error.strerror or error}") from None
    try:
        _write(run, reading, target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror or error}") from None
    return target


def _write(run: Run, reading: PredictionArrays, target: Path) -> None:
    file, recipe = run.path / "recipe.yaml", "(recipe.yaml is not there)"
    with suppress(OSError):
        recipe = file.read_text(encoding="utf-8", errors="replace")
    write_atomically(target, _page(run.path, run.record, reading, run.path, recipe, True))


def published(run: Run, record: Mapping[str, Any], recipe: str, rows: bool) -> str:
    """Return the page for readers elsewhere.

    Args:
        record, recipe: run.json and recipe.yaml as they may be read there.
        rows: whether rows of the test split, and images that a plugin has drawn, are shown.

    Raises:
        UserError: predictions or figures are damaged.
        OSError: predictions.jsonl cannot be read.
    """
    name = Path(run.path.resolve().name)
    return _page(run.path, record, _read(run.path, record), name, recipe, rows)


def _read(run: Path, record: Mapping[str, Any]) -> PredictionArrays:
    file, fitted = run / "predictions.jsonl", record.get("calibration") or {}
    try:
        return prediction_arrays.read(file, fitted.get("temperature"), record.get("positive"))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged: {type(error).__name__}: {error}") from None


def _page(
    run: Path,
    record: Mapping[str, Any],
    reading: PredictionArrays,
    name: Path,
    recipe: str,
    rows: bool,
) -> str:
    """Return the page. name: the folder as commands name it. The other arguments as above."""
    kept = examples.read_examples(run) if rows else None
    pictures = list(_pictures(run, record)) if rows else []
    explained = explanations.read_explanations(run)
    sections = [
        headline.section(record, list(terminal.warnings(record))),
        failures.section(record, reading, kept, pictures, explained),
        *moved.sections(explained),
        trust.section(record, reading, dict(_curves(run, record))),
        *([] if EVALUATES in record else [training.section(record, log_history.read(run))]),
        provenance.section(record, name, recipe),
    ]
    return templates.render("page.html.jinja", record=record, sections=sections,
                            verdict=verdicts.verdict(record))  # fmt: skip


def _curves(run: Path, record: Mapping[str, Any]) -> Iterator[tuple[str, Curve]]:
    """Yield what a plugin has drawn as lines, by name."""
    for name, path in (record.get("figures") or {}).items():
        file = (run / "figures" / Path(path).name).with_suffix(".json")
        if path.endswith(".svg") and file.is_file():
            try:
                yield name, TypeAdapter(Curve).validate_json(file.read_bytes())
            except ValidationError as error:
                raise UserError(f"{file} is damaged: {error.errors()[0]['msg'].lower()}") from None


def _pictures(run: Path, record: Mapping[str, Any]) -> Iterator[Picture]:
    """Yield what a plugin has drawn as images, small enough for one file together."""
    from PIL import Image

    left = ROOM
    paths = {n: p for n, p in (record.get("figures") or {}).items() if p.endswith(".png")}
    for name, path in list(paths.items())[:PICTURES]:
        file = run / "figures" / Path(path).name
        if not file.is_file():
            continue
        try:
            with Image.open(file, formats=FORMATS) as image:
                small = image.convert("RGB")
        except (OSError, ValueError, SyntaxError) as error:
            raise UserError(f"{file} is damaged: {error}") from None
        small.thumbnail((WIDEST, 4 * WIDEST))
        data = images.as_jpeg(small, 75)
        left -= len(data)
        if left >= 0:
            yield Picture(sentence(words(name)), data, small.width, small.height)
