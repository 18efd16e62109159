"""What is odd about documents and summaries: counted by split, and told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.plugin_types import Row
from toolkit_plugins.text.summarization.reading import Layout
from toolkit_plugins.text.summarization.sentences import split

HTML = re.compile(
    r"</(?:p|div|span|a|b|i|em|strong|ul|ol|li|table|h[1-6]|html|body)>|<br ?/?>", re.IGNORECASE
)
#: kind -> what is said of so many rows.
SAID = {
    "longer": "have a summary that is longer than the document",
    "whole": "have the document itself as summary",
    "lead": "have the document's first sentence as summary",
    "inside": "have a summary that stands in the document word for word, elsewhere",
    "single": "have a document of one sentence, of which there is one extract",
    "html": "have HTML tags in the document, which are read as text",
}


def found(layout: Layout, row: Row) -> Iterator[str]:
    """Yield the kinds of what is odd about a row."""
    text = layout.text(row)
    spans, plain = split(text), _plain(text)
    if HTML.search(text):
        yield "html"
    if len(spans) == 1:
        yield "single"
    references = [_plain(one) for one in layout.references(row)]
    if any(len(one) > len(plain) for one in references):
        yield "longer"
    if plain in references:
        yield "whole"
    elif spans and _plain(text[slice(*spans[0])]) in references:
        yield "lead"
    elif any(one in plain for one in references):
        yield "inside"


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip(".").casefold()


def in_words(counts: Mapping[str, Counter[str]], sizes: Mapping[str, int]) -> Iterator[str]:
    """Yield notes on what is odd, by split."""
    for name, kinds in counts.items():
        for kind, said in SAID.items():
            if kinds[kind]:
                yield f"{name}: {kinds[kind]:,} of {sizes[name]:,} rows {said}"


def count(layout: Layout, rows: Any) -> Counter[str]:
    """Count what is odd about the rows of a split."""
    wanted = [name for name in (layout.document, layout.summary, layout.several)
              if name in rows.column_names]  # fmt: skip
    return Counter(kind for row in rows.select_columns(wanted) for kind in found(layout, row))
