"""The results of several seeds of a recipe: in the terminal, and as README.md of their folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from toolkit.reporting.card import plain_markdown
from toolkit.reporting.formatting import markdown_table, number, words
from toolkit.reporting.formatting import score as with_interval
from toolkit.reporting.terminal import plain, print_facts
from toolkit.runs.seed_folder import SeedRuns
from toolkit.utils.files import write_atomically

FILES = ("README.md", "seeds.json")
PARTS = ("seeds", "rows", "both")
COLUMNS = ("", "mean", "95% interval", "deviation", "lowest", "highest", *PARTS)
WORDS = (
    "Mean and standard deviation of the test score over seeds, on the same test rows. The interval "
    "is that of the mean score, for other seeds and other test rows. Of the variance of one run's "
    "score, `seeds` is due to the seed, `rows` to the test rows, `both` to rows that only some "
    "seeds get right; 95% ranges are in brackets, which are wide for few seeds."
)


def summary(found: SeedRuns, console: Console) -> None:
    """Print the results of the runs together."""
    record = found.record
    seeds = ", ".join(map(str, record["finished"]))
    console.print(f"\n[bold]{plain(record['recipe'])}[/] with seeds {seeds}", highlight=False)
    table = Table(title="score over seeds, and what its variance is due to", title_justify="left",
                  show_edge=False)  # fmt: skip
    for name in ("", "mean", "deviation", "range", *PARTS):
        table.add_column(name, overflow="fold")
    for name, score in found.metrics.items():
        mean, between, deviation, lowest, highest, *shares = _cells(score)
        cells = [f"{mean}\n{between.replace(' to ', '-')}", deviation, f"{lowest}-{highest}"]
        table.add_row(plain(words(name)), *cells, *(s.replace(" (", "\n(") for s in shares))
    console.print(table)
    print_facts(console, _baselines(record), _notes(record), found.path, FILES)


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
    write_atomically(found.path / "README.md", "\n".join(_page(found)) + "\n")


def _page(found: SeedRuns) -> Iterator[str]:
    """Yield the lines of README.md."""
    record = found.record
    yield f"# {plain_markdown(record['recipe'])}, {len(record['finished'])} seeds\n"
    yield f"{WORDS} {record['rows']:,} test rows.\n"
    names, scores = list(map(plain_markdown, found.metrics)), found.metrics.values()
    cells = ([name, *_cells(score)] for name, score in zip(names, scores, strict=True))
    yield from markdown_table(COLUMNS, cells)
    yield from (f"- {plain_markdown(line)}" for line in _baselines(record))
    yield ""
    yield from markdown_table(["seed", *names], (
        [f"[{seed}](seed-{seed}/README.md)", *(number(s["values"][place]) for s in scores)]
        for place, seed in enumerate(record["finished"])
    ))  # fmt: skip
    yield from (f"- {plain_markdown(line)}" for line in _notes(record))
    yield f"\nRepeat it: `toolkit run recipe.yaml --seeds {len(record['seeds'])}`."


def _cells(score: Mapping[str, Any]) -> list[str]:
    low, high, shares = score["low"], score["high"], score["shares"]
    return [
        number(score["mean"]),
        "" if low is None else f"{number(low)} to {number(high)}",
        number(score["deviation"]),
        number(score["minimum"]),
        number(score["maximum"]),
        *(_share(score, name) if shares else "" for name in PARTS),
    ]


def _share(score: Mapping[str, Any], name: str) -> str:
    """Return "12% (3-60%)"; runs of an older version have no range."""
    low, high = (score.get("share_ranges") or {}).get(name, (None, None))
    between = "" if low is None else f" ({100 * low:.0f}-{high:.0%})"
    return f"{score['shares'][name]:.0%}{between}"


def _baselines(record: Mapping[str, Any]) -> Iterator[str]:
    for baseline, scores in record["baselines"].items():
        values = ", ".join(f"{name} {number(value)}" for name, value in scores.items())
        yield f"baseline {words(baseline)}: {values}"


def _notes(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader must know of these numbers."""
    count = len(record["finished"])
    yield (f"the splits are those of seed {record['split_seed']} in every run: the effect of other "
           "training rows is not in these numbers")  # fmt: skip
    if count < 5:
        yield f"{count} seeds are few to estimate a deviation; use five or more"
    for seed, why in record.get("failed", {}).items():
        yield f"seed {seed} failed, and is not in these numbers: {why}"
