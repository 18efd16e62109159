"""A run before training: the recipe resolved, the data read, the model found, inputs prepared."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolkit import data as data_door
from toolkit import library, methods, models, registry, training
from toolkit.errors import Fault, ModelError, RecipeError, ToolkitError, UserError
from toolkit.plugin import column_markers, columns
from toolkit.quiet import quiet_libraries
from toolkit.recipe import Draft, Recipe

if TYPE_CHECKING:
    import datasets
    import transformers

    from toolkit.data import Loaded
    from toolkit.plugin import Plugin

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
    arguments = training.arguments(plugin, recipe, headline(plugin), has_lengths=has_lengths)
    with clock.phase("model"), _loading(files, recipe.scenario):
        plugin.model = _model(plugin, recipe.seed, on_cpu=arguments.use_cpu)
    methods.of(recipe.method).check(plugin.model)
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


def headline(plugin: Plugin[Any]) -> tuple[str, bool] | None:
    """Return the first metric and whether more of it is better."""
    for name, module in plugin.metrics().items():
        return name, bool(getattr(module, "greater_is_better", True))
    return None
