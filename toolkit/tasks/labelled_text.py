"""A text with its predicted and actual entities marked, and what is wrong with them by type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from toolkit.evaluation.metrics.entities import (
    INVENTED,
    MISSED,
    by_label,
    confusion,
    error_kinds,
)
from toolkit.plugin_types import MarkedText, Shown, Span, Table

AROUND = 300  # characters of a long text before and after what is marked
MOST = 4000  # characters that are shown
TYPES = 20  # of the confusion, the most frequent ones; the others are taken together


def shown(text: str, prediction: Mapping[str, Any], reference: Any) -> Sequence[Shown]:
    """Return the text around its entities. reference: None where it is not known."""
    spans = [Span(one["start"], one["end"], one["label"]) for one in prediction["entities"]]
    if reference is not None:
        spans += [Span(one["start"], one["end"], one["label"], actual=True)
                  for one in reference["entities"]]  # fmt: skip
    first = max(0, min((span.start for span in spans), default=0) - AROUND)
    last = min(max((span.end for span in spans), default=AROUND) + AROUND, first + MOST)
    marked = [Span(s.start - first, min(s.end, last) - first, s.label, s.actual)
              for s in spans if s.start < last]  # fmt: skip
    more = len(spans) - len(marked)
    parts: list[Shown] = [MarkedText(text[first:last], marked)]
    return [*parts, f"and {more:,} more further on"] if more else parts


def tables(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Table]:
    """Return scores by type, which types are taken for which, and the kinds of errors."""
    found = list(pairs)
    scores = by_label(found)
    if not scores:
        return {}
    return {
        "entities by type": _by_type(scores),
        "types (rows: actual, columns: predicted)": _confused(confusion(found), scores),
        "errors": Table(("error", "entities"), list(error_kinds(found).items())),
    }


def _by_type(scores: Mapping[str, tuple[int, int, int]]) -> Table:
    rows = []
    for label, (right, predicted, actual) in scores.items():
        precision = right / predicted if predicted else None
        recall = right / actual if actual else None
        f1 = 2 * right / (predicted + actual)
        rows.append((label, precision, recall, f1, actual, predicted))
    return Table(("type", "precision", "recall", "F1", "actual", "predicted"), rows)


def _confused(
    counts: Mapping[tuple[str, str], int], scores: Mapping[str, tuple[int, int, int]]
) -> Table:
    types = sorted(scores, key=lambda label: -scores[label][2])
    shown = {label: label for label in (*types[:TYPES], MISSED, INVENTED)}
    others = f"({len(types) - TYPES:,} other types)"
    cells: Counter[tuple[str, str]] = Counter()
    for (actual, one), count in counts.items():
        cells[shown.get(actual, others), shown.get(one, others)] += count
    types = [*types[:TYPES], *([others] if len(types) > TYPES else [])]
    columns = [*types, MISSED]
    rows: list[list[str | int | None]] = [
        [actual, *(cells[actual, one] for one in columns)] for actual in types
    ]
    rows.append([INVENTED, *(cells[INVENTED, one] for one in types), None])
    return Table(("", *columns), rows)
