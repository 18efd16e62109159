"""Words of a text (a stand-in until the other half of this scenario is there)."""

import re

WORD = re.compile(r"\w+|[^\w\s]")


def split(text: str) -> list[tuple[int, int]]:
    """Return the words of a text as characters."""
    return [found.span() for found in WORD.finditer(text)]
