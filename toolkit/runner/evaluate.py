"""New labelled rows scored as a run's test split was: `toolkit evaluate`.

The rows are predicted by the saved model, as `toolkit predict` does it. Intervals, slices and
overlap are those of a run; the run's baselines are fitted again on its training rows, where these
are still there. What comes of it is a folder like a run's, without a model, so that report and
comparison read it as they read a run.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from toolkit.data import LoadedData, known_inputs
from toolkit.data.caches import writing_cache
from toolkit.data.in_memory import Source
from toolkit.data.labelled_rows import note_seen
from toolkit.data.sources import missing
from toolkit.errors import DataError, UserError
from toolkit.models.auto import loading
from toolkit.plugin.blame import blamed
from toolkit.recipe.draft import rooted
from toolkit.reporting import figures, html
from toolkit.runner import facts, failures, score
from toolkit.runner.evaluation_rows import (
    Reading,
    bring_together,
    new_rows,
    reader_of,
    unknown_classes,
)
from toolkit.runner.prepare import Clock, find_base, import_libraries
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.folder import EVALUATES, Run
from toolkit.runs.predictor import KEPT, load_predictor
from toolkit.runs.writer import RunWriter, fresh
from toolkit.utils import hardware
from toolkit.utils.logging import quiet_libraries

if TYPE_CHECKING:
    import datasets

    from toolkit.evaluation.baselines import Attempt
    from toolkit.evaluation.scoring import Draws, Scores
    from toolkit.plugin import Plugin
    from toolkit.recipe.schema import Recipe

FOLDER = "evaluations"  # within the run's folder
#: What an evaluation's record has of its run.
TAKEN = ("recipe", "scenario", "model", "model_files", "headline", "seed", "method", "parameters",
         "calibration", "reload")  # fmt: skip


@dataclass
class _Evaluation:
    """What `score` scores.

    reader: the plugin that has read the run's own rows, with the new ones as its test split; or why
    these cannot be had.
    """

    recipe: Recipe
    plugin: Plugin[Any]
    loaded: LoadedData
    reader: Plugin[Any] | str
    clock: Clock
    prepared: dict[str, datasets.Dataset] = field(default_factory=dict)


def evaluate(
    run: Run,
    source: Source,
    out: Path | None = None,
    console: Console | None = None,
    *,
    reading: Reading | None = None,
    computing: ComputeConfig | None = None,
    baselines: bool = True,
) -> Run:
    """Score a finished run's model on new labelled rows; return the evaluation.

    Args:
        source: any data source of recipes; all its rows are test rows.
        out: a new folder; RUN/evaluations/<time> where not given.
        console: where progress is shown; None is silent.
        baselines: whether the run's baselines are fitted, and scored on the same rows.

    Raises:
        UserError: the run is not finished, or the rows cannot be used.
        ToolkitError: a hook of the plugin fails.
    """
    console, reading = console or Console(quiet=True), reading or Reading()
    source, how = rooted(source, Path.cwd()), computing or ComputeConfig()
    if run.status != "finished":
        raise UserError(f"{run.path} is {run.status}: only a finished run has a model to evaluate")
    if faults := missing(source):
        raise DataError(faults)  # now, not after seconds of imports
    clock = Clock()
    with clock.phase("imports"):
        quiet_libraries()
        import_libraries()
    with writing_cache():
        found = _prepared(run, source, reading, how, baselines, clock)
        folder = RunWriter.create(out or fresh(run.path / FOLDER), run.record["recipe"])
        try:
            with blamed(found.plugin):
                folder.write(**_about(run, found, source, folder.path, how))
                _score_and_report(found, folder, console, baselines)
            folder.finish()
        except BaseException:
            shutil.rmtree(folder.path, ignore_errors=True)  # half of an evaluation is of no use
            raise
        finally:
            folder.release()
    return Run(folder.path)


def _prepared(
    run: Run,
    source: Source,
    reading: Reading,
    computing: ComputeConfig,
    baselines: bool,
    clock: Clock,
) -> _Evaluation:
    """Load the model and the rows, and bring these into the shape of the run's."""
    with clock.phase("model"):
        plugin = load_predictor(run.path, computing).plugin
    recipe = plugin.recipe
    assert recipe is not None  # noqa: S101 - `plugin_of` reads it
    with clock.phase("data"):
        loaded = new_rows(plugin, recipe, source, reading)
        note_seen(loaded, str(run.path), known_inputs.read(plugin.model_path))
        reader = reader_of(run, recipe)
        plugin = bring_together(plugin, loaded, reader)
        loaded.notes += unknown_classes(plugin, loaded)
    with clock.phase("prepare"), blamed(plugin):
        prepared = {"test": plugin.prepare(loaded.splits["test"], "test")}
    return _Evaluation(recipe, plugin, loaded, reader, clock, prepared)


