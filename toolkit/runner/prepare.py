"""A run before training: recipe resolved, data read, model found, inputs prepared, model made."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolkit.data import LoadedData, load_splits
from toolkit.data.caches import writing_cache
from toolkit.data.columns import numbers
from toolkit.errors import Fault, RecipeError, ToolkitError
from toolkit.evaluation import chunks
from toolkit.models import methods, outside, scratch
from toolkit.models.auto import loading
from toolkit.models.find import ModelFiles, find_model
from toolkit.plugin import Plugin
from toolkit.plugin.blame import blamed
from toolkit.recipe.draft import Draft
from toolkit.recipe.schema import Recipe
from toolkit.runner import processors
from toolkit.runner.first_look import require_paths
from toolkit.runner.known import note_known
from toolkit.runner.rehearsal import rehearse
from toolkit.runner.resolve import check_metrics, directions, marked_columns, resolve_recipe
from toolkit.training import best, cpu
from toolkit.training.arguments import (
    is_sharded,
    require_a_batch,
    require_checkpointing,
    training_arguments,
)
from toolkit.utils import distributed, garbage, jsonable
from toolkit.utils.distributed_errors import local_main_process_first
from toolkit.utils.logging import quiet_datasets, quiet_libraries

if TYPE_CHECKING:
    from pathlib import Path

    import datasets
    import transformers


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

    def spent(self) -> float:
        """Return the seconds since the clock was made."""
        return time.monotonic() - self.started


@dataclass
class Job:
    """A run that is checked and ready to train.

    reductions: smaller batches that were taken where memory was short.
    """

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
        """Start again with the settings of `BatchSizeError.smaller`, as if the recipe had them."""
        from accelerate.utils.memory import clear_device_cache

        training = {**self.recipe.training, **smaller["settings"]}
        self.recipe = self.recipe.model_copy(update={"training": training})
        self.reductions.append({k: v for k, v in smaller.items() if k != "settings"})
        self.plugin.model = None  # before the next one is made
        self.plugin = self.plugin.with_(recipe=self.recipe)
        clear_device_cache(garbage_collection=True)
        self.arguments = _load_model(self.plugin, self.recipe, self.prepared, self.files)


def prepare(draft: Draft, before: Path | None = None) -> Job:
    """Do everything that comes before training; `toolkit check` stops here.

    Args:
        before: the folder of the run that this one goes on with.

    Raises:
        UserError: the user's input is wrong.
        HookError: a hook of the plugin fails.
        CacheError: a cache is full, or may not be written.
    """
    clock = Clock()
    require_paths(draft)
    with clock.phase("imports"):
        quiet_datasets()
        recipe, plugin = resolve_recipe(draft)
    with writing_cache(), draft.placing(), blamed(plugin):
        job = _prepare(draft.name, recipe, plugin, clock, before)
    job.loaded.notes = [*draft.notes, *job.loaded.notes]
    return job


def _prepare(
    name: str, recipe: Recipe, plugin: Plugin[Any], clock: Clock, before: Path | None
) -> Job:
    with clock.phase("data"), local_main_process_first():
        loaded = load_rows(recipe, plugin)
    with clock.phase("model"), local_main_process_first():
        files = find_base(recipe)
        note_known(loaded, recipe, files)
    with clock.phase("imports"):  # what is wrong with rows and model so far is said before
        quiet_libraries()
        import_libraries()
    with clock.phase("model"), local_main_process_first():
        from transformers import set_seed

        plugin.model_path, plugin.data = files.path, loaded.splits
        set_seed(recipe.seed)
        with loading(_what_fails(files, recipe)), blamed(plugin, own_lines=True):
            plugin.processor = processors.kept(before) or plugin.load_processor()
        check_metrics(plugin)
    if files.source == "config":  # one for all ranks: training a tokenizer may depend on chance
        plugin.processor = distributed.broadcast_object(plugin.processor)
    plugin.statistics = jsonable.parsed(plugin.training_statistics())
    with clock.phase("prepare"), local_main_process_first():
        prepared = {str(name): _model_inputs(plugin, loaded, str(name)) for name in loaded.splits}
        loaded.notes += plugin.notes()  # on what was cut, too
    with clock.phase("model"):
        arguments = _load_model(plugin, recipe, prepared, files)
    loaded.notes += best.notes(recipe.training, arguments, directions(plugin))
    plugin.loss()  # raises for wrong settings: now, not after an hour
    methods.method_for(recipe.method).check(plugin.model)
    require_checkpointing(arguments, plugin.model)
    require_a_batch(arguments, len(prepared["train"]))
    with clock.phase("rehearsal"):
        # On every rank, as a model's loss may wait for the others (object detection). With
        # DeepSpeed's third stage a rank has no whole model.
        if not arguments.deepspeed:
            loaded.notes += rehearse(plugin, loaded.splits, prepared)
    return Job(name, recipe, plugin, loaded, files, prepared, arguments, clock)


def load_rows(recipe: Recipe, plugin: Plugin[Any]) -> LoadedData:
    """Return the splits that a recipe names, checked as the plugin's options mark them.

    Raises:
        UserError: all that is wrong with them.
    """
    report = recipe.report
    named = {f"report.{key}.{place}": column
             for key, columns in (("slices", report.slices), ("cluster", report.cluster))
             for place, column in enumerate(columns)}  # fmt: skip
    columns = marked_columns(plugin)
    return load_splits(recipe.data, columns, recipe.seed, named, plugin, cluster=report.cluster)


def find_base(recipe: Recipe) -> ModelFiles:
    """Find the recipe's model; one that is made from a config has nothing to build upon.

    Raises:
        UserError: there is no such model, or the method needs one that is pretrained.
    """
    if recipe.model.id is not None:
        return find_model(recipe.model.id, recipe.model.revision)
    if not methods.method_for(recipe.method).from_scratch:
        what = f"{recipe.method.name} builds upon what is pretrained, and a model from_config has "
        raise RecipeError(Fault("method", what + "nothing: use method full"))
    return scratch.from_config(recipe.model.from_config or {})


def _what_fails(files: ModelFiles, recipe: Recipe) -> str:
    return f"model {files.id!r} ({files.path}) cannot be loaded for {recipe.scenario}"


def _model_inputs(plugin: Plugin[Any], loaded: LoadedData, split: str) -> datasets.Dataset:
    prepared = plugin.prepare(loaded.splits[split], split)
    try:
        chunks.bounds(prepared, len(loaded.splits[split]))
    except ValueError as error:
        what = f"{type(plugin).__name__}.prepare gave, of {split}, {error}"
        raise ToolkitError(what) from None
    return prepared


def _load_model(
    plugin: Plugin[Any], recipe: Recipe, prepared: Mapping[str, datasets.Dataset], files: ModelFiles
) -> transformers.TrainingArguments:
    """Return the training arguments; make the model on their device."""
    has_lengths = "length" in prepared["train"].column_names
    arguments = training_arguments(plugin, recipe, directions(plugin), has_lengths=has_lengths)
    with loading(_what_fails(files, recipe)), blamed(plugin, own_lines=True):
        make_model(plugin, recipe.seed, arguments, prepared["train"])
    return arguments


def make_model(
    plugin: Plugin[Any], seed: int, arguments: transformers.TrainingArguments, train: Any
) -> None:
    """Make the plugin's model on the device of its training, its head from the seed.

    Args:
        train: prepared rows, whose longest decides how attention is computed.
    """
    from transformers import set_seed

    set_seed(seed)
    plugin.model = None  # before the next one is made
    plugin.model = plugin.load_model()
    # A model that is to be cut into shards may be larger than one device.
    if not is_sharded(arguments):
        plugin.model = plugin.model.to(arguments.device)
    lengths = numbers(train, "length") if "length" in train.column_names else None
    cpu.plain_attention(plugin.model, None if lengths is None else int(lengths.max()))


@garbage.held()
def import_libraries() -> None:
    """Import what a run needs, so that its cost is counted once and in one place."""
    import datasets  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import torch  # noqa: F401
    import transformers

    transformers.Trainer  # noqa: B018 - transformers imports it when it is first named
    outside.switch_off()
