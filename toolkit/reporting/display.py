"""A run as notebooks and pages show it: its headline beside the best baseline, and its report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from toolkit.runs.folder import Run

LONGEST = 80  # characters of a name


def headline(record: Mapping[str, Any]) -> str:
    """Return "accuracy 0.808 [0.733, 0.875]; best baseline: frozen linear 0.767", or nothing.

    It is that of the test split; a run that did not get that far, or has no metric, has none.
    """
    from toolkit.reporting.html.parts import number, score, words

    chosen, scores = record.get("headline"), record.get("metrics", {}).get("test", {})
    if not chosen or chosen["metric"] not in scores:
        return ""
    name, more = chosen["metric"], chosen["greater_is_better"]
    said = f"{words(name)} {score(scores[name])}"
    baseline = best_baseline(record, name, more)
    if baseline is None:
        return f"{said}; no baseline to compare it with"
    value = number(record["baselines"][baseline][name]["value"])
    return f"{said}; best baseline: {words(baseline)} {value}"


def best_baseline(record: Mapping[str, Any], metric: str, greater_is_better: bool) -> str | None:
    """Return the baseline that is hardest to beat; None where none has a value."""
    values = {baseline: scores[metric]["value"] for baseline, scores in record.get("baselines", {}).items()
              if scores.get(metric, {}).get("value") is not None}  # fmt: skip
    if not values:
        return None
    best = max if greater_is_better else min
    return str(best(values, key=lambda baseline: float(values[baseline])))


def run_html(run: Run) -> str:
    """Return a run as a small table, all that others wrote in it escaped."""
    from markupsafe import Markup

    from toolkit.reporting.charts import text

    record, own = run.record, Markup("<bdi>{}</bdi>")
    rows = record.get("data", {}).get("rows", {})
    facts = {
        "run": own.format(text(record.get("recipe", ""), LONGEST)),
        "status": own.format(text(record["status"], LONGEST)),
        "because": own.format(text(record.get("error") or "", 4 * LONGEST)),
        "test score, 95% interval": own.format(text(headline(record), 3 * LONGEST)),
        "rows": own.format(", ".join(f"{text(name)} {count:,}" for name, count in rows.items())),
        "report": _link(run.report) if run.report.is_file() else "",
    }
    empty = own.format("")
    cells = [
        Markup('<tr><th scope="row" style="text-align: start">{}</th>'
               '<td style="text-align: start">{}</td></tr>').format(name, value)
        for name, value in facts.items() if value not in ("", empty)
    ]  # fmt: skip
    return str(Markup("<table>{}</table>").format(Markup("").join(cells)))


def _link(path: Path) -> str:
    """Return a link that a notebook can follow: relative to its folder, where the run is below."""
    from markupsafe import Markup

    from toolkit.reporting.charts import text

    full = path.resolve()
    below = full.is_relative_to(Path.cwd())
    address = quote(full.relative_to(Path.cwd()).as_posix()) if below else full.as_uri()
    shown = text(str(path), 2 * LONGEST)
    return Markup('<a href="{}" target="_blank" rel="noopener"><bdi>{}</bdi></a>').format(
        address, shown
    )
