"""A run as notebooks and pages show it: its headline beside the best baseline, and its report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from toolkit.reporting.formatting import number, score, words
from toolkit.reporting.templates import own
from toolkit.runs.folder import Run

LONGEST = 320  # characters of a fact


def headline(record: Mapping[str, Any]) -> str:
    """Return "accuracy 0.808 [0.733, 0.875]; best baseline: frozen linear 0.767".

    It is that of the test split; empty for a run that did not get that far or has no metric.
    """
    best, scores = record.get("headline"), record.get("metrics", {}).get("test", {})
    if not best or best["metric"] not in scores:
        return ""
    name = best["metric"]
    text = f"{words(name)} {score(scores[name])}"
    baseline = best_baseline(record, name, best["greater_is_better"])
    if baseline is None:
        return f"{text}; no baseline to compare it with"
    value = number(record["baselines"][baseline][name]["value"])
    return f"{text}; best baseline: {words(baseline)} {value}"


def best_baseline(record: Mapping[str, Any], metric: str, greater_is_better: bool) -> str | None:
    """Return the baseline that is hardest to beat; None if none has a value."""
    baselines = record.get("baselines", {})
    values = {name: scores[metric]["value"] for name, scores in baselines.items()
              if scores.get(metric, {}).get("value") is not None}  # fmt: skip
    best = max if greater_is_better else min
    return best(values, key=lambda name: float(values[name])) if values else None


def run_html(run: Run) -> str:
    """Return a run as a small table, all outside text in it escaped."""
    record = run.record
    counts = record.get("data", {}).get("rows", {})
    facts = {
        "run": record.get("recipe"),
        "status": record["status"],
        "because": record.get("error"),
        "test score, 95% interval": headline(record),
        "rows": ", ".join(f"{name} {count:,}" for name, count in counts.items()),
    }
    cells = {name: own(fact, LONGEST) for name, fact in facts.items() if fact}
    if run.report.is_file():
        cells["report"] = _link(run.report)
    row = Markup('<tr><th scope="row" style="text-align: start">{}</th>'
                 '<td style="text-align: start">{}</td></tr>')  # fmt: skip
    rows = Markup("").join(row.format(name, value) for name, value in cells.items())
    return str(Markup("<table>{}</table>").format(rows))


def _link(path: Path) -> Markup:
    """Return a link that a notebook can follow: relative to its folder if the run is below it."""
    full, here = path.resolve(), Path.cwd()
    below = full.is_relative_to(here)
    address = quote(full.relative_to(here).as_posix()) if below else full.as_uri()
    link = Markup('<a href="{}" target="_blank" rel="noopener">{}</a>')
    return link.format(address, own(path, LONGEST))
