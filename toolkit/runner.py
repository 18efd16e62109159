"""The one page to read: recipe, plugin, data, model, method, trainer, scores, proof, report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from toolkit import data as data_door
from toolkit import environment, library, methods, models, registry, reload, training
from toolkit.errors import Fault, ModelError, RecipeError, ToolkitError, UserError
from toolkit.plugin import column_markers, columns
from toolkit.quiet import quiet_libraries
from toolkit.recipe import Draft, Recipe
from toolkit.runs import Run, RunFolder, read_predictions

if TYPE_CHECKING:
    import datasets
    import transformers

    from toolkit.data import Loaded
    from toolkit.evaluation.scoring import Scores
    from toolkit.plugin import Plugin

FLOOR_SHARE = 0.2  # of the training time, for all floors together
SLICE_VALUES = 20  # of a slice column, the commonest ones
Overrides = Sequence[tuple[tuple[str, ...], Any]]


@dataclass
class Clock:
    """Seconds spent by phase, in the order in which phases began."""

    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside towards a phase."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start


@dataclass
class Job:
    """What a run works on, checked and ready to train."""

    name: str
    recipe: Recipe
    plugin: Plugin[Any]
    loaded: Loaded
    files: models.ModelFiles
    prepared: dict[str, datasets.Dataset]
    arguments: transformers.TrainingArguments
    clock: Clock = field(default_factory=Clock)


def resolve(name: str, overrides: Overrides = ()) -> tuple[str, Recipe, Plugin[Any]]:
    """Return the recipe's name, the checked recipe, and its plugin with validated options.

    Raises:
        UserError: everything that is wrong with recipe, options, method and training settings,
            all at once.
    """
    draft = library.find(name, overrides)
    recipe = draft.recipe()
    scenario = draft.values.get("scenario")
    if not isinstance(scenario, str):
        draft.stop_on_faults()
    try:
        cls = registry.get(str(scenario))
    except UserError as error:
        draft.faults += [Fault(draft.where(("scenario",)), f.what) for f in error.faults]
        raise RecipeError(draft.faults) from error
    options = draft.check(cls.Options, draft.values.get("options") or {}, "options")
    settings = draft.values.get("training")
    if isinstance(settings, Mapping):
        arguments = training.arguments_class(cls)
        draft.faults += training.checked_settings(arguments, settings, draft.where)[1]
    _check_method(draft)
    draft.stop_on_faults()
    if recipe is None or options is None:
        raise RecipeError(f"{name} cannot be read")
    plugin = cls()
    plugin.options = options
    plugin.recipe = recipe
    return draft.name, recipe, plugin


def _check_metrics(plugin: Plugin[Any]) -> None:
    """Make the metrics once: a wrong name is better known now than after an hour of training."""
    try:
        plugin.metrics()
    except UserError as error:
        raise RecipeError([Fault("report.metrics", f.what) for f in error.faults]) from error


def _check_method(draft: Draft) -> None:
    given = draft.values.get("method", "full")
    block = {"name": given} if isinstance(given, str) else given
    if not isinstance(block, dict) or not isinstance(block.get("name", "full"), str):
        return  # the schema has said so
    try:
        method = methods.get(block.get("name", "full"))
        draft.check(method, {k: v for k, v in block.items() if k != "name"}, "method")
    except RecipeError as error:
        draft.faults += [Fault(draft.where(("method",)), f.what) for f in error.faults]


def check(name: str, overrides: Overrides = (), clock: Clock | None = None) -> Job:
    """Do everything that comes before training: recipe, data, model files, model inputs.

    Raises:
        UserError: what the user has to mend.
    """
    clock = clock or Clock()
    library.locate(name)  # a wrong name is told before seconds of imports
    with clock.phase("imports"):
        import_heavy()
    quiet_libraries()
    name, recipe, plugin = resolve(name, overrides)
    with clock.phase("data"):
        markers = column_markers(type(plugin.options))
        named = {k: (column, markers[k]) for k, column in columns(plugin.options).items()}
        slices = {f"report.slices.{i}": c for i, c in enumerate(recipe.report.slices)}
        loaded = data_door.load(recipe.data, named, recipe.seed, slices)
        plugin.data = loaded.splits
        loaded.notes += plugin.notes()
    with clock.phase("model"):
        files = models.find(recipe.model.id, recipe.model.revision)
        plugin.model_path = files.path
        seed_everything(recipe.seed)
        with _loading(files, recipe.scenario):
            plugin.processor = plugin.load_processor()
        _check_metrics(plugin)
    with clock.phase("prepare"):
        prepared = _prepare(plugin, loaded)
    has_lengths = "length" in prepared["train"].column_names
    arguments = training.arguments(plugin, recipe, _headline(plugin), has_lengths=has_lengths)
    with clock.phase("model"), _loading(files, recipe.scenario):
        plugin.model = _model(plugin, recipe.seed, on_cpu=arguments.use_cpu)
    return Job(name, recipe, plugin, loaded, files, prepared, arguments, clock)


def _prepare(plugin: Plugin[Any], loaded: Loaded) -> dict[str, datasets.Dataset]:
    found = {}
    for split, rows in loaded.splits.items():
        found[str(split)] = prepared = plugin.prepare(rows, str(split))
        if len(prepared) != len(rows):
            raise ToolkitError(
                f"{type(plugin).__name__}.prepare gave {len(prepared)} rows for {len(rows)} "
                f"of {split}: it must keep every row, in order"
            )
    return found


@contextmanager
def _loading(files: models.ModelFiles, scenario: str) -> Iterator[None]:
    """A model of another kind than the scenario needs is the user's to mend, not a crash."""
    try:
        yield
    except (ValueError, OSError, KeyError, ImportError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ModelError(
            f"model {files.id!r} ({files.path}) cannot be loaded for {scenario}: {first}"
        ) from error


def _model(plugin: Plugin[Any], seed: int, on_cpu: bool) -> Any:
    """Make the model on the device that is there, its head from the recipe's seed."""
    import torch

    seed_everything(seed)
    model: Any = plugin.load_model()
    device = torch.accelerator.current_accelerator()
    return model if device is None or on_cpu else model.to(device)


def import_heavy() -> None:
    """Import what a run needs, so that its cost is counted once and in one place."""
    import datasets  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import torch  # noqa: F401
    import transformers

    transformers.Trainer  # noqa: B018 - transformers imports it when it is first named


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch: before the head is made, so that its weights repeat."""
    import transformers

    transformers.set_seed(seed)


def run(
    name: str,
    overrides: Overrides = (),
    out: Path | None = None,
    console: Console | None = None,
) -> Run:
    """Run a recipe and return the finished run.

    Args:
        name: of a recipe, or the path of its file.
        overrides: (key path, value) pairs that win over the recipe.
        out: the run's folder; runs/<recipe>/<time> where not given.
        console: where progress is shown; None is silent.

    Raises:
        UserError: what the user has to mend; nothing has been trained.
        ToolkitError: the run failed; its folder says so, and keeps what was written.
    """
    job = check(name, overrides)
    folder = RunFolder.create(out, job.name)
    try:
        folder.write_recipe(job.recipe)
        folder.write(**_opening(job))
        console = console or Console(quiet=True)
        _train_and_score(job, folder, console)
    except KeyboardInterrupt:
        folder.write(status="interrupted")
        raise
    except BaseException as error:
        folder.write(status="failed", error=f"{type(error).__name__}: {error}")
        raise
    finally:
        folder.release()
    return Run(folder.path)


def _train_and_score(job: Job, folder: RunFolder, console: Console) -> None:
    """Train, score, save, prove and report: the order in which the folder fills."""
    from toolkit.reporting import card

    clock, plugin = job.clock, job.plugin
    with clock.phase("train"):
        trainer = _trainer(job, folder, console)
        trained = training.train(trainer)
    with clock.phase("save"):
        # Without accelerate's autocast wrapper: what is scored is what is saved.
        plugin.model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
        plugin.model.eval()
        save(plugin, folder.path / "model")
    console.print("scoring", style="dim")
    with clock.phase("score"):
        metrics, slices = _score(job, folder)
    with clock.phase("floors"):
        floors, floor_rows = _floors(job, clock.seconds["train"])
    folder.write(metrics=metrics, slices=slices, floors=floors, floor_rows=floor_rows)
    console.print("loading the saved model again", style="dim")
    with clock.phase("reload"):
        compared = reload.check(folder.path, job.loaded.splits["test"])
    folder.write(
        reload={"compared": compared.compared, "different": compared.different},
        speed=_speed(job, trained, trainer),
    )
    card.write(folder)
    folder.clear_checkpoints(keep="save_total_limit" in job.recipe.training)
    folder.write(status="finished")


def _trainer(job: Job, folder: RunFolder, console: Console) -> Any:
    """Apply the method to the model, and hand all parts to the plugin's Trainer."""
    from toolkit.evaluation.predicting import batch_maker, default_collator, records
    from toolkit.progress import TrainingProgress

    plugin, recipe, prepared = job.plugin, job.recipe, job.prepared
    material = methods.Material(plugin, prepared, recipe.seed)
    model = plugin.model = methods.of(recipe.method).apply(plugin.model, material)
    probe = batch_maker(plugin, model, with_labels=True)(records(prepared["train"], [0, 1]))
    model.accepts_loss_kwargs = training.honours_item_count(model, probe)
    headline = _headline(plugin)
    job.arguments.output_dir = str(folder.path / "checkpoints")
    seed_everything(recipe.seed)
    return plugin.trainer(
        model=model,
        args=job.arguments,
        train_dataset=prepared["train"],
        eval_dataset=prepared["validation"],
        data_collator=plugin.collator() or default_collator(plugin),
        processing_class=plugin.processor,
        compute_loss_func=plugin.loss(),
        callbacks=[
            TrainingProgress(console, headline[0] if headline else None),
            *training.early_stopping(recipe),
        ],
    )


def _headline(plugin: Plugin[Any]) -> tuple[str, bool] | None:
    """Return the first metric and whether more of it is better."""
    for name, module in plugin.metrics().items():
        return name, bool(getattr(module, "greater_is_better", True))
    return None


def _named(headline: tuple[str, bool] | None) -> dict[str, Any] | None:
    return {"metric": headline[0], "greater_is_better": headline[1]} if headline else None


def save(plugin: Plugin[Any], folder: Path) -> None:
    """Save model and processor as plain `save_pretrained` folders: safetensors, no pickle."""
    plugin.model.save_pretrained(folder)
    if plugin.processor is not None:
        plugin.processor.save_pretrained(folder)


def _score(job: Job, folder: RunFolder) -> tuple[dict[str, Scores], dict[str, Any]]:
    """Predict test once, and score it: whole, without overlapping rows, and by slices."""
    from toolkit.evaluation.scoring import score

    plugin, seed = job.plugin, job.recipe.seed
    metrics = {}
    if "validation" in job.prepared:
        metrics["validation"] = score(plugin.metrics(), _predicted(job, "validation"), seed)
    folder.write_predictions(_predicted(job, "test"))
    file = folder.path / "predictions.jsonl"
    metrics["test"] = score(plugin.metrics(), read_predictions(file), seed)
    seen = job.loaded.overlapping
    if seen is not None and seen.any() and not seen.all():
        kept = read_predictions(file, ~seen)
        metrics["test_without_overlap"] = score(plugin.metrics(), kept, seed)
    slices: dict[str, Any] = {}
    for column in job.recipe.report.slices:
        slices[column] = {
            value: {"rows": int(mask.sum()), **score(plugin.metrics(),
                                                     read_predictions(file, mask), seed)}
            for value, mask in _values(job.loaded.splits["test"], column)
        }  # fmt: skip
    return metrics, slices


def _predicted(job: Job, split: str) -> Iterator[tuple[list[Any], list[Any]]]:
    from toolkit.evaluation.predicting import predict

    raw, size = job.loaded.splits[split], job.recipe.training.get("per_device_eval_batch_size", 64)
    for batch in predict(job.plugin, job.plugin.model, raw, job.prepared[split], size):
        rows = raw.select(range(batch.start, batch.start + len(batch.predictions)))
        yield batch.predictions, job.plugin.references(rows.to_list())


def _values(split: datasets.Dataset, column: str) -> Iterator[tuple[str, Any]]:
    """Yield the commonest values of a column and which rows hold them."""
    import numpy as np

    cells = np.array([str(value) for value in split[column]])
    values, counts = np.unique(cells, return_counts=True)
    for place in np.argsort(-counts, kind="stable")[:SLICE_VALUES]:
        yield str(values[place]), cells == values[place]


def _floors(job: Job, train_seconds: float) -> tuple[dict[str, Scores], dict[str, dict[str, int]]]:
    from toolkit.evaluation.floors import measure

    seconds = FLOOR_SHARE * train_seconds
    return measure(job.plugin, job.prepared, job.plugin.metrics, seconds, job.recipe.seed)


def _opening(job: Job) -> dict[str, Any]:
    """Return what run.json says before training starts."""
    loaded = job.loaded
    return {
        "recipe": job.name,
        "scenario": job.recipe.scenario,
        "model": {
            "id": job.files.id,
            "revision": job.files.revision,
            "source": job.files.source,
        },
        "data": {
            "source": job.recipe.data.source,
            "fingerprint": loaded.fingerprint,
            "rows": {str(name): len(rows) for name, rows in loaded.splits.items()},
            "set_aside": loaded.set_aside,
            "overlap": loaded.overlap,
            "duplicates": loaded.duplicates,
            "notes": loaded.notes,
        },
        "headline": _named(_headline(job.plugin)),
        "seed": job.recipe.seed,
        "environment": environment.describe(),
    }


def _speed(job: Job, trained: Mapping[str, float], trainer: Any) -> dict[str, Any]:
    """Return seconds and rates; `fixed_seconds` is all but training, scoring and floors."""
    seconds = job.clock.seconds
    rows = len(job.prepared["train"]) * float(trainer.state.epoch or 0)
    total = time.monotonic() - job.clock.started
    return {
        "train_seconds": seconds["train"],
        "train_samples_per_second": rows / max(_pure_training(trainer, trained), 1e-9),
        "total_seconds": total,
        "fixed_seconds": total - sum(seconds[part] for part in ("train", "score", "floors")),
        "phases": dict(seconds),
        "epochs": trainer.state.epoch,
        "steps": trainer.state.global_step,
    }


def _pure_training(trainer: Any, trained: Mapping[str, float]) -> float:
    """Return the seconds of training without those of validation in between."""
    return float(trained["train_runtime"]) - float(getattr(trainer, "toolkit_eval_seconds", 0.0))
