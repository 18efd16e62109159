"""Tags of words and the spans that they mean, and the most probable sequence without a fault.

Spans are words: (first, last + 1, label), in order. Schemes: BIO (IOB2), BIOES (BILOU and IOBES
name the same), and IO, whose runs of one label are spans (IOB1, too: a B- there parts two runs).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
WordSpan = tuple[int, int, str]
Scheme = Literal["BIO", "BIOES", "IO"]
OUTSIDE = "O"
PREFIXES: dict[Scheme, str] = {"BIO": "BIO", "BIOES": "BIOES", "IO": "BIO"}
ALIASES = {"L": "E", "U": "S"}  # BILOU
CELLS = 1 << 21  # scores that are decoded together: 16 MiB
SHUT = -1e9  # of a tag that cannot be; finite, so that sums stay numbers


def parts_of(tag: str) -> tuple[str, str]:
    """Return prefix (B, I, O, E or S) and label of a tag; a tag without a label has "_".

    Hyphens at the ends of a label are part of it, unlike in seqeval.

    Raises:
        ValueError: it has no such prefix.
    """
    prefix = ALIASES.get(tag[:1], tag[:1])
    if prefix not in PREFIXES["BIOES"] or not prefix or (prefix == OUTSIDE and tag != OUTSIDE):
        raise ValueError(f"{tag!r} is no tag: it begins with none of B-, I-, O, E-, L-, S-, U-")
    return prefix, tag[1:].removeprefix("-") or "_"


def spans_of(tags: Sequence[str], scheme: Scheme = "BIO") -> list[WordSpan]:
    """Return the spans that tags mean, by seqeval's strict mode.

    What does not follow the scheme is no part of a span: in BIO an I- behind O or behind another
    label; in BIOES a span without its end as well. In IO each change of the label begins a span.

    Raises:
        ValueError: a tag that the scheme does not have.
    """
    found: list[WordSpan] = []
    start, label, inside = 0, "", False
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, own = parts_of(tag)
        if prefix not in PREFIXES[scheme]:
            raise ValueError(f"{tag!r} is no tag of the scheme {scheme}")
        if inside and prefix in "IE" and own == label:
            if prefix == "E":
                found.append((start, place + 1, label))
                inside = False
            continue
        if inside and scheme != "BIOES":
            found.append((start, place, label))
        if prefix == "S":
            found.append((place, place + 1, own))
        start, label = place, own
        inside = prefix == "B" or (prefix == "I" and scheme == "IO")
    return found


def tags_of(spans: Iterable[WordSpan], words: int, scheme: Scheme = "BIO") -> list[str]:
    """Return a tag for each of some words, in BIO, BIOES or IO."""
    found = [OUTSIDE] * words
    for start, end, label in spans:
        found[start:end] = [f"I-{label}"] * (end - start)
        if scheme != "IO":
            found[start] = f"B-{label}"
        if scheme == "BIOES":
            found[end - 1] = f"E-{label}"
            found[start] = f"{'S' if end - start == 1 else 'B'}-{label}"
    return found


def gone_on(tags: Sequence[str], own: Iterable[bool]) -> list[str]:
    """Return tags in BIO for all words; one without its own goes on with what is before it.

    Args:
        own: whether each word has a tag of its own among the tags; the first word has.
    """
    found, given = list[str](), iter(tags)
    for has in own:
        found.append(next(given) if has else found[-1])
        if not has and found[-1] != OUTSIDE:
            found[-1] = f"I-{found[-1][2:]}"
    return found


def scheme_of(prefixes: Iterable[str]) -> Scheme:
    """Return the scheme of tags whose prefixes these are (B, I, O, E, L, S, U)."""
    seen = {ALIASES.get(prefix, prefix) for prefix in prefixes}
    return "BIOES" if seen & {"E", "S"} else "BIO" if "B" in seen or "I" not in seen else "IO"


def bio(types: Iterable[str]) -> list[str]:
    """Return the tags of BIO for some types: O, then B- and I- of each."""
    return [OUTSIDE, *(f"{prefix}-{name}" for name in types for prefix in "BI")]


@dataclass(frozen=True)
class Path:
    """The best sequence of a row: numbers of tags, shape (words,).

    lead: by how much its logarithm is above that of the next one; infinite where there is none.
    """

    tags: Ints
    lead: float


def best_paths(scores: Sequence[Floats], tags: Sequence[str]) -> list[Path]:
    """Return for each row the sequence of BIO tags with the largest sum of scores.

    An I- comes only behind B- or I- of its label (Viterbi 1967, here over many rows at a time).

    Args:
        scores: logarithms of probabilities of each row, shape (words, tags). tags: their names, in
            any order, as `bio` makes them.
    """
    order = _order(tags)
    found: list[Path] = [Path(np.zeros(0, np.int64), np.inf)] * len(scores)
    for chosen in _blocks([len(row) for row in scores], len(tags)):
        longest = len(scores[chosen[-1]])
        block = np.full((len(chosen), longest, len(tags)), SHUT)
        block[:, :, 0] = 0.0  # behind its end, a row is outside at no cost
        for place, row in enumerate(chosen):
            block[place, : len(scores[row])] = scores[row][:, order]
        paths, leads = _decoded(block)
        for place, row in enumerate(chosen):
            count = len(scores[row])
            if count:
                lead = float(leads[place, :count].min())
                found[row] = Path(order[paths[place, :count]], lead if lead < -SHUT / 2 else np.inf)
    return found


def _order(tags: Sequence[str]) -> Ints:
    """Return the numbers of O, of each B-, and of each I- in the order of these."""
    places = {tag: place for place, tag in enumerate(tags)}
    types = [tag[2:] for tag in tags if tag.startswith("B-")]
    return np.array([places[OUTSIDE], *(places[f"{p}-{name}"] for p in "BI" for name in types)])


def _blocks(lengths: Sequence[int], tags: int) -> Iterable[list[int]]:
    """Yield the rows that are decoded together, of about the same length, the longest last."""
    block: list[int] = []
    for row in np.argsort(lengths, kind="stable").tolist():
        if block and (len(block) + 1) * lengths[row] * tags > CELLS:
            yield block
            block = []
        block.append(row)
    if block:
        yield block


def _decoded(scores: Floats) -> tuple[Ints, Floats]:
    """Return the best path and each word's lead, of scores (rows, words, tags) of O, B-s, I-s."""
    rows, words, count = scores.shape
    if not words:
        return np.zeros((rows, 0), np.int64), np.zeros((rows, 0))
    types, every = (count - 1) // 2, np.arange(rows)
    before, came = np.empty_like(scores), np.zeros(scores.shape, np.int64)
    before[:, 0] = scores[:, 0]
    before[:, 0, 1 + types :] += SHUT
    inside = np.arange(1 + types, count)
    for word in range(1, words):
        last = before[:, word - 1]
        came[:, word] = last.argmax(1)[:, None]
        begun, goes_on = last[:, 1 : 1 + types], last[:, 1 + types :]
        came[:, word, 1 + types :] = np.where(goes_on > begun, inside, inside - types)
        before[:, word] = scores[:, word] + np.take_along_axis(last, came[:, word], 1)
    behind = np.zeros_like(scores)
    for word in range(words - 2, -1, -1):
        following = scores[:, word + 1] + behind[:, word + 1]
        anew = following[:, : 1 + types].max(1, keepdims=True)
        behind[:, word] = anew
        longer = np.maximum(following[:, 1 + types :], anew)
        behind[:, word, 1 : 1 + types] = behind[:, word, 1 + types :] = longer
    paths = np.zeros((rows, words), np.int64)
    paths[:, -1] = before[:, -1].argmax(1)
    for word in range(words - 1, 0, -1):
        paths[:, word - 1] = came[every, word, paths[:, word]]
    whole = before + behind  # of the best sequence through each tag
    best = np.take_along_axis(whole, paths[:, :, None], 2)[:, :, 0]
    np.put_along_axis(whole, paths[:, :, None], -np.inf, 2)
    return paths, best - whole.max(2)
