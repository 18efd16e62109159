"""A comparison as one HTML page: settings, scores, charts, and the rows that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from markupsafe import Markup

from toolkit.plugin import Plugin
from toolkit.reporting import charts, comparison, examples, kept_rows, shown, templates
from toolkit.reporting.comparison import One, Side
from toolkit.reporting.formatting import number, words
from toolkit.reporting.html.parts import Chart, Table
from toolkit.runs.changed_answers import Change
from toolkit.runs.compare import Compared
from toolkit.runs.folder import Run
from toolkit.runs.predictor import plugin_of
from toolkit.runs.seed_folder import SeedRuns


class ChangedRow(NamedTuple):
    """A row that two runs answer differently: the label, both predictions, and what was read.

    shown: what the plugin shows of both predictions, instead of the cells.
    """

    row: int
    actual: str
    before: str
    after: str
    cells: dict[str, Any]
    shown: tuple[Markup, Markup] | None


def page(reference: Side, found: Sequence[One], split: str = "test") -> str:
    """Return the page: no script, no network, light and dark."""
    runs = [
        {"name": comparison.side(one).path, "facts": comparison.facts(comparison.side(one)),
         "settings": comparison.settings(one), "scores": comparison.scores(one, split),
         "chart": _differences(one, f"differences {place}"),
         **(_answers(reference, one, split) if isinstance(one, Compared) else {})}
        for place, one in enumerate(found)
    ]  # fmt: skip
    described = {"name": reference.path, "facts": comparison.facts(reference)}
    return templates.render(
        "comparison.html.jinja", reference=described, runs=runs, choice=comparison.CHOICE[split],
        chart_of_all=_headline(reference, found, split), split=split,
        seeds=isinstance(reference, SeedRuns),
    ) + "\n"  # fmt: skip


def _answers(reference: Side, one: Compared, split: str) -> dict[str, Any]:
    of = Run(reference.path)
    rows = list(_changed(of, one)) if split == "test" else [
        _row(change, {}, None) for change in one.changes
    ]  # fmt: skip
    return {"counts": comparison.counts(one), "rows": rows}


def _changed(reference: Run, one: Compared) -> Iterator[ChangedRow]:
    """Yield the rows that changed, with their inputs where one of the runs has kept them."""
    numbers = [change.row for change in one.changes]
    kept = kept_rows.read(reference.path, numbers)
    kept |= kept_rows.read(one.run.path, numbers)
    plugin = plugin_of(one.run.path) if kept else None
    for change in one.changes:
        row = kept.get(change.row)
        cells = examples.brief_cells(plugin, row) if plugin and row else {}
        yield _row(change, cells, _shown(plugin, row, change) if plugin and row else None)


def _row(change: Change, cells: dict[str, Any], parts: tuple[Markup, Markup] | None) -> ChangedRow:
    before, after = map(_predicted, (change.reference_prediction, change.prediction))
    return ChangedRow(change.row, comparison.label(change.reference), before, after, cells, parts)


def _predicted(prediction: Any) -> str:
    score = prediction.get("score")
    sure = f" ({number(score)})" if isinstance(score, float) else ""
    return comparison.label(prediction) + sure


def _shown(plugin: Plugin[Any], row: dict[str, Any], change: Change) -> Any:
    """Return what the plugin shows of both predictions; None for nothing, or where it fails."""
    if type(plugin).show is Plugin.show:
        return None
    try:
        parts = [shown.stored(plugin.show(row, prediction, change.reference))
                 for prediction in (change.reference_prediction, change.prediction)]  # fmt: skip
    except Exception:  # whatever a plugin raises: the cells are shown instead
        return None
    return tuple(shown.html(part, f"{change.row} {n}") for n, part in enumerate(parts)) or None


def _headline(reference: Side, found: Sequence[One], split: str) -> Chart | None:
    """Return the headline score of all runs on one axis."""
    headline = reference.record.get("headline") or next(iter(found[0].differences), "")
    name = str(headline["metric"] if isinstance(headline, dict) else headline)
    runs = [reference, *map(comparison.side, found)]
    drawn = [(_short(run), score) for run in runs if (score := _score(run, name, split))]
    if len(drawn) != len(runs) or all(score.get("value") is None for _, score in drawn):
        return None
    line = drawn[0][1]["value"]
    title = f"{words(name)} on {split}, with 95% intervals"
    svg = charts.intervals(drawn, words(name), strong=[0], line=line, name=title, key="all runs")
    rows = [[label, *(number(score.get(key)) for key in ("value", "low", "high"))]
            for label, score in drawn]  # fmt: skip
    table = Table(f"Numbers: {words(name)}", ["", "value", "low", "high"], rows)
    return Chart(title, svg, "Dotted line: the reference run, on top.", table)


def _short(run: Side) -> str:
    return "/".join(run.path.resolve().parts[-2:])


def _score(run: Side, name: str, split: str) -> dict[str, Any]:
    if isinstance(run, Run):
        return dict(run.metrics[split].get(name, {}))
    if split == "test":
        found = run.metrics.get(name, {})
        return {**found, "value": found.get("mean")}
    values = [one.metrics[split][name]["value"] for one in run.runs]
    return {"value": None if None in values else fmean(values)}


def _differences(one: One, key: str) -> Chart | None:
    """Return the differences of the metrics that are shares, as only these share an axis."""
    drawn = [
        (words(name), {"value": d.value - d.reference, "low": d.low, "high": d.high})
        for name, d in one.differences.items() if 0 <= d.reference <= 1 and 0 <= d.value <= 1
    ]  # fmt: skip
    if not drawn:
        return None
    title = "Difference from the reference run, with 95% intervals"
    svg = charts.intervals(drawn, "difference", line=0.0, name=title, key=key)
    return Chart(
        title, svg, "Dotted line: no difference. Only metrics whose values lie between 0 and 1."
    )
