"""A run before training: the recipe resolved, the data read, the model found, inputs prepared."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolkit.data import load_splits
from toolkit.errors import Fault, RecipeError, ToolkitError, UserError
from toolkit.models import methods, pretrained, scratch
from toolkit.models.auto import loading
from toolkit.models.find import ModelFiles, find_model
from toolkit.plugin import Plugin, get
from toolkit.plugin_types import column_markers, columns
from toolkit.recipe import Draft, Recipe
from toolkit.training import cpu, memory
from toolkit.training.arguments import (
    arguments_class,
    checked_settings,
    is_sharded,
    training_arguments,
)
from toolkit.utils.distributed_errors import local_main_process_first
from toolkit.utils.logging import quiet_libraries, quiet_loggers
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    import datasets
    import transformers

    from toolkit.data import LoadedData
    from toolkit.plugin_types import Column


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
    loaded: LoadedData
    files: ModelFiles
    prepared: dict[str, datasets.Dataset]
    arguments: transformers.TrainingArguments
    clock: Clock = field(default_factory=Clock)
    reductions: list[dict[str, Any]] = field(default_factory=list)

    def take_smaller_batches(self, smaller: Mapping[str, Any]) -> None:
        """Start anew with the settings of `BatchSizeError.smaller`, as if the recipe had them."""
        training = {**self.recipe.training, **smaller["settings"]}
        self.recipe = self.recipe.model_copy(update={"training": training})
        self.reductions.append({k: v for k, v in smaller.items() if k != "settings"})
        self.plugin.model = None  # before the next one is made
        self.plugin = self.plugin.with_(recipe=self.recipe)
        memory.settle()
        self.arguments = _arguments_and_model(self.plugin, self.recipe, self.prepared, self.files)


def resolve_recipe(draft: Draft) -> tuple[Recipe, Plugin[Any]]:
    """Return the checked recipe, and its plugin with validated options.

    Raises:
        UserError: everything that is wrong with recipe, options, method and training settings,
            all at once.
    """
    recipe = draft.recipe()
    scenario = draft.values.get("scenario")
    if not isinstance(scenario, str):
        draft.stop_on_faults()
    try:
        cls = get(str(scenario))
    except UserError as error:
        draft.faults += [Fault(draft.where(("scenario",)), f.what) for f in error.faults]
        raise RecipeError(draft.faults) from error
    options = draft.check(cls.Options, draft.values.get("options") or {}, "options")
    settings = draft.values.get("training")
    if isinstance(settings, Mapping):
        arguments = arguments_class(cls)
        draft.faults += checked_settings(arguments, settings, draft.where)[1]
    _check_method(draft)
    draft.stop_on_faults()
    if recipe is None or options is None:
        raise RecipeError(f"{draft.name} cannot be read")
    plugin = cls()
    plugin.options = options
    plugin.recipe = recipe
    return recipe, plugin


def _check_roles(named: Mapping[str, tuple[str, Column]]) -> None:
    """Raise RecipeError where a column is both read and to be learned: any score would be 1."""
    targets = {column: key for key, (column, mark) in named.items() if mark.role == "target"}
    faults = [
        Fault(f"options.{key}", f"is the column {column!r}, as is options.{targets[column]}")
        for key, (column, mark) in named.items()
        if mark.role == "input" and column in targets
    ]
    if faults:
        raise RecipeError(faults)


def _check_metrics(plugin: Plugin[Any]) -> None:
    """Make the metrics once: a wrong name is better known now than after an hour of training."""
    from toolkit.evaluation import run_metrics

    try:
        names = list(run_metrics.modules(plugin))
    except UserError as error:
        hint = run_metrics.hints(plugin)
        raise RecipeError([Fault("report.metrics", f.what + hint) for f in error.faults]) from error
    best = plugin.recipe.training.get("metric_for_best_model") if plugin.recipe else None
    if best is not None and str(best).removeprefix("eval_") not in (*names, "loss"):
        what = f"there is no {best!r} in this run.{nearest(str(best), names)}"
        raise RecipeError(
            Fault("training.metric_for_best_model", f"{what} Scored: {listing(names)}, loss.")
        )


def _check_method(draft: Draft) -> None:
    given = draft.values.get("method", "full")
    block = {"name": given} if isinstance(given, str) else given
    if not isinstance(block, dict) or not isinstance(block.get("name", "full"), str):
        return  # the schema has said so
    try:
        method = methods.get_method(block.get("name", "full"))
        draft.check(method, {k: v for k, v in block.items() if k != "name"}, "method")
    except RecipeError as error:
        draft.faults += [Fault(draft.where(("method",)), f.what) for f in error.faults]


def prepare(draft: Draft, clock: Clock | None = None) -> Job:
    """Do everything that comes before training: recipe, data, model files, model inputs.

    Raises:
        UserError: what the user has to mend.
    """
    from toolkit.evaluation import run_metrics

    clock = clock or Clock()
    with clock.phase("imports"):
        quiet_loggers()
        import_libraries()
    quiet_libraries()
    recipe, plugin = resolve_recipe(draft)
    with clock.phase("data"), local_main_process_first():
        loaded = load_rows(recipe, plugin)
        plugin.data = loaded.splits
        loaded.notes += plugin.notes()
    with clock.phase("model"), local_main_process_first():
        files = _model_files(recipe)
        plugin.model_path = files.path
        seed_everything(recipe.seed)
        with _loading(files, recipe.scenario):
            plugin.processor = plugin.load_processor()
        _check_metrics(plugin)
    with clock.phase("prepare"), local_main_process_first():
        prepared = _prepare(plugin, loaded)
    with clock.phase("model"):
        arguments = _arguments_and_model(plugin, recipe, prepared, files)
        run_metrics.rehearse(plugin, loaded.splits, prepared)
    plugin.loss()  # what is wrong with its settings is better known now
    methods.method_for(recipe.method).check(plugin.model)
    return Job(draft.name, recipe, plugin, loaded, files, prepared, arguments, clock)


def load_rows(recipe: Recipe, plugin: Plugin[Any]) -> LoadedData:
    """Return the splits that a recipe names, checked as the plugin's options mark them.

    Raises:
        UserError: all that is wrong with them.
    """
    markers = column_markers(type(plugin.options))
    named = {
        key: (column, markers[key.split(".")[0]]) for key, column in columns(plugin.options).items()
    }
    _check_roles(named)
    slices = {f"report.slices.{i}": c for i, c in enumerate(recipe.report.slices)}
    examine = None if type(plugin).examine is Plugin.examine else plugin.examine
    return load_splits(recipe.data, named, recipe.seed, slices, plugin.derive, examine)


def _model_files(recipe: Recipe) -> ModelFiles:
    """Find the recipe's model; one that is made from a config has nothing to build upon."""
    if recipe.model.id is not None:
        return find_model(recipe.model.id, recipe.model.revision)
    if not methods.method_for(recipe.method).from_scratch:
        what = f"{recipe.method.name} builds upon what is pretrained, and a model from_config has "
        raise RecipeError(Fault("method", what + "nothing: use method full"))
    return scratch.from_config(recipe.model.from_config or {})


