"""The results of a cross-validation: in the terminal, and as README.md of its folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from toolkit.reporting.card import plain_markdown
from toolkit.reporting.formatting import markdown_table, number, words
from toolkit.reporting.formatting import score as with_interval
from toolkit.reporting.terminal import plain, print_facts
from toolkit.runs.fold_folder import FoldRuns
from toolkit.utils.files import write_atomically

FILES = ("README.md", "folds.json")
WORDS = (
    "Each row is in the test split of one fold, and is predicted by the model of that fold, which "
    "has not seen it. A score is that of all these predictions together. Its 95% interval is for "
    "other test rows; what other training rows would change is not in it, as folds share most of "
    "theirs."
)


def summary(found: FoldRuns, console: Console) -> None:
    """Print the results of the folds together."""
    record = found.record
    title = f"\n[bold]{plain(record['recipe'])}[/] over {len(record['finished'])} folds"
    console.print(f"{title}, {record['rows']:,} test rows", highlight=False)
    table = Table(title="score over all folds", title_justify="left", show_edge=False)
    for name in ("", "all rows", *(f"fold {fold}" for fold in record["finished"])):
        table.add_column(name, overflow="fold")
    for name, score in found.metrics.items():
        table.add_row(plain(words(name)), with_interval(score), *map(number, score["values"]))
    console.print(table)
    print_facts(console, _baselines(record), _notes(found), found.path, FILES)


def headline(found: FoldRuns) -> str:
    """Return the headline in a line: "dice 0.796 [0.770, 0.812]"."""
    name = found.record.get("headline")
    score = found.metrics.get(name) if name else None
    return "" if score is None else f"{words(str(name))} {with_interval(score)}"


def write(found: FoldRuns) -> None:
    """Write README.md."""
    write_atomically(found.path / "README.md", "\n".join(_page(found)) + "\n")


def _page(found: FoldRuns) -> Iterator[str]:
    """Yield the lines of README.md."""
    record = found.record
    folds: Sequence[int] = record["finished"]
    yield f"# {plain_markdown(record['recipe'])}, {len(folds)} folds\n"
    yield f"{WORDS} {record['rows']:,} test rows.\n"
    links = [f"[fold {fold}](fold-{fold}/README.md)" for fold in folds]
    yield from markdown_table(["", "all rows", *links], (
        [plain_markdown(words(name)), with_interval(score), *map(number, score["values"])]
        for name, score in found.metrics.items()
    ))  # fmt: skip
    yield from (f"- {plain_markdown(line)}" for line in _baselines(record))
    yield from (f"- {plain_markdown(line)}" for line in _notes(found))
    yield f"\nRepeat it: `toolkit run recipe.yaml {found.option}`."


def _baselines(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield each baseline's scores over all folds, and whether the model's are better."""
    for baseline, scores in record["baselines"].items():
        verdicts = record["verdicts"].get(baseline, {})
        parts = (f"{words(name)} {with_interval(score)}" + _verdict(verdicts.get(name))
                 for name, score in scores.items())  # fmt: skip
        yield f"baseline {words(baseline)}: {', '.join(parts)}"


def _verdict(found: Mapping[str, Any] | None) -> str:
    return f" (the model: {found['verdict']})" if found else ""


def _notes(found: FoldRuns) -> Iterator[str]:
    """Yield what a reader must know of these numbers."""
    for fold, why in found.record.get("failed", {}).items():
        yield f"fold {fold} failed, and its rows are not in these numbers: {why}"
    reasons = defaultdict(list)
    for name, score in found.metrics.items():
        if score.get("no_interval"):
            reasons[score["no_interval"]].append(words(name))
    for reason, names in reasons.items():
        yield f"no interval for {', '.join(names)}: {reason}"
