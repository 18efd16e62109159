"""Words of a text, to which tags belong, in any script."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import regex

#: Scripts that put no spaces between words: each of their characters is a word.
UNSPACED = ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")


@cache
def _pattern() -> regex.Pattern[str]:
    import regex

    unspaced = "".join(rf"\p{{{script}}}" for script in UNSPACED)
    begins = rf"[[\p{{L}}\p{{N}}_]--[{unspaced}]]"
    # Marks belong to the letter before them; joiners are written inside of words.
    goes_on = rf"[[\p{{L}}\p{{M}}\p{{N}}_\u200c\u200d]--[{unspaced}]]"
    # \X is a character as a reader sees it: a letter with its marks, a flag, a family of emoji.
    return regex.compile(rf"{begins}{goes_on}*|(?![\s\p{{Cc}}\p{{Cf}}])\X", regex.V1)


def split(text: str) -> list[tuple[int, int]]:
    """Return the words of a text as (start, end) in characters.

    Runs of letters and digits; other characters that are seen, such as punctuation, one by one.
    """
    return [match.span() for match in _pattern().finditer(text)]
