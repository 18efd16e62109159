"""Which questions belong together: those on an article, where rows name it, or on a context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.data.columns import column_values

if TYPE_CHECKING:
    import datasets

    from toolkit.recipe.schema import SplitSpec

TITLE = "title"  # as SQuAD's files and its copies on the Hub have it
FEWEST = 3  # articles or contexts, one for each split


def unit(rows: datasets.Dataset, context: str) -> str | None:
    """Return the column that names the article of each context, or else that of the contexts.

    None is returned where all questions are on one or two contexts, which make no three splits.
    """
    texts = list(map(str, column_values(rows, context).to_pylist()))
    contexts = set(texts)
    if TITLE in rows.column_names:
        titles = list(map(str, column_values(rows, TITLE).to_pylist()))
        one_each = len(set(zip(titles, texts, strict=True))) == len(contexts)
        named = not {"", "None"} & set(titles)
        if one_each and named and len(set(titles)) >= FEWEST:
            return TITLE
    return context if len(contexts) >= FEWEST else None


def planned(spec: SplitSpec, column: str | None) -> tuple[SplitSpec, list[str]]:
    """Return splits by that column, and a note, where the recipe leaves open how they are made."""
    if spec.group or spec.time or spec.windows or spec.stratify:
        return spec, []
    if column is None:
        return spec, ["all questions are on one or two contexts, which are in every split"]
    note = f"questions with the same {column!r} stay in one split (data.split.group sets another)"
    return spec.model_copy(update={"group": column}), [note]
