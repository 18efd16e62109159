"""The rows of an evaluation: the new ones, and beside them those that the run was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolkit.data import ClassLabels, LoadedData, prediction_rows
from toolkit.data.in_memory import Source
from toolkit.data.labelled_rows import like_train, load_labelled
from toolkit.errors import DataError, Fault, UserError
from toolkit.plugin_types import columns
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import load_rows
from toolkit.runner.resolve import marked_columns, resolve_recipe
from toolkit.runs.folder import Run
from toolkit.runs.predictor import KEPT
from toolkit.utils.text import listing

if TYPE_CHECKING:
    from toolkit.plugin import Plugin
    from toolkit.recipe.draft import KeyPath
    from toolkit.recipe.schema import Recipe


@dataclass(frozen=True)
class Reading:
    """How new rows are read.

    split: which one, where the source has several. settings: key paths and values, as of
    `prediction_rows.spec_of`. columns: the model's name of a column -> what it is called there.
    """

    split: str | None = None
    settings: Iterable[tuple[KeyPath, Any]] = ()
    columns: Mapping[str, str] = field(default_factory=dict)


def new_rows(plugin: Plugin[Any], recipe: Recipe, source: Source, reading: Reading) -> LoadedData:
    """Return the new rows, read and checked by the plugin of a saved model.

    Raises:
        UserError: they cannot be read, lack a column, or have no row that can be used.
    """
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


def reader_of(run: Run, recipe: Recipe) -> Plugin[Any] | str:
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


def bring_together(
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


def unknown_classes(plugin: Plugin[Any], loaded: LoadedData) -> Iterator[str]:
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
