"""New labelled rows scored as a run's test split was: `toolkit evaluate`.

The rows are predicted by the saved model, as `toolkit predict` does it. Intervals, slices and
overlap are those of a run; the run's baselines are fitted again on its training rows, where these
are still there. What comes of it is a folder like a run's, without a model, so that report and
comparison read it as they read a run.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from toolkit.data import ClassLabels, LoadedData, known_inputs, prediction_rows
from toolkit.data.caches import writing_cache
from toolkit.data.labelled_rows import like_train, load_labelled, note_seen
from toolkit.errors import DataError, Fault, UserError
from toolkit.models.auto import loading
from toolkit.plugin.blame import blamed
from toolkit.plugin_types import columns
from toolkit.recipe.draft import rooted
from toolkit.recipe.library import find_recipe
from toolkit.reporting import figures, html
from toolkit.runner import facts, failures, score
from toolkit.runner.prepare import Clock, find_base, import_libraries, load_rows
from toolkit.runner.resolve import marked_columns, resolve_recipe
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.folder import EVALUATES, Run
from toolkit.runs.predictor import KEPT, load_predictor
from toolkit.runs.writer import RunWriter, fresh
from toolkit.utils import hardware
from toolkit.utils.logging import quiet_libraries
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

    from toolkit.evaluation.baselines import Attempt
    from toolkit.evaluation.scoring import Draws, Scores
    from toolkit.plugin import Plugin
    from toolkit.recipe.draft import KeyPath
    from toolkit.recipe.schema import Recipe

FOLDER = "evaluations"  # within the run's folder
#: What an evaluation's record has of its run.
TAKEN = ("recipe", "scenario", "model", "model_files", "headline", "seed", "method", "parameters",
         "calibration", "reload")  # fmt: skip
Source = str | list[str] | dict[str, str | list[str]]


@dataclass(frozen=True)
class Reading:
    """How new rows are read.

    split: which one, where the source has several. settings: key paths and values, as of
    `prediction_rows.spec_of`. columns: the model's name of a column -> what it is called there.
    """

    split: str | None = None
    settings: Iterable[tuple[KeyPath, Any]] = ()
    columns: Mapping[str, str] = field(default_factory=dict)


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
    source = rooted(source, Path.cwd())
    if run.status != "finished":
        raise UserError(f"{run.path} is {run.status}: only a finished run has a model to evaluate")
    clock = Clock()
    with clock.phase("imports"):
        quiet_libraries()
        import_libraries()
    with writing_cache():
        found = _prepared(run, source, reading, computing or ComputeConfig(), baselines, clock)
        folder = RunWriter.create(out or fresh(run.path / FOLDER), run.record["recipe"])
        try:
            with blamed(found.plugin):
                folder.write(**_about(run, found, source, folder.path))
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
        loaded = _new_rows(plugin, recipe, source, reading)
        note_seen(loaded, str(run.path), known_inputs.read(plugin.model_path))
        reader = _reader(run, recipe)
        plugin = _bring_together(plugin, loaded, reader)
        loaded.notes += _unknown_classes(plugin, loaded)
    with clock.phase("prepare"), blamed(plugin):
        prepared = {"test": plugin.prepare(loaded.splits["test"], "test")}
    return _Evaluation(recipe, plugin, loaded, reader, clock, prepared)


def _new_rows(plugin: Plugin[Any], recipe: Recipe, source: Source, reading: Reading) -> LoadedData:
    prediction_rows.require_read(reading.columns, plugin)
    split = reading.split
    if isinstance(source, dict):
        source, split = _one_source(source, split), None
    spec = prediction_rows.spec_of(source, plugin, reading.settings)
    spec = spec.model_copy(update=recipe.data.model_dump(include={"group", "on_missing"}))
    cluster = recipe.report.cluster
    named = {f"report.cluster.{place}": column for place, column in enumerate(cluster)}
    named |= {"data.group": spec.group} if spec.group else {}
    return load_labelled(
        spec, marked_columns(plugin), plugin, split,
        named=named, renamed=reading.columns, cluster=cluster,
    )  # fmt: skip


def _one_source(sources: Mapping[str, str | list[str]], split: str | None) -> str | list[str]:
    """Return the source of one split, of a map of several."""
    if split is None and len(sources) == 1:
        return next(iter(sources.values()))
    if split is None or split not in sources:
        what = "name one with split" if split is None else f"there is no split {split!r}"
        raise DataError(Fault("data", f"{what}; there are {listing(sources)}"))
    return sources[split]


def _reader(run: Run, recipe: Recipe) -> Plugin[Any] | str:
    """Return a plugin with the run's splits, read again; or why these cannot be had."""
    _, plugin = resolve_recipe(find_recipe(str(run.path / "recipe.yaml")))
    try:
        loaded = load_rows(recipe, plugin)
    except UserError as error:
        return f"cannot be read ({error.faults[0] if error.faults else error})"
    if loaded.fingerprint != run.record["data"]["fingerprint"]:
        return "have changed since"
    plugin.data = loaded.splits
    return plugin


def _bring_together(
    saved: Plugin[Any], loaded: LoadedData, reader: Plugin[Any] | str
) -> Plugin[Any]:
    """Return the plugin that scores: with the saved model and, where it can be had, the run's data.

    The new rows are its test split, their classes in the form that train has.
    """
    import datasets

    target = next(iter(columns(saved.options, "target").values()), None)
    before = {} if isinstance(reader, str) else dict(reader.data or {})
    new = loaded.splits["test"]
    if target in new.column_names:
        train = before.get("train")
        new = like_train(new, str(target), train and train.features.get(target))
    loaded.splits = datasets.DatasetDict(test=new)
    if isinstance(reader, str):
        return saved
    reader.data = datasets.DatasetDict({**before, "test": new})
    kept = {name: getattr(saved, name) for name in KEPT}
    return reader.with_(
        model_path=saved.model_path, processor=saved.processor, model=saved.model, **kept
    )


def _unknown_classes(plugin: Plugin[Any], loaded: LoadedData) -> Iterator[str]:
    """Yield how many rows are of classes that the model does not know."""
    labels = getattr(plugin, "labels", None)
    if not isinstance(labels, ClassLabels):
        return
    target, rows = next(iter(columns(plugin.options, "target").values())), loaded.splits["test"]
    unknown = labels.unseen(rows[target])
    there = labels.counts(rows, target)
    if unknown and not set(there) & set(labels.names):
        what = f"no label is a class of the run: {listing(unknown, 5)}; the classes are "
        raise DataError(Fault(target, what + listing(labels.names)))
    if unknown:
        names = listing(f"{label!r} ({count})" for label, count in unknown.items())
        yield f"test has classes that the run lacks, counted as wrong: {names}"


def _about(run: Run, found: _Evaluation, source: Source, folder: Path) -> dict[str, Any]:
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
        EVALUATES: {"run": str(place)},
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
