"""What several seeds of a recipe gave: in the terminal, and as README.md of their folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from toolkit.reporting.card import plain_markdown
from toolkit.reporting.terminal import number, plain, with_interval

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit.runs.seed_folder import SeedRuns

COLUMNS = ("", "mean", "95% interval", "deviation", "lowest", "highest", "seeds", "rows", "both")
WORDS = (
    "Mean and standard deviation of the test score over seeds, on the same test rows. The interval "
    "is that of the mean score, for other seeds and other test rows. Of the variance of one run's "
    "score, `seeds` is due to the seed, `rows` to the test rows, `both` to rows that only some "
    "seeds get right."
)


def summary(found: SeedRuns, console: Console) -> None:
    """Print what the runs gave together."""
    record = found.record
    console.print()
    console.print(f"[bold]{plain(record['recipe'])}[/] with seeds "
                  f"{', '.join(map(str, record['finished']))}", highlight=False)  # fmt: skip
    table = Table(title="score over seeds, and what its variance is due to", title_justify="left",
                  show_edge=False)  # fmt: skip
    for name in ("", "mean", "deviation", "range", "seeds", "rows", "both"):
        table.add_column(name, overflow="fold")
    for name, score in found.metrics.items():
        mean, between, deviation, lowest, highest, *shares = _cells(score)
        cells = [f"{mean}\n{between.replace(' to ', '-')}", deviation, f"{lowest}-{highest}"]
        table.add_row(plain(name.replace("_", " ")), *cells, *shares)
    console.print(table)
    for baseline, scores in record["baselines"].items():
        values = ", ".join(f"{name} {number(value)}" for name, value in scores.items())
        console.print(
            f"baseline {plain(baseline.replace('_', ' '))}: {plain(values)}", highlight=False
        )
    for line in _notes(record):
        console.print(f"[yellow]note[/] {plain(line)}", highlight=False)
    for what in ("README.md", "seeds.json"):
        console.print(f"  {what:18} {plain(found.path / what)}", highlight=False, soft_wrap=True)


def headline(found: SeedRuns) -> str:
    """Return the headline in a line: "accuracy 0.931 [0.921, 0.940], deviation 0.004"."""
    name = found.record.get("headline")
    score = found.metrics.get(name) if name else None
    if score is None:
        return ""
    mean = with_interval({**score, "value": score["mean"]})
    return f"{name} {mean}, deviation {number(score['deviation'])}"


def write(found: SeedRuns) -> None:
    """Write README.md."""
    text = "\n".join(page(found)) + "\n"
    (found.path / "README.md").write_text(text, encoding="utf-8")


def page(found: SeedRuns) -> Iterator[str]:
    """Yield the lines of README.md."""
    record = found.record
    yield f"# {plain_markdown(record['recipe'])}, {len(record['finished'])} seeds\n"
    yield f"{WORDS} {record['rows']:,} test rows.\n"
    yield "| " + " | ".join(COLUMNS) + " |"
    yield "|---" * len(COLUMNS) + "|"
    for name, score in found.metrics.items():
        yield f"| {plain_markdown(name)} | " + " | ".join(_cells(score)) + " |"
    for baseline, scores in record["baselines"].items():
        values = ", ".join(f"{name} {number(value)}" for name, value in scores.items())
        yield f"\nBaseline {plain_markdown(baseline)}: {plain_markdown(values)}"
    yield "\n| seed | " + " | ".join(map(plain_markdown, found.metrics)) + " |"
    yield "|---" * (len(found.metrics) + 1) + "|"
    for place, seed in enumerate(record["finished"]):
        values = " | ".join(number(score["values"][place]) for score in found.metrics.values())
        yield f"| [{seed}](seed-{seed}/README.md) | {values} |"
    yield ""
    yield from (f"- {plain_markdown(line)}" for line in _notes(record))
    seeds = len(record["seeds"])
    yield f"\nAgain: `toolkit run recipe.yaml --seeds {seeds}`."


def _cells(score: Mapping[str, Any]) -> list[str]:
    low, high, shares = score["low"], score["high"], score["shares"]
    parts = [shares[name] for name in ("seeds", "rows", "both")] if shares else []
    return [
        number(score["mean"]),
        "" if low is None else f"{number(low)} to {number(high)}",
        number(score["deviation"]),
        number(score["minimum"]),
        number(score["maximum"]),
        *([f"{share:.0%}" for share in parts] or ["", "", ""]),
    ]


def _notes(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader must know of these numbers."""
    yield (
        f"the splits are those of seed {record['split_seed']} in every run: what other training "
        "rows would change is not in these numbers"
    )
    if len(record["finished"]) < 5:
        yield f"{len(record['finished'])} seeds tell little of a deviation; five or more are better"
    for seed, why in record.get("failed", {}).items():
        yield f"seed {seed} failed, and is not in these numbers: {why}"
