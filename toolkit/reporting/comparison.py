"""What comparing runs gave, on the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from toolkit.reporting.terminal import number, plain

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit.comparing import Compared, Difference
    from toolkit.runs import Run

VERDICTS = {True: "better", False: "worse", None: "not told apart"}
ROWS = 10  # changed rows that are shown


def show(baseline: Run, found: Sequence[Compared], console: Console) -> None:
    """Print each run beside the baseline."""
    console.print(f"baseline  {plain(baseline.path)}  {_facts(baseline)}", highlight=False)
    for one in found:
        console.print(f"\n[bold]{plain(one.run.path)}[/]  {_facts(one.run)}", highlight=False)
        table = Table(show_edge=False)
        for name in ("", "baseline", "run", "difference", "95% interval", "p", ""):
            table.add_column(name, overflow="fold")
        for name, difference in one.differences.items():
            table.add_row(plain(name.replace("_", " ")), *_cells(difference))
        console.print(table)
        if one.gained is not None and one.mcnemar is not None:
            console.print(
                f"rows right in one only: {one.gained:,} gained, {one.lost:,} lost "
                f"(McNemar p = {_p(one.mcnemar)})",
                highlight=False,
            )
        for change in one.changes[:ROWS]:
            said = " -> ".join(_said(p) for p in (change.baseline, change.prediction))
            console.print(f"  row {change.row:,}: {_said(change.reference)}; said {said}",
                          highlight=False)  # fmt: skip


def _facts(run: Run) -> str:
    record = run.record
    speed = record["speed"]
    method = plain(record.get("method", {}).get("name", ""))
    return (
        f"{plain(record['model']['id'])}, {method}, {speed['total_seconds']:.1f} s, "
        f"{speed['train_samples_per_second']:.0f} rows/s in training"
    )


def _cells(difference: Difference) -> list[str]:
    low, high = difference.low, difference.high
    between = "" if low is None or high is None else f"{low:+.3f} to {high:+.3f}"
    return [
        number(difference.baseline),
        number(difference.value),
        f"{difference.value - difference.baseline:+.3f}",
        between,
        "" if difference.p is None else _p(difference.p),
        "" if low is None else VERDICTS[difference.better],
    ]


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _said(value: Any) -> str:
    """Return a reference, or a prediction's label, short and harmless."""
    if isinstance(value, dict):
        value = value.get("label", value.get("labels", value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return plain(text if len(text) <= 60 else f"{text[:57]}...")
