"""The metrics of a run: the plugin's own, and those of other packages that its recipe names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from toolkit.errors import Fault, RecipeError, UserError
from toolkit.evaluation.metrics import plugin_metrics
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    import datasets
    import evaluate

    from toolkit.plugin import Plugin

REHEARSED = 64  # rows


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


def rehearse(
    plugin: Plugin[Any], raw: Mapping[str, datasets.Dataset], prepared: Mapping[str, Any]
) -> None:
    """Check that other packages' metrics accept this scenario's predictions, before training.

    Raises:
        RecipeError: a metric does not take this scenario's predictions or references.
    """
    from toolkit.evaluation import chunks
    from toolkit.evaluation.predicting import predict
    from toolkit.evaluation.scoring import score

    named = plugin.recipe.report.metrics if plugin.recipe else []
    if not any(map(plugin_metrics.is_reference, named)):
        return
    few = range(min(REHEARSED, len(raw["test"])))
    rows, inputs = chunks.select(raw["test"], prepared["test"], few)
    batches = predict(plugin, plugin.model, rows, inputs, REHEARSED)
    predictions = [prediction for batch in batches for prediction in batch.predictions]
    references = plugin.references(rows.to_list())
    faults = []
    for name, module in modules(plugin).items():
        if plugin_metrics.is_reference(name) and predictions:
            try:
                score({name: module}, [(predictions, references)])
            except Exception as error:  # whatever a stranger's metric does
                said = next(iter(str(error).splitlines()), "")
                faults.append(Fault(
                    "report.metrics", f"{name} does not take what {plugin.recipe.scenario} "  # type: ignore[union-attr]  # it names it
                    f"predicts: {type(error).__name__}: {said} (a prediction is "
                    f"{predictions[0]!r:.200}, a reference {references[0]!r:.100})",
                ))  # fmt: skip
    if faults:
        raise RecipeError(faults)
