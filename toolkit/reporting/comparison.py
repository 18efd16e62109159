"""What comparing runs gave, on the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from toolkit.reporting.terminal import number, plain
from toolkit.utils.jsonable import finite

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit.runs.compare import Compared, Difference
    from toolkit.runs.folder import Run

VERDICTS = {True: "better", False: "worse", None: "not told apart"}
ROWS = 10  # changed rows that are shown


def show(baseline: Run, found: Sequence[Compared], console: Console) -> None:
    """Print each run beside the baseline."""
    console.print(f"baseline  {plain(baseline.path)}  {plain(facts(baseline))}", highlight=False)
    for one in found:
        console.print(f"\n[bold]{plain(one.run.path)}[/]  {plain(facts(one.run))}", highlight=False)
        table = Table(show_edge=False)
        for name in ("", "baseline", "run", "difference", "95% interval", "p", ""):
            table.add_column(name, overflow="fold")
        for name, difference in one.differences.items():
            table.add_row(plain(name.replace("_", " ")), *cells(difference))
        console.print(table)
        if one.gained is not None and one.mcnemar is not None:
            console.print(
                f"rows right in one only: {one.gained:,} gained, {one.lost:,} lost "
                f"(McNemar p = {p_of(one.mcnemar)})",
                highlight=False,
            )
        elif one.changed is not None:
            console.print(f"rows answered differently: {one.changed:,}", highlight=False)
        for change in one.changes[:ROWS]:
            said = " -> ".join(plain(text_of(p)) for p in (change.baseline, change.prediction))
            reference = plain(text_of(change.reference))
            console.print(f"  row {change.row:,}: {reference}; said {said}", highlight=False)


def facts(run: Run) -> str:
    """Return model, method and speed of a run in a line."""
    record = run.record
    speed = record["speed"]
    method = (record.get("method") or {}).get("name", "")
    return (
        f"{record['model']['id']}, {method}, {speed['total_seconds']:.1f} s, "
        f"{speed['train_samples_per_second']:.0f} rows/s in training"
    )


def cells(difference: Difference) -> list[str]:
    """Return the cells of a row: scores, difference, interval, p, verdict."""
    low, high = difference.low, difference.high
    between = "" if low is None or high is None else f"{low:+.3f} to {high:+.3f}"
    return [
        number(difference.baseline),
        number(difference.value),
        f"{difference.value - difference.baseline:+.3f}",
        between,
        "" if difference.p is None else p_of(difference.p),
        "" if low is None else VERDICTS[difference.better],
    ]


def p_of(value: float) -> str:
    """Return a p as it is printed."""
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def text_of(value: Any) -> str:
    """Return a reference, or a prediction's label, short."""
    if isinstance(value, dict):
        value = value.get("label", value.get("labels", value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def as_json(baseline: Run, found: Sequence[Compared]) -> dict[str, Any]:
    """Return the comparison as JSON has it; what is undefined is null."""
    return {"baseline": _described(baseline), "runs": [
        {
            **_described(one.run),
            "metrics": {
                name: {
                    "baseline": finite(d.baseline), "value": finite(d.value),
                    "difference": finite(d.value - d.baseline), "low": finite(d.low),
                    "high": finite(d.high), "p": d.p, "better": d.better,
                    "greater_is_better": d.greater_is_better,
                }
                for name, d in one.differences.items()
            },
            "gained": one.gained, "lost": one.lost, "mcnemar_p": one.mcnemar,
            "changed": one.changed,
            "changes": [
                {"row": c.row, "reference": c.reference, "baseline": c.baseline,
                 "prediction": c.prediction}
                for c in one.changes
            ],
        }
        for one in found
    ]}  # fmt: skip


def _described(run: Run) -> dict[str, Any]:
    record = run.record
    speed = {key: record["speed"][key] for key in ("total_seconds", "train_samples_per_second")}
    method = (record.get("method") or {}).get("name", "")
    return {"path": str(run.path), "model": record["model"]["id"], "method": method, **speed}