def _prepare(plugin: Plugin[Any], loaded: LoadedData) -> dict[str, datasets.Dataset]:
    from toolkit.evaluation import chunks

    found = {}
    for split, rows in loaded.splits.items():
        found[str(split)] = prepared = plugin.prepare(rows, str(split))
        try:
            chunks.bounds(prepared, len(rows))
        except ValueError as error:
            what = f"{type(plugin).__name__}.prepare gave, of {split}, {error}"
            raise ToolkitError(what) from None
    return found


def _loading(files: ModelFiles, scenario: str) -> AbstractContextManager[None]:
    what = f"model {files.id!r} ({files.path}) cannot be loaded for {scenario}"
    return loading(what)


def _arguments_and_model(
    plugin: Plugin[Any],
    recipe: Recipe,
    prepared: Mapping[str, datasets.Dataset],
    files: ModelFiles,
) -> transformers.TrainingArguments:
    """Return the training arguments; make the model on their device, its head from the seed."""
    has_lengths = "length" in prepared["train"].column_names
    arguments = training_arguments(plugin, recipe, headline(plugin), has_lengths=has_lengths)
    with _loading(files, recipe.scenario):
        make_model(plugin, recipe.seed, arguments, longest_row(prepared))
    return arguments


def make_model(
    plugin: Plugin[Any], seed: int, arguments: transformers.TrainingArguments, tokens: int | None
) -> None:
    """Make the plugin's model on the device of its training, its head from the seed.

    Args:
        tokens: of the longest row, or None where rows have no lengths.
    """
    seed_everything(seed)
    plugin.model = None  # before the next one is made
    plugin.model = plugin.load_model()
    # A model that is to be cut into shards may be larger than one device.
    if not is_sharded(arguments):
        plugin.model = plugin.model.to(arguments.device)
    cpu.plain_attention(plugin.model, tokens)


def longest_row(prepared: Mapping[str, datasets.Dataset]) -> int | None:
    """Return the tokens of the longest training row, or None where rows have no lengths."""
    if "length" not in prepared["train"].column_names:
        return None
    return int(prepared["train"].with_format("numpy")["length"][:].max())


def import_libraries() -> None:
    """Import what a run needs, so that its cost is counted once and in one place."""
    import datasets  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import torch  # noqa: F401
    import transformers

    transformers.Trainer  # noqa: B018 - transformers imports it when it is first named
    pretrained.refuse_remote_code()


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch: before the head is made, so that its weights repeat."""
    import transformers

    transformers.set_seed(seed)


def headline(plugin: Plugin[Any]) -> tuple[str, bool] | None:
    """Return the first metric and whether more of it is better."""
    from toolkit.evaluation import run_metrics

    for name, module in run_metrics.modules(plugin).items():
        return name, bool(getattr(module, "greater_is_better", True))
    return None
