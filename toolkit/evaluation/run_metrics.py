"""The metrics of a run: the plugin's own, and those of other packages that its recipe names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from toolkit.errors import Fault, UserError
from toolkit.evaluation.metrics import plugin_metrics
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    import evaluate

    from toolkit.plugin import Plugin


def modules(plugin: Plugin[Any]) -> Mapping[str, evaluate.EvaluationModule]:
    """Return fresh metric modules by name: those that the recipe names, or the plugin's usual ones.

    Raises:
        UserError: a name that neither the plugin nor a package has.
    """
    wanted = list(plugin.recipe.report.metrics) if plugin.recipe else []
    own = [name for name in wanted if not plugin_metrics.is_reference(name)]
    found = _own(plugin, own)
    unknown = [name for name in own if name not in found]
    if unknown:
        raise UserError([Fault("", f"there is no metric {name!r}.{nearest(name, found)} "
                                   f"Metrics: {listing(found)}") for name in unknown])  # fmt: skip
    chosen = {
        name: found[name] if name in own else plugin_metrics.load(name, plugin) for name in wanted
    }
    return chosen or found


def _own(plugin: Plugin[Any], own: list[str]) -> dict[str, evaluate.EvaluationModule]:
    """Return `metrics()` for a recipe that names only the plugin's own."""
    recipe = plugin.recipe
    if recipe is None or own == recipe.report.metrics:
        return dict(plugin.metrics())
    report = recipe.report.model_copy(update={"metrics": own})
    return dict(plugin.with_(recipe=recipe.model_copy(update={"report": report})).metrics())


def hints(plugin: Plugin[Any]) -> str:
    """Return metrics of packages that may be meant by names unknown to the plugin."""
    named = plugin.recipe.report.metrics if plugin.recipe else []
    return "".join(
        plugin_metrics.hint(name) for name in named if not plugin_metrics.is_reference(name)
    )
