"""The metrics of a run: the plugin's own, and `DISTRIBUTION:NAME` of other packages.

An entry of the group `toolkit.metrics` is a class of `evaluate.Metric`, or a function that returns
one. It is called without arguments, or with `plugin=` where it takes that: the scenario's plugin,
with its options and classes. What it is fed are decoded predictions and the plugin's references.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

from toolkit import registry
from toolkit.errors import Fault, PluginError, UserError
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    import evaluate

    from toolkit.plugin import Plugin
    from toolkit.registry import Entry

GROUP = "toolkit.metrics"


def modules(plugin: Plugin[Any]) -> Mapping[str, evaluate.EvaluationModule]:
    """Return fresh metric modules by name: those that the recipe names, or the plugin's usual ones.

    Raises:
        UserError: a name that neither the plugin nor a package has.
    """
    recipe = plugin.recipe
    wanted = list(recipe.report.metrics) if recipe else []
    own = [name for name in wanted if not is_reference(name)]
    knowing = plugin
    if recipe and own != wanted:  # the plugin knows its own alone
        report = recipe.report.model_copy(update={"metrics": own})
        knowing = plugin.with_(recipe=recipe.model_copy(update={"report": report}))
    found = dict(knowing.metrics())
    unknown = [name for name in own if name not in found]
    if unknown:
        raise UserError([Fault("", f"there is no metric {name!r}.{nearest(name, found)} "
                                   f"Metrics: {listing(found)}") for name in unknown])  # fmt: skip
    chosen = {name: found[name] if name in own else load(name, plugin) for name in wanted}
    return chosen or found


def hints(plugin: Plugin[Any]) -> str:
    """Return the full names of metrics of packages, for bare names of them in the recipe."""
    named, found = plugin.recipe.report.metrics if plugin.recipe else [], ""
    for name in named:
        whole = [reference for reference in names() if reference.partition(":")[2] == name]
        found += f" Did you mean {listing(map(repr, whole))}?" if whole else ""
    return found


def is_reference(name: str) -> bool:
    """Return whether a name is that of another package's metric, not of the scenario's own."""
    return ":" in name


def names() -> list[str]:
    """Return the full names of all installed ones, without importing them."""
    return sorted(full_name(entry.distribution, entry.name) for entry in registry.entries(GROUP))


def load(reference: str, plugin: Plugin[Any] | None = None) -> evaluate.EvaluationModule:
    """Return a fresh metric module.

    Raises:
        UserError: there is no such metric (with the nearest and all), or two of one package.
        PluginError: it cannot be imported or created, or is not a module of `evaluate`.
    """
    import evaluate

    point = _point(reference)
    make = registry.load(point)
    what = registry.describe(GROUP, registry.entry(point))
    if not callable(make):
        raise PluginError(f"{what} is not a class or function but {make!r}.")
    try:
        takes = inspect.signature(make).parameters
        found = make(plugin=plugin) if "plugin" in takes else make()
    except UserError as error:
        raise PluginError(f"{what}: {error}") from error
    except Exception as error:  # whatever a stranger's function does
        raise PluginError(f"{what} cannot be created: {type(error).__name__}: {error}") from error
    if not isinstance(found, evaluate.EvaluationModule):
        raise PluginError(f"{what} does not return an evaluate.Metric but {found!r}.")
    return found


def _point(reference: str) -> EntryPoint:
    wanted = full_name(*map(str.strip, reference.split(":", 1)))
    known: dict[str, list[EntryPoint]] = {}
    for same in registry.points(GROUP).values():
        for point in same:
            entry = registry.entry(point)
            known.setdefault(full_name(entry.distribution, entry.name), []).append(point)
    if wanted not in known:
        there = listing(sorted(known)) if known else "no installed package has any"
        raise UserError(f"there is no metric {reference!r}.{nearest(wanted, known)} "
                        f"Of packages: {there}.")  # fmt: skip
    if len(known[wanted]) > 1:
        targets = listing(point.value for point in known[wanted])
        raise UserError(f"metric {reference!r} is brought twice, as {targets}.")
    return known[wanted][0]


def full_name(distribution: str, name: str) -> str:
    """Return the full name; `My_Package` and `my-package` are one distribution."""
    return f"{re.sub(r'[-_.]+', '-', distribution).lower()}:{name}"


def describe_metric(entry: Entry) -> str:
    """Import a metric, and return how a recipe names it.

    One that takes a plugin is not called, as there is none.

    Raises:
        UserError: it cannot be used.
    """
    reference = full_name(entry.distribution, entry.name)
    make = registry.load(_point(reference))
    if not callable(make) or "plugin" not in inspect.signature(make).parameters:
        load(reference)
    return f"report.metrics: [{reference!r}]"