def _about(
    run: Run, found: _Evaluation, source: Source, folder: Path, how: ComputeConfig
) -> dict[str, Any]:
    """Return what is known before scoring, in the keys of run.json."""
    loaded, record = found.loaded, run.record
    inside = folder.is_relative_to(run.path.resolve())
    place = Path("..", "..") if inside else run.path.resolve()
    there = loaded.splits["test"].column_names
    slices = found.recipe.report.slices
    loaded.notes += [f"no slices by {name!r}: the rows have no such column"
                     for name in slices if name not in there]  # fmt: skip
    report = found.recipe.report.model_copy(update={"slices": [n for n in slices if n in there]})
    found.recipe = found.recipe.model_copy(update={"report": report})
    size = int(found.recipe.training.get("per_device_eval_batch_size", 64))
    return {
        **{name: record[name] for name in TAKEN if name in record},
        EVALUATES: {"run": str(place), "runtime": how.runtime, "dtype": how.dtype},
        "data": {**facts.data(loaded, source), "rows": {
            "train": record["data"]["rows"]["train"], "test": len(loaded.splits["test"]),
        }},
        "devices": {
            "type": next(found.plugin.model.parameters()).device.type, "processes": 1,
            "batch": {"rows_per_step": size, "reduced": []}, "notes": [],
        },
        "environment": hardware.describe(),
        "failed_parts": [],
    }  # fmt: skip


def _score_and_report(
    found: _Evaluation, folder: RunWriter, console: Console, baselines: bool
) -> None:
    phase, optional = found.clock.phase, partial(failures.optional, folder)
    console.print(f"scoring {len(found.loaded.splits['test']):,} rows", style="dim")
    with phase("score"):
        metrics, slices, draws = score.evaluate(found, folder)
    with phase("score"), optional("figures", "all"):
        folder.write(figures=figures.write(folder.path, score.figures(found, folder), optional))
    with phase("score"), optional("tables", "all"):
        folder.write(tables=score.tables(found, folder))
    scores, rows, verdicts = {}, {}, {}
    with phase("baselines"):
        if not isinstance(found.reader, str) and baselines:
            console.print("fitting the baselines", style="dim")
            own = (metrics["test"], draws)
            scores, rows, verdicts = _baselines(found, folder, own, optional)
        elif baselines:
            found.loaded.notes.append(f"no baselines: the run's training rows {found.reader}")
    notes = {**folder.record["data"], "notes": found.loaded.notes}
    folder.write(metrics=metrics, slices=slices, baselines=scores, baseline_rows=rows,
                 verdicts=verdicts, data=notes, speed=_speed(found.clock))  # fmt: skip
    with optional("report", html.FILE):
        html.write_first(found.plugin, found.loaded.splits["test"], folder, optional)


def _baselines(
    found: _Evaluation,
    folder: RunWriter,
    own: tuple[Scores, Draws],
    attempt: Attempt,
) -> Any:
    """Fit the run's baselines on its training rows, and score them on the new ones.

    They start from the pretrained model, as in the run, and not from the fine-tuned one.
    """
    reader = found.reader
    assert not isinstance(reader, str)  # noqa: S101 - the caller has looked
    scores: Any = ({}, {}, {})
    with attempt("baselines", "all"):
        base = find_base(found.recipe)
        kept = {name: getattr(found.plugin, name) for name in KEPT}
        plugin = reader.with_(model_path=base.path, model=found.plugin.model, **kept)
        with loading(f"model {base.id!r} ({base.path}) cannot be loaded"), blamed(plugin):
            plugin.processor = plugin.load_processor()
        data = plugin.data or {}
        prepared = {str(name): plugin.prepare(rows, str(name)) for name, rows in data.items()}
        job = replace(found, plugin=plugin, prepared=prepared)
        scores = score.baselines(job, folder, own, attempt)
    return scores


def _speed(clock: Clock) -> dict[str, Any]:
    seconds = {"train": 0.0, "score": 0.0, "baselines": 0.0, **clock.seconds}
    total = clock.spent()
    fixed = total - seconds["score"] - seconds["baselines"]
    return {"train_seconds": 0.0, "train_samples_per_second": 0.0, "total_seconds": total,
            "fixed_seconds": fixed, "phases": seconds}  # fmt: skip
