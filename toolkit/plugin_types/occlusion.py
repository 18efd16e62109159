"""Parts of a row that can be taken out of it, and the scores that are compared with and without."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST = 64  # parts of a text: of a longer one several words together are a part
LEAST = 1e-30  # of a share of 1, whose logarithm is taken
ROUNDED = 6e-8  # by this float32 knows a probability from 1
# A letter of a script without spaces between words, a word, or signs.
_SCRIPTS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_SCRIPTS}]|[^\W{_SCRIPTS}]+(?:['\u2019][^\W{_SCRIPTS}]+)*|[^\w\s]+")


@dataclass(frozen=True)
class RowPart:
    """A part of a row: words of a text, a rectangle of an image, or the value of a column.

    text, start, end: characters of the text from `start` up to `end`. box: left, top, right and
    bottom in pixels of the upright image. Without both it is the whole column, which holds `value`.
    """

    column: str
    text: str | None = None
    start: int | None = None
    end: int | None = None
    box: tuple[int, int, int, int] | None = None
    value: Any = None

    @property
    def whole(self) -> bool:
        """Whether it is all that a column holds."""
        return self.start is None and self.box is None

    def facts(self) -> dict[str, Any]:
        """Return what JSON can hold of it."""
        if self.box is not None:
            return {"column": self.column, "box": list(self.box)}
        if self.whole:
            return {"column": self.column, "value": self.value}
        return {"column": self.column, "text": self.text, "start": self.start, "end": self.end}


@dataclass(frozen=True)
class Occlusion:
    """The cells that make a row one without the part.

    part: None for the whole row in the form that the others have, where it is not its own (an
    image that is scaled down first).
    """

    part: RowPart | None
    cells: Mapping[str, Any]


def text_occlusions(column: str, text: Any, kept: tuple[int, int] = (0, 0)) -> Iterator[Occlusion]:
    """Yield a text without each of its words in turn; nothing for a cell that is no text.

    Of scripts without spaces each letter is a word; of a long text, some words together.

    Args:
        kept: characters, from the first up to the second, of which no word is taken out.
    """
    if not isinstance(text, str):
        return
    spans = [found.span() for found in _WORD.finditer(text)]
    sides = [[span for span in spans if span[1] <= kept[0]],
             [span for span in spans if span[0] >= kept[1]]]  # fmt: skip
    size = max(1, -(-sum(map(len, sides)) // MOST))
    for side in sides:
        for place in range(0, len(side), size):
            start, end = side[place][0], side[min(place + size, len(side)) - 1][1]
            part = RowPart(column, text[start:end], start, end)
            yield Occlusion(part, {column: text[:start] + text[end:]})


def score_log_odds(prediction: Any) -> dict[str, float]:
    """Return the log odds of every class in `scores` of a prediction, or its `value`; else {}.

    They add up over independent evidence, and do not saturate as probabilities do.
    """
    found = prediction if isinstance(prediction, Mapping) else {}
    if isinstance(value := found.get("value"), int | float):
        return {"value": float(value)}
    scores = found.get("scores")
    if not isinstance(scores, Mapping) or not scores:
        return {}
    if "labels" in found or len(scores) == 1:
        return {str(name): logit(share) for name, share in scores.items()}
    # What the largest leaves to the others is added up: subtracted from 1, it would be rounded.
    best, total = max(scores, key=scores.__getitem__), math.fsum(scores.values())
    rest = math.fsum(share for name, share in scores.items() if name != best)
    return {str(name): _log_ratio(share, rest if name == best else total - share)
            for name, share in scores.items()}  # fmt: skip


def logit(share: float) -> float:
    """Return the log odds of a probability, which is kept from 0 and 1 by float32's precision."""
    share = min(max(share, ROUNDED), 1 - ROUNDED)
    return math.log(share / (1 - share))


def _log_ratio(share: float, rest: float) -> float:
    return math.log(max(share, LEAST)) - math.log(max(rest, LEAST))
