"""A comparison of runs: in the terminal, as JSON, and as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup
from rich import table as terminal_table
from rich.console import Console

from toolkit.evaluation.differences import Difference
from toolkit.plugin_types import sameness
from toolkit.reporting import examples, shown, templates
from toolkit.reporting.formatting import cut, number, p_value, words
from toolkit.reporting.html.parts import Table
from toolkit.reporting.terminal import plain
from toolkit.runs.compare import Compared
from toolkit.runs.folder import Run
from toolkit.utils.jsonable import finite

SCORES = ("metric", "reference", "run", "change", "95% interval", "p", "verdict")
CHANGES = ("row", "actual", "reference predicted", "run predicted")
ROWS = 10  # changed rows in the terminal
WORD = 10  # letters of a word that is not broken in the terminal


def show(reference: Run, found: Sequence[Compared], console: Console) -> None:
    """Print each run beside the reference run."""
    path, facts = plain(reference.path), plain(_facts(reference))
    console.print(f"reference run  {path}  {facts}", highlight=False)
    for one in found:
        path, facts = plain(one.run.path), plain(_facts(one.run))
        console.print(f"\n[bold]{path}[/]  {facts}", highlight=False)
        console.print(_in_terminal(_scores(one), console.width))
        if counts := _counts(one):
            console.print(counts, highlight=False)
        if one.changes:
            console.print(_in_terminal(_changes(one, ROWS), console.width))


def page(reference: Run, found: Sequence[Compared]) -> str:
    """Return the comparison as HTML: no script, no network, light and dark."""
    runs = [
        {"name": one.run.path, "facts": _facts(one.run), "scores": _scores(one),
         "counts": _counts(one), "changes": _changes(one, len(one.changes)),
         "shown": list(_shown(reference, one))}
        for one in found
    ]  # fmt: skip
    described = {"name": reference.path, "facts": _facts(reference)}
    return templates.render("comparison.html.jinja", reference=described, runs=runs) + "\n"


def as_json(reference: Run, found: Sequence[Compared]) -> dict[str, Any]:
    """Return the comparison as JSON has it; what is undefined is null."""
    return {"reference": _described(reference), "runs": [
        {
            **_described(one.run),
            "metrics": finite({
                name: {**vars(d), "difference": d.value - d.reference, "better": d.better}
                for name, d in one.differences.items()
            }),
            "gained": one.gained, "lost": one.lost, "mcnemar_p": one.mcnemar,
            "groups_p": one.by_groups,
            "changed": one.changed, "changes": [vars(change) for change in one.changes],
        }
        for one in found
    ]}  # fmt: skip


def _described(run: Run) -> dict[str, Any]:
    record = run.record
    speed = {key: record["speed"][key] for key in ("total_seconds", "train_samples_per_second")}
    method = (record.get("method") or {}).get("name", "")
    return {"path": str(run.path), "model": record["model"]["id"], "method": method, **speed}


def _facts(run: Run) -> str:
    """Return model, method and speed of a run in a line."""
    of = _described(run)
    return (f"{of['model']}, {of['method']}, {of['total_seconds']:.1f} s, "
            f"{of['train_samples_per_second']:.0f} rows/s in training")  # fmt: skip


def _scores(one: Compared) -> Table:
    rows = [[words(name), *_cells(difference)] for name, difference in one.differences.items()]
    return Table("Scores on test", SCORES, rows)


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


def _counts(one: Compared) -> str:
    """Return how many rows changed, and for labels whether they are right now."""
    tests = {"McNemar p": one.mcnemar, "p, groups resampled": one.by_groups}
    said = "".join(f" ({name}: {p_value(p)})" for name, p in tests.items() if p is not None)
    if one.gained is not None and one.lost is not None:
        return (f"{one.gained + one.lost:,} rows changed: {one.gained:,} now right, "
                f"{one.lost:,} now wrong{said}")  # fmt: skip
    return "" if one.changed is None else f"{one.changed:,} rows with other predictions"


def _changes(one: Compared, most: int) -> Table:
    rows = [[f"{c.row:,}", *map(_label, (c.reference, c.reference_prediction, c.prediction))]
            for c in one.changes[:most]]  # fmt: skip
    return Table(f"The first {len(rows)} of them", CHANGES, rows)


def _shown(reference: Run, one: Compared) -> Iterator[tuple[int, Markup, Markup]]:
    """Yield what plugins show of changed rows, of those that both runs have kept for the report."""
    kept = [examples.read_examples(run.path).rows for run in (reference, one.run)]
    for change in one.changes:
        parts = [rows[row].shown for rows in kept if (row := str(change.row)) in rows]
        if len(parts) == 2 and all(parts):
            first, second = (shown.html(p, f"{change.row} {n}") for n, p in enumerate(parts))
            yield change.row, first, second


def _label(value: Any) -> str:
    """Return a label, or what else a prediction or a reference holds, in short."""
    value = sameness.answer(value)
    return cut(value if isinstance(value, str) else examples.brief(value, lists=True))


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
