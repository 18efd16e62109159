"""What moved predictions, as HTML: words marked in their text, patches, columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from toolkit.reporting import charts
from toolkit.reporting.explanations import Part, Row, StoredExplanations
from toolkit.reporting.formatting import cut, number, sentence, words
from toolkit.reporting.html.parts import Chart, Section, Table

NUMBERS = (
    " A number is by how much the score of what it stands for (log odds of a class, or the value) "
    "falls where a part is taken out or is as usual: what the model depends on, and not what the "
    "cause is."
)
MARKS = (
    " Marked is what moved the prediction: orange with a line speaks for it (+), blue with dashes "
    "against it (\u2212)."
)
FAINT = 0.15  # of the largest contribution: from where a part is marked
LONGEST = 6  # parts of a row that have their number
COLUMNS = 15  # in a chart


def sections(kept: StoredExplanations) -> list[Section]:
    """Return the section on what the model depends on, if anything is known of it."""
    found, made = kept.importance, Section("depends", "What does it depend on?")
    if found is None:
        made.answer.append(sentence(f"{kept.columns_note}."))
        return [made] if kept.columns_note else []
    metric, (first, (loss, _)) = words(found.metric), next(iter(found.columns.items()))
    worse = (f"{metric} ({number(found.value)}) gets worse by {number(loss)} when {cut(first)} is "
             f"shuffled among {found.rows:,} test rows, the most of all columns.")  # fmt: skip
    none = f"No column that is shuffled among the test rows makes {metric} worse."
    made.answer.append(sentence(worse if loss > 0 else none))
    rows = [(name, {"value": mean, "low": mean - spread, "high": mean + spread})
            for name, (mean, spread) in found.columns.items()]  # fmt: skip
    svg = charts.intervals(rows[:COLUMNS], f"loss of {metric}", line=0.0, key="importance",
                           name=f"loss of {metric} by shuffled column")  # fmt: skip
    cells = [[name, mean, spread] for name, (mean, spread) in found.columns.items()]
    head = ["column", f"loss of {metric}", "deviation"]
    numbers = Table("Numbers: permutation importance", head, cells)
    caption = (
        f"Mean and standard deviation of {found.repeats} shuffles, which do not include how "
        "uncertain the test rows are. Of columns that say the same, none may seem to matter."
    )
    if found.rare:
        caption += (f" The {found.rows:,} rows include all {found.rare:,} of the rarer classes, so "
                    f"that {metric} is not that of the whole split.")  # fmt: skip
    made.blocks.append(Chart("Permutation importance", svg, caption, numbers))
    return [made]


def legend(kept: StoredExplanations, rows: Sequence[int]) -> str:
    """Return what a caption says of rows some of which may be explained."""
    there = [kept.rows[str(row)] for row in rows if str(row) in kept.rows]
    if not there:
        return ""
    marks = MARKS * any(row.texts or row.picture for row in there)
    return marks + NUMBERS + f" {sentence(kept.rows_note)}." * bool(kept.rows_note)


def marked(row: Row) -> Markup:
    """Return an explained row: its texts, image or columns with what moved the prediction."""
    names = list(row.scores)
    if not names:
        return Markup("")
    own = [part for part in row.parts if part.of == names[0]]
    found = [_text(column, text, [part for part in own if part.column == column])
             for column, text in row.texts.items()]  # fmt: skip
    if row.picture:
        alt = "the image with patches for (orange, +) and against (blue, -) the prediction"
        found.append(Markup('<img src="{}" alt="{}">').format(row.picture, alt))
    whole = [part for part in own if part.start is None]
    if whole:
        found.append(_listed(f"for “{cut(names[0], 40)}”", whole[:LONGEST]))
    for name in names[1:]:
        found.append(_listed(f"for “{cut(name, 40)}”", [p for p in row.parts if p.of == name]))
    return Markup("").join(found)


def _text(column: str, text: str, parts: Sequence[Part]) -> Markup:
    """Return a text with its parts marked by their contributions."""
    largest = max((abs(part.contribution) for part in parts), default=0.0) or 1.0
    numbered = {id(part) for part in parts[:LONGEST]}  # they come sorted by size
    pieces, end = list[Markup](), 0
    strong = [part for part in parts if abs(part.contribution) >= FAINT * largest]
    for part in sorted(strong, key=lambda part: part.start or 0):
        start, last = part.start or 0, min(part.end or 0, len(text))
        if start < last:
            pieces += [_plain(text[end:start]), _mark(text[start:last], part.contribution,
                       largest, id(part) in numbered)]  # fmt: skip
            end = last
    tag = Markup('<span class="tag">{}</span> ').format(charts.text(column, 40))
    body = Markup("").join([*pieces, _plain(text[end:])])
    return Markup('<p class="text long moved">{}<bdi>{}</bdi></p>').format(tag, body)


def _mark(text: str, value: float, largest: float, numbered: bool) -> Markup:
    kind, weight = "for" if value > 0 else "against", round(100 * abs(value) / largest)
    small = Markup("<small>{}</small>").format(signed(value)) if numbered else ""
    return Markup('<mark class="{}" style="--weight:{}%">{}{}</mark>').format(
        kind, weight, _plain(text), small
    )


def _plain(text: str) -> Markup:
    return Markup("{}").format(charts.text(text, len(text) + 1))


def _listed(title: str, parts: Sequence[Part]) -> Markup:
    """Return parts with their contributions in a line, those that are next to nothing left out."""
    largest = max((abs(part.contribution) for part in parts), default=0.0)
    parts = [part for part in parts if abs(part.contribution) >= FAINT * largest > 0]
    if not parts:
        return Markup("")
    items = Markup("; ").join(
        Markup("<bdi>{}</bdi> {}").format(charts.text(label(part), 60), signed(part.contribution))
        for part in parts
    )
    tag = Markup('<span class="tag">{}</span> ').format(charts.text(title, 60))
    return Markup('<p class="text long moved">{}{}</p>').format(tag, items)


def label(part: Part) -> str:
    """Return what a part is in a word: of a text the text, else the column and its value."""
    if part.text is not None:
        return part.text
    return part.column if part.value is None else f"{part.column} = {_value(part.value)}"


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def signed(value: float) -> str:
    """Return a contribution with its sign, to two decimals."""
    return f"{value:+.2f}".replace("-", "\u2212")
