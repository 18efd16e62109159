"""A comparison of runs, or of recipes over their seeds: in the terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import table as terminal_table
from rich.console import Console

from toolkit.evaluation.differences import Difference
from toolkit.reporting import examples
from toolkit.reporting.formatting import cut, number, p_value, words
from toolkit.reporting.html.parts import Table
from toolkit.reporting.terminal import plain
from toolkit.runs.changed_answers import answer
from toolkit.runs.compare import Compared
from toolkit.runs.compare_seeds import SeedsCompared
from toolkit.runs.folder import Run
from toolkit.runs.seed_folder import SeedRuns
from toolkit.utils.jsonable import finite

SCORES = ("metric", "reference", "run", "change", "95% interval", "p", "verdict")
CHANGES = ("row", "actual", "reference predicted", "run predicted")
SETTINGS = ("setting", "reference", "run")
ROWS = 10  # changed rows in the terminal
WORD = 10  # letters of a word that is not broken in the terminal
CHOICE = {
    "test": "The run that is best on test rows was partly lucky with these rows: to choose one, "
    "compare with --split validation, then report its test score.",
    "validation": "Validation rows also chose checkpoints and thresholds: their scores are for "
    "choosing a run; report its test score.",
}
SAME = "No setting differs."

One = Compared | SeedsCompared
Side = Run | SeedRuns


def show(reference: Side, found: Sequence[One], console: Console, split: str = "test") -> None:
    """Print each run beside the reference run."""
    console.print(f"reference run  {plain(reference.path)}  {plain(facts(reference))}",
                  highlight=False)  # fmt: skip
    for one in found:
        run = side(one)
        console.print(f"\n[bold]{plain(run.path)}[/]  {plain(facts(run))}", highlight=False)
        for table in (settings(one), scores(one, split)):
            console.print(plain(table.caption), style="dim", highlight=False)
            if table.rows:
                console.print(_in_terminal(table, console.width))
        if isinstance(one, Compared) and (counted := counts(one)):
            console.print(counted, highlight=False)
        if isinstance(one, Compared) and one.changes:
            console.print(_in_terminal(changes(one, ROWS), console.width))
    console.print(f"\n[yellow]note[/] {CHOICE[split]}", highlight=False)


def as_json(reference: Side, found: Sequence[One], split: str = "test") -> dict[str, Any]:
    """Return the comparison as JSON has it; what is undefined is null."""
    return {"split": split, "reference": _described(reference), "runs": [
        {
            **_described(side(one)),
            "settings": {key: {"reference": before, "run": after}
                         for key, before, after in one.settings},
            "metrics": finite({
                name: {**vars(d), "difference": d.value - d.reference, "better": d.better}
                for name, d in one.differences.items()
            }),
            **(_answers(one) if isinstance(one, Compared) else {}),
        }
        for one in found
    ]}  # fmt: skip


def _answers(one: Compared) -> dict[str, Any]:
    return {"gained": one.gained, "lost": one.lost, "mcnemar_p": one.mcnemar,
            "groups_p": one.by_groups, "changed": one.changed,
            "changes": [vars(change) for change in one.changes]}  # fmt: skip


def side(one: One) -> Side:
    """Return what is compared with the reference."""
    return one.run if isinstance(one, Compared) else one.runs


def _described(run: Side) -> dict[str, Any]:
    record = run.record
    if isinstance(run, SeedRuns):
        return {"path": str(run.path), "recipe": record["recipe"], "seeds": record["finished"]}
    speed = {key: record["speed"][key] for key in ("total_seconds", "train_samples_per_second")}
    method = (record.get("method") or {}).get("name", "")
    return {"path": str(run.path), "model": record["model"]["id"], "method": method, **speed}


def facts(run: Side) -> str:
    """Return model, method and speed of a run in a line; recipe and seeds of several."""
    of = _described(run)
    if isinstance(run, SeedRuns):
        return f"{of['recipe']}, {len(of['seeds'])} seeds"
    return (f"{of['model']}, {of['method']}, {of['total_seconds']:.1f} s, "
            f"{of['train_samples_per_second']:.0f} rows/s in training")  # fmt: skip


def settings(one: One) -> Table:
    """Return the settings that differ from those of the reference."""
    rows = [[key, *(examples.brief("default" if value is None else value) for value in pair)]
            for key, *pair in one.settings]  # fmt: skip
    return Table("Settings that differ" if rows else SAME, SETTINGS, rows)


def scores(one: One, split: str) -> Table:
    """Return the differences of all metrics."""
    several = isinstance(one, SeedsCompared)
    rows = [[words(name), *_cells(difference)] for name, difference in one.differences.items()]
    without = SCORES.index("p")
    if several:  # the interval of means has no p
        rows = [[*row[:without], *row[without + 1 :]] for row in rows]
    head = [name for name in SCORES if name != "p" or not several]
    return Table(f"{'Mean scores over seeds' if several else 'Scores'} on {split}", head, rows)


def _cells(difference: Difference) -> list[str]:
    low, high = difference.low, difference.high
    known = low is not None and high is not None
    return [
        number(difference.reference),
        number(difference.value),
        f"{difference.value - difference.reference:+.3f}",
        f"{low:+.3f} to {high:+.3f}" if known else "",
        "" if difference.p is None else p_value(difference.p),
        difference.verdict if known else "",
    ]


def counts(one: Compared) -> str:
    """Return how many rows changed, and for labels whether they are right now."""
    tests = {"McNemar p": one.mcnemar, "p, groups resampled": one.by_groups}
    said = "".join(f" ({name}: {p_value(p)})" for name, p in tests.items() if p is not None)
    if one.gained is not None and one.lost is not None:
        return (f"{one.gained + one.lost:,} rows changed: {one.gained:,} now right, "
                f"{one.lost:,} now wrong{said}")  # fmt: skip
    return "" if one.changed is None else f"{one.changed:,} rows with other predictions"


def changes(one: Compared, most: int) -> Table:
    """Return the first rows that changed."""
    rows = [[f"{c.row:,}", *map(label, (c.reference, c.reference_prediction, c.prediction))]
            for c in one.changes[:most]]  # fmt: skip
    return Table(f"The first {len(rows)} of them", CHANGES, rows)


def label(value: Any) -> str:
    """Return a label, or what else a prediction or a reference holds, in short."""
    value = answer(value)
    return cut(
        (value or "(empty)") if isinstance(value, str) else examples.brief(value, lists=True)
    )


def _in_terminal(table: Table, width: int) -> terminal_table.Table:
    """Return a table whose lines break between words, where the window is wide enough for that."""
    columns = [[word for cell in column for word in str(cell).split()]
               for column in zip(table.head, *table.rows, strict=True)]  # fmt: skip
    longest = [min(WORD, max(map(len, words), default=0)) for words in columns]
    fits = sum(longest) + 3 * len(longest) <= width
    found = terminal_table.Table(show_edge=False)
    for name, least in zip(table.head, longest, strict=True):
        found.add_column(name, overflow="fold", min_width=least if fits else None)
    for row in table.rows:
        found.add_row(*map(plain, row))
    return found
