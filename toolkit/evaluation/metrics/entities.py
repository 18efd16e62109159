"""Precision, recall and F1 of entities, and what is wrong with those that are not right.

An entity is right where start, end and label are (CoNLL-2003; seqeval's strict mode). Predictions
and references are {"entities": [{"start", "end", "label", ...}]}, characters of the text.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from toolkit.errors import UserError
from toolkit.evaluation.metrics.base import Floats
from toolkit.evaluation.metrics.sums import SumMetric
from toolkit.utils.text import listing, nearest

Key = tuple[int, int, str]
Pairs = Iterable[tuple[Any, Any]]
MISSED, INVENTED = "(missed)", "(invented)"


def keys_of(row: Any) -> set[Key]:
    """Return start, end and label of the entities of a prediction or a reference."""
    return {(one["start"], one["end"], one["label"]) for one in row["entities"]}


def mention(entity: Mapping[str, Any]) -> int:
    """Return a number for label and text of an entity, but for case and blanks: a CRC of them."""
    words = " ".join(entity["text"].casefold().split())
    return zlib.crc32(f"{entity['label']}\0{words}".encode(errors="surrogatepass"))


def by_label(pairs: Pairs) -> dict[str, tuple[int, int, int]]:
    """Return label -> entities that are right, predicted, and actual."""
    counts: dict[str, list[int]] = {}
    for prediction, reference in pairs:
        found, actual = keys_of(prediction), keys_of(reference)
        for place, part in enumerate((found & actual, found, actual)):
            for _, _, label in part:
                counts.setdefault(label, [0, 0, 0])[place] += 1
    return {label: (n[0], n[1], n[2]) for label, n in sorted(counts.items())}


def confusion(pairs: Pairs) -> Counter[tuple[str, str]]:
    """Return (actual label, predicted label) -> entities, of which each counts once.

    Each actual entity goes with the predicted one that overlaps it most, where that is free; what
    is left over is MISSED or INVENTED.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for prediction, reference in pairs:
        free, left = keys_of(prediction), []
        for key in sorted(keys_of(reference)):  # what is right is not given to another
            if key in free:
                free.remove(key)
                counts[key[2], key[2]] += 1
            else:
                left.append(key)
        for actual in left:
            best = max(sorted(free), key=lambda one: _shared(one, actual), default=None)
            if best is not None and _shared(best, actual) > 0:
                free.remove(best)
                counts[actual[2], best[2]] += 1
            else:
                counts[actual[2], MISSED] += 1
        counts.update((INVENTED, label) for _, _, label in free)
    return counts


def error_kinds(pairs: Pairs) -> dict[str, int]:
    """Return what is wrong -> entities, of which each counts once.

    An actual entity goes with a predicted one that overlaps it: of the same borders, of the same
    label, or with both wrong, in this order.
    """
    counts = dict.fromkeys(
        ("right", "borders", "type", "type and borders", "missed", "invented"), 0
    )
    for prediction, reference in pairs:
        found, actual = keys_of(prediction), keys_of(reference)
        counts["right"] += len(found & actual)
        free = found - actual
        for key in sorted(actual - found):
            near = [one for one in free if _shared(one, key) > 0]
            best = max(near, key=lambda one: (one[:2] == key[:2], one[2] == key[2], one),
                       default=None)  # fmt: skip
            free.discard(best or key)
            counts[_kind(key, best)] += 1
        counts["invented"] += len(free)
    return counts


def _kind(actual: Key, predicted: Key | None) -> str:
    if predicted is None:
        return "missed"
    if predicted[:2] == actual[:2]:
        return "type"
    return "borders" if predicted[2] == actual[2] else "type and borders"


def _shared(one: Key, other: Key) -> int:
    return min(one[1], other[1]) - max(one[0], other[0])


class EntityMetric(SumMetric):
    """A metric of entities; a row without any counts for nothing, but stays a row.

    Args:
        known: `mention`s of the training rows, which the metric of unseen entities needs.
    """

    bounds = (0.0, 1.0)
    source = "Tjong Kim Sang and De Meulder 2003, CoNLL-2003 shared task"

    def __init__(self, known: Iterable[int] | None = None, **evaluate_kwargs: Any) -> None:
        self.known = None if known is None else frozenset(known)
        super().__init__(**evaluate_kwargs)

    def counts(self, prediction: Any, reference: Any) -> Sequence[float] | None:
        """Return entities that are right, predicted, and actual."""
        found, actual = keys_of(prediction), keys_of(reference)
        return len(found & actual), len(found), len(actual)


class EntityF1(EntityMetric):
    """Harmonic mean of precision and recall over the entities of all rows (micro)."""

    def value(self, sums: Floats) -> float:
        right, found, actual = sums
        return float(2 * right / (found + actual)) if found + actual else float("nan")


class EntityPrecision(EntityMetric):
    """Share of the predicted entities that are right; 0 where none is predicted."""

    def value(self, sums: Floats) -> float:
        right, found, actual = sums
        return float(right / found) if found else 0.0 if actual else float("nan")


class EntityRecall(EntityMetric):
    """Share of the actual entities that are found."""

    def value(self, sums: Floats) -> float:
        right, _, actual = sums
        return float(right / actual) if actual else float("nan")


class UnseenEntityF1(EntityF1):
    """F1 of the entities whose label and text no training row has (case and blanks aside).

    Derczynski et al. 2017 (WNUT-17), whose point they are. NaN where they are not known.
    """

    def counts(self, prediction: Any, reference: Any) -> Sequence[float] | None:
        if self.known is None:
            return None
        found, actual = (set(self._unseen(row)) for row in (prediction, reference))
        return len(found & actual), len(found), len(actual)

    def _unseen(self, row: Any) -> Iterator[Key]:
        for one in row["entities"]:
            if self.known is not None and mention(one) not in self.known:
                yield one["start"], one["end"], one["label"]


class BoundaryErrorShare(EntityMetric):
    """Share of the actual entities that are predicted with their label, but other borders."""

    greater_is_better = False

    def counts(self, prediction: Any, reference: Any) -> Sequence[float] | None:
        found, actual = keys_of(prediction), keys_of(reference)
        wrong = [k for k in actual - found
                 if any(o[2] == k[2] and _shared(o, k) > 0 for o in found - actual)]  # fmt: skip
        return len(wrong), len(actual)


class TypeErrorShare(EntityMetric):
    """Share of the actual entities that are predicted with their borders, but another label."""

    greater_is_better = False

    def counts(self, prediction: Any, reference: Any) -> Sequence[float] | None:
        found, actual = keys_of(prediction), keys_of(reference)
        places = {key[:2] for key in found - actual}
        return sum(key[:2] in places for key in actual - found), len(actual)


CLASSES: dict[str, type[EntityMetric]] = {
    "entity_f1": EntityF1,
    "entity_precision": EntityPrecision,
    "entity_recall": EntityRecall,
    "unseen_entity_f1": UnseenEntityF1,
    "boundary_error_share": BoundaryErrorShare,
    "type_error_share": TypeErrorShare,
}


def load(name: str, known: Iterable[int] | None = None) -> EntityMetric:
    """Return a fresh metric.

    Args:
        known: see `EntityMetric`.

    Raises:
        UserError: no such metric.
    """
    if name not in CLASSES:
        raise UserError(
            f"there is no metric {name!r}.{nearest(name, CLASSES)} Metrics: {listing(CLASSES)}"
        )
    return CLASSES[name](known=known, name=name)
