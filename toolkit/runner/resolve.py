"""A recipe resolved: scenario, options, method, training settings and metrics checked together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.errors import DataError, Fault, RecipeError, UserError
from toolkit.evaluation import run_metrics
from toolkit.models import methods
from toolkit.plugin import Plugin, get
from toolkit.plugin_types.columns import Column, marked
from toolkit.recipe.draft import Draft
from toolkit.recipe.schema import Recipe
from toolkit.training.arguments import arguments_class, checked_settings
from toolkit.training.quick_check import quick_faults
from toolkit.utils.text import listing, nearest


def resolve_recipe(draft: Draft) -> tuple[Recipe, Plugin[Any]]:
    """Return the checked recipe, and its plugin with `options` and `recipe`.

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
        found = None if cls.Arguments else quick_faults(settings, draft.where)
        if found is None:
            found = checked_settings(arguments_class(cls), settings, draft.where)[1]
        draft.faults += found
    _check_method(draft)
    draft.stop_on_faults()
    if recipe is None or options is None:
        raise RecipeError(f"{draft.name} cannot be read")
    plugin = cls.chosen(options)()
    plugin.options, plugin.recipe = options, recipe
    return recipe, plugin


def needs_no_library(draft: Draft) -> bool:
    """Return whether the core can check a recipe without importing transformers."""
    settings = draft.values.get("training") or {}
    return isinstance(settings, Mapping) and quick_faults(settings) is not None


def _check_method(draft: Draft) -> None:
    given = draft.values.get("method", "full")
    block = {"name": given} if isinstance(given, str) else given
    if not isinstance(block, dict) or not isinstance(block.get("name", "full"), str):
        return  # the schema reports it
    try:
        method = methods.get_method(block.get("name", "full"))
        draft.check(method, {k: v for k, v in block.items() if k != "name"}, "method")
    except RecipeError as error:
        draft.faults += [Fault(draft.where(("method",)), f.what) for f in error.faults]


def marked_columns(plugin: Plugin[Any]) -> dict[str, tuple[str, Column]]:
    """Return option -> its column and how the plugin's options mark it.

    Raises:
        RecipeError: a column is both input and target: any score would be 1.
    """
    found = marked(plugin.options)
    targets = {column: key for key, (column, mark) in found.items() if mark.role == "target"}
    faults = [
        Fault(f"options.{key}", f"is the column {column!r}, as is options.{targets[column]}")
        for key, (column, mark) in found.items()
        if mark.role == "input" and column in targets
    ]
    if faults:
        raise RecipeError(faults)
    return found


def check_metrics(plugin: Plugin[Any]) -> None:
    """Make the metrics once, so that a wrong name is reported before training.

    Raises:
        RecipeError: an unknown metric, or a `metric_for_best_model` that is not computed.
    """
    try:
        names = list(run_metrics.modules(plugin))
    except DataError:  # of the labels, whose classes metrics need
        raise
    except UserError as error:
        hint = run_metrics.hints(plugin)
        raise RecipeError([Fault("report.metrics", f.what + hint) for f in error.faults]) from error
    best = plugin.recipe.training.get("metric_for_best_model") if plugin.recipe else None
    if best is not None and str(best).removeprefix("eval_") not in (*names, "loss"):
        what = f"there is no {best!r} in this run.{nearest(str(best), names)}"
        raise RecipeError(
            Fault("training.metric_for_best_model", f"{what} Scored: {listing(names)}, loss.")
        )


def directions(plugin: Plugin[Any]) -> dict[str, bool | None]:
    """Return each metric and whether more of it is better; None where it does not say."""
    modules = run_metrics.modules(plugin)
    return {name: getattr(module, "greater_is_better", None) for name, module in modules.items()}


def headline(plugin: Plugin[Any]) -> tuple[str, bool] | None:
    """Return the first metric and whether more of it is better."""
    return next(((name, more is not False) for name, more in directions(plugin).items()), None)
