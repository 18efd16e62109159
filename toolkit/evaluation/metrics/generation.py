"""What generated texts look like whatever they say: their length, copies, repeats, and empty ones.

BLEU and ROUGE do not show these faults by themselves: a model may reach a fair score with outputs
that are cut off, or that say a phrase three times.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toolkit.evaluation.metrics.base import Floats
from toolkit.evaluation.metrics.sums import SumMetric

#: Scripts that are written without spaces: each of their letters is a unit of length.
UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Tibetan, Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff"  # kana, and Chinese characters
)
UNIT = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
#: Punctuation: ASCII's, and that of scripts without spaces, Arabic and print.
_MARKS = r"!-/:-@\[-`{-~\xa1\xab\xbb\xbf\u2010-\u2027\u3000-\u303f\uff01-\uff20\u060c\u061b\u061f"
_INSIDE = rf"[^\s{_MARKS}{UNSPACED}]"
#: A word without punctuation, or a letter of a script without spaces. (`\w` splits Hindi.)
WORD = re.compile(rf"[{UNSPACED}]|{_INSIDE}+(?:['\u2019-]{_INSIDE}+)*")
RUN = 4  # units of a run that is looked for twice, as in seq-rep-4


def text_of(prediction: Any, key: str) -> str:
    """Return the text of a prediction: itself, or that under a key."""
    found = prediction.get(key) if isinstance(prediction, Mapping) else prediction
    return "" if found is None else str(found)


def reference_texts(reference: Any) -> list[str]:
    """Return the texts that a prediction is compared with; none where the row has none."""
    if reference is None:
        return []
    found = reference if isinstance(reference, list | tuple) else [reference]
    return [str(text) for text in found if text is not None]


def units(text: str) -> list[str]:
    """Return the words of a text, and single letters of scripts without spaces."""
    return UNIT.findall(text)


def is_copy(text: str, source: str) -> bool:
    """Return whether a text is its source again, but for punctuation, case and spaces."""
    one, other = ("".join(c for c in of.casefold() if unicodedata.category(c)[0] in "LMN")
                  for of in (text, source))  # fmt: skip
    return one == other and text.strip() != "" and (one != "" or text.strip() == source.strip())


def runs(text: str) -> tuple[int, int]:
    """Return how many runs of four units a text says again, and how many it has."""
    words = [word.casefold() for word in units(text)]
    found = [tuple(words[start : start + RUN]) for start in range(len(words) - RUN + 1)]
    return len(found) - len(set(found)), len(found)


class GeneratedMetric(SumMetric):
    """A figure of generated texts. key: of a prediction, where its text is."""

    greater_is_better: bool | None = False
    bounds = (0.0, 1.0)

    def __init__(self, key: str, **evaluate_kwargs: Any) -> None:
        self.key = key
        super().__init__(**evaluate_kwargs)


class LengthRatio(GeneratedMetric):
    """Length of all outputs over that of the references: below 1 they say less.

    In words, and in letters of scripts without spaces. Of several references the nearest in length
    counts, as in BLEU.
    """

    greater_is_better = None
    bounds = (0.0, float("inf"))

    def counts(self, prediction: Any, reference: Any) -> Sequence[float] | None:
        lengths = [len(units(text)) for text in reference_texts(reference)]
        if not lengths:
            return None
        own = len(units(text_of(prediction, self.key)))
        return own, min(lengths, key=lambda length: (abs(length - own), length))


class Repetition(GeneratedMetric):
    """Share of the runs of four words (or letters without spaces) that a text has said before.

    Each text is looked at alone. The references' own share is in the result, too: not every
    repeated run is wrong.
    """

    source = "Welleck et al., Neural Text Generation with Unlikelihood Training, 2020 (seq-rep-4)"

    def counts(self, prediction: Any, reference: Any) -> Sequence[float] | None:
        given = [runs(text) for text in reference_texts(reference)] or [(0, 0)]
        return *runs(text_of(prediction, self.key)), *map(sum, zip(*given, strict=True))

    def value(self, sums: Floats) -> float:
        return float(sums[0] / sums[1]) if sums[1] else 0.0

    def notes(self, rows: Floats) -> dict[str, Any]:
        found = rows.sum(axis=0)
        return {"of_references": float(found[2] / found[3])} if found[3] else {}


class CopyShare(GeneratedMetric):
    """Share of outputs that are their input again, but for punctuation, case and spaces.

    The prediction says so itself under `copied` (see `is_copy`): a metric sees no inputs.
    """

    def counts(self, prediction: Any, reference: Any) -> Sequence[float] | None:
        return bool(isinstance(prediction, Mapping) and prediction.get("copied")), 1


class EmptyShare(GeneratedMetric):
    """Share of outputs without any text."""

    def counts(self, prediction: Any, reference: Any) -> Sequence[float] | None:
        return not text_of(prediction, self.key).strip(), 1


class CutOffShare(SumMetric):
    """Share of generated texts without an end: they stop where the longest allowed text does.

    Texts that were not generated token by token, as those of baselines, have no value.
    """

    greater_is_better = False
    bounds = (0.0, 1.0)

    def counts(self, prediction: Any, reference: Any) -> Sequence[float] | None:
        cut_off = prediction.get("cut_off")
        return None if cut_off is None else [float(cut_off), 1.0]


FIGURES: Mapping[str, Callable[[str], GeneratedMetric]] = {
    "length_ratio": LengthRatio,
    "copy_share": CopyShare,
    "repetition": Repetition,
    "empty_share": EmptyShare,
}
