"""Which questions belong together: those on an article, where rows name it, or on a context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.data.columns import column_values

if TYPE_CHECKING:
    import datasets

    from toolkit.recipe.schema import SplitSpec

TITLE = "title"  # as SQuAD's files and its copies on the Hub have it
FEWEST = 3  # articles, one for each split


def unit(rows: datasets.Dataset, context: str) -> str:
    """Return the column that names the article of each context; the context where none does."""
    if TITLE not in rows.column_names:
        return context
    titles, contexts = (
        map(str, column_values(rows, name).to_pylist()) for name in (TITLE, context)
    )
    pairs = set(zip(titles, contexts, strict=True))
    articles = {title for title, _ in pairs}
    one_each = len(pairs) == len({text for _, text in pairs})
    named = not articles & {"", "None"}
    return TITLE if one_each and named and len(articles) >= FEWEST else context


def planned(spec: SplitSpec, column: str) -> tuple[SplitSpec, list[str]]:
    """Return splits by that column, and a note, where the recipe leaves open how they are made."""
    if spec.group or spec.time or spec.windows or spec.stratify:
        return spec, []
    note = f"questions with the same {column!r} stay in one split (data.split.group sets another)"
    return spec.model_copy(update={"group": column}), [note]
