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

LONGEST = 80  # characters of a name


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
    rows = record.get("data", {}).get("rows", {})
    facts = {
        "run": own(record.get("recipe", ""), LONGEST),
        "status": own(record["status"], LONGEST),
        "because": own(record.get("error") or "", 4 * LONGEST),
        "test score, 95% interval": own(headline(record), 3 * LONGEST),
        "rows": own(", ".join(f"{name} {count:,}" for name, count in rows.items()), 3 * LONGEST),
        "report": _link(run.report) if run.report.is_file() else "",
    }
    cells = [
        Markup('<tr><th scope="row" style="text-align: start">{}</th>'
               '<td style="text-align: start">{}</td></tr>').format(name, value)
        for name, value in facts.items() if value not in ("", own(""))
    ]  # fmt: skip
    return str(Markup("<table>{}</table>").format(Markup("").join(cells)))


def _link(path: Path) -> Markup:
    """Return a link that a notebook can follow: relative to its folder if the run is below it."""
    full, here = path.resolve(), Path.cwd()
    address = (
        quote(full.relative_to(here).as_posix()) if full.is_relative_to(here) else full.as_uri()
    )
    return Markup('<a href="{}" target="_blank" rel="noopener">{}</a>').format(
        address, own(path, 2 * LONGEST)
    )
