"""The summary in the terminal: scores beside their intervals, baselines, overlap, speed, places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from toolkit.utils.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit.runs.folder import Run

SPLITS = {
    "test": "test",
    "test_without_overlap": "test, rows seen in training left out",
    "validation": "validation (chose the model)",
}
BESIDE = 5  # metrics beside each other at most; more go into another table
NAMES, CELL = 18, 14  # columns that the names of the rows take at least, and a score's interval


def plain(text: object) -> str:
    """Return text of others, in which the terminal and rich's markup find nothing to obey."""
    return escape(printable(text))


def number(value: float | None) -> str:
    """Return a score as it is printed everywhere, or "undefined"."""
    return "undefined" if value is None or value != value else f"{value:.3f}"


def with_interval(score: Mapping[str, Any]) -> str:
    """Return "0.931 [0.921, 0.940]"."""
    text = number(score["value"])
    if score.get("low") is None:
        return text
    return f"{text} [{number(score['low'])}, {number(score['high'])}]"


def summary(run: Run, console: Console) -> None:
    """Print what a run gave."""
    record = run.record
    metrics, baselines = record["metrics"], record["baselines"]
    console.print()
    console.print(f"[bold]{plain(record['recipe'])}[/] {plain(record['model']['id'])}")
    for names in _groups(list(metrics["test"]), console.width):
        table = Table(title="score, and its 95% interval", title_justify="left", show_edge=False)
        table.add_column("", overflow="fold")
        for name in names:
            table.add_column(plain(name.replace("_", " ")), overflow="fold")
        for split, words in SPLITS.items():
            if split in metrics:
                cells = [_cell(metrics[split][name]) for name in names]
                table.add_row(words, *cells, style="bold" if split == "test" else None)
        table.add_section()
        for baseline, scores in baselines.items():
            cells = [_cell(scores[name]) for name in names]
            table.add_row(plain(baseline_name(record, baseline)), *cells)
        console.print(table)
    console.print()
    for line in facts(record):
        console.print(plain(line), highlight=False)
    for warning in warnings(record):
        console.print(f"[yellow]note[/] {plain(warning)}", highlight=False)
    console.print()
    for what in ("model", "predictions.jsonl", "README.md", "run.json", "report.html"):
        console.print(f"  {what:18} {plain(str(_short(run.path / what)))}", highlight=False,
                      soft_wrap=True)  # fmt: skip


def baseline_name(record: Mapping[str, Any], baseline: str) -> str:
    """Return a baseline as it is shown: with its test rows, where it was scored on a part of them."""
    rows = record["data"]["rows"]["test"]
    used = record["baseline_rows"].get(baseline, {}).get("test", rows)
    part = f" ({used:,} rows)" if used < rows else ""
    return f"baseline: {baseline.replace('_', ' ')}{part}"


def _groups(names: list[str], width: int) -> list[list[str]]:
    beside = max(1, min(BESIDE, (width - NAMES) // CELL))
    return [names[start : start + beside] for start in range(0, len(names), beside)]


def _cell(score: Mapping[str, Any]) -> str:
    """Return the score, and its interval below it: narrow enough for five in a row."""
    if score.get("low") is None:
        return number(score["value"])
    return f"{number(score['value'])}\n{number(score['low'])}-{number(score['high'])}"


def facts(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield rows, overlap, speed and where the time went, a line each."""
    data, speed, reload = record["data"], record["speed"], record["reload"]
    yield "rows: " + ", ".join(f"{split} {rows:,}" for split, rows in data["rows"].items())
    yield "overlap: " + overlap(data["overlap"])
    if "parameters" in record:
        count = record["parameters"]
        yield f"trained: {count['trained']:,} of {count['all']:,} parameters"
    yield f"reload: {reload['compared']:,} predictions compared, {reload['different']} different"
    parts = speed["phases"]
    devices = record.get("devices")
    if devices is not None and devices["processes"] > 1:
        batch = devices["batch"]
        yield (
            f"devices: {devices['processes']} processes on {devices['type']}, "
            f"{batch['rows_per_step']} rows a step"
        )
    yield (
        f"time: {speed['total_seconds']:.1f} s = train {parts['train']:.1f} "
        f"({speed['train_samples_per_second']:.0f} rows/s) + scoring {parts['score']:.1f} + baselines "
        f"{parts['baselines']:.1f} + fixed {speed['fixed_seconds']:.1f}"
    )
    fixed = {k: v for k, v in parts.items() if k not in ("train", "score", "baselines")}
    yield "fixed: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in fixed.items())


def overlap(pairs: Mapping[str, Mapping[str, int]]) -> str:
    """Return "none between splits", or the counts by pair."""
    found = [
        f"{pair} {counts['exact']} exact, {counts['normalised']} but for case and punctuation"
        for pair, counts in pairs.items()
        if counts["normalised"]
    ]
    return "; ".join(found) or "none between splits"


def warnings(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader must know before trusting the score."""
    data = record["data"]
    for split, reasons in data["skipped"].items():
        for reason, rows in reasons.items():
            yield f"{split}: {rows:,} rows set aside ({reason})"
    for split, counts in data["duplicates"].items():
        if counts["normalised"]:
            yield f"{split}: {counts['normalised']:,} duplicate rows kept"
    yield from data["notes"]
    devices = record.get("devices", {"notes": [], "batch": {"reduced": []}})
    yield from devices["notes"]
    yield from (note["text"] for note in devices["batch"]["reduced"])
    for name, used in record["baseline_rows"].items():
        rows = data["rows"]
        if used["train"] < rows["train"] or used["test"] < rows["test"]:
            yield (
                f"baseline {name}: fitted on {used['train']:,} of {rows['train']:,} rows, scored on "
                f"{used['test']:,} of {rows['test']:,} (baselines get a fifth of the training time)"
            )
    yield from _not_beaten(record)


def _not_beaten(record: Mapping[str, Any]) -> Iterator[str]:
    if record["headline"] is None:
        return
    headline, more = record["headline"]["metric"], record["headline"]["greater_is_better"]
    score = record["metrics"]["test"][headline]
    bound = score.get("low" if more else "high")
    for baseline, scores in record["baselines"].items():
        value = scores[headline]["value"]
        if value is not None and bound is not None and (value >= bound) is more:
            side = "above" if more else "below"
            yield f"{headline} is not clearly {side} the baseline {baseline} ({number(value)})"


def duration(seconds: float) -> str:
    """Return "41 s", "12 min" or "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _short(path: Path) -> Path:
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
