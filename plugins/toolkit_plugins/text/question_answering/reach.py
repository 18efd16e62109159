"""Answers that no prediction can give: too long, or whole in no window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from toolkit.models import truncation
from toolkit_plugins.text.question_answering.windows import IGNORED

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.text.question_answering.options import AnswerOptions
    from toolkit_plugins.text.question_answering.windows import Windows


def count(prepared: datasets.Dataset, longest: int, placed: int) -> Counter[str]:
    """Count the answers that are out of reach, over the windows of a split.

    Args:
        prepared: windows as `Windows.of` makes them, with labels.
        longest: tokens of an answer at most. placed: rows whose answer stands in their context.
    """
    table = prepared.select_columns(["labels", "own", "first", "chunk_of"]).with_format("numpy")
    begin, end, _, _, nothing = np.stack(list(table["labels"][:])).reshape(-1, 5).T
    own = np.stack(list(table["own"][:])).reshape(-1, 2)
    rows, place = np.asarray(table["chunk_of"][:]), begin - np.asarray(table["first"][:])
    whole = (begin != IGNORED) & (begin != nothing)
    short = end - begin < longest
    given = whole & short & (place >= own[:, 0]) & (place < own[:, 1])
    seen, kept, fits = (len(np.unique(rows[mask])) for mask in (whole, given, whole & short))
    return Counter(nowhere=placed - seen, long=seen - fits, apart=fits - kept)


def in_words(
    counts: Mapping[str, Mapping[str, int]], windows: Windows, options: AnswerOptions
) -> Iterator[str]:
    """Yield notes on what is cut, and on answers out of reach by split."""
    if windows.limit < options.max_length:
        yield (f"windows have {windows.limit} tokens, the most that the model takes, and not "
               f"{options.max_length} (options.max_length)")  # fmt: skip
    if windows.stride < options.doc_stride:
        yield (f"windows overlap by {windows.stride} tokens, and not by {options.doc_stride} "
               "(options.doc_stride): half of what a window has for the context")  # fmt: skip
    for name, found in counts.items():
        if found["cut"]:
            text = (f"{name}: {found['cut']:,} questions are longer than {windows.question} tokens "
                    "and are cut (options.max_question_length, at most half a window)")  # fmt: skip
            yield truncation.CutNote.of(text, split=name, count=found["cut"], rows=found["all"],
                                        limit=windows.question, what="questions")  # fmt: skip
        if found["long"]:
            yield (f"{name}: {found['long']:,} answers are longer than {options.max_answer_length} "
                   "tokens (options.max_answer_length): no prediction can equal them")  # fmt: skip
        if found["nowhere"]:
            yield (f"{name}: {found['nowhere']:,} answers stand whole in no window: they teach "
                   "that there is none (options.max_length, options.doc_stride)")  # fmt: skip
        if found["apart"]:
            yield (f"{name}: {found['apart']:,} answers stand whole only in windows that cannot "
                   "give them (a larger options.doc_stride helps)")  # fmt: skip


def longer(windows: Windows, split: datasets.Dataset, column: str) -> int:
    """Return how many questions are cut."""
    found = 0
    for batch in split.select_columns([column]).iter(1000):
        texts = [str(question).strip() for question in batch[column]]
        encoded = windows.tokenizer(texts, add_special_tokens=False)
        found += sum(len(ids) > windows.question for ids in encoded["input_ids"])
    return found
