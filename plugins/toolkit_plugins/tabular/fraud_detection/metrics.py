"""Metrics of rare events: recall at a false positive rate, card precision, expected cost."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress, pairwise
from typing import Any

import numpy as np
from datasets import Features, List, Value

from toolkit.evaluation.metrics.base import Array, Floats, RowMetric, as_array
from toolkit.evaluation.metrics.ranking import AveragePrecision, RocAuc

FIELDS = ("fraud", "day", "card", "amount")  # of a reference, as numbers

Row = Mapping[str, Any]


class _Scored:
    """Mixed into a metric: rows of cards known as defrauded may not count, nor do their groups."""

    kept: tuple[bool, ...] = ()

    def taken(self, predictions: list[Row], references: list[Row]) -> tuple[list[Any], list[Any]]:
        """Return what the metric itself takes of rows that count: by default their labels."""
        return predictions, [reference["label"] for reference in references]

    def add_batch(
        self: Any, *, predictions: Any = None, references: Any = None, **rest: Any
    ) -> None:
        """Add the rows that count."""
        kept = [bool(reference["scored"]) for reference in references]
        pairs = (list(compress(rows, kept)) for rows in (predictions, references))
        found, truth = self.taken(*pairs)
        super().add_batch(predictions=found, references=truth, **rest)  # type: ignore[misc]  # as above
        self.kept += tuple(kept)

    def _compute(self: Any, *given: Any, **rest: Any) -> dict[str, Any]:
        kept, self.kept = np.array(self.kept, bool), ()
        if rest.get("groups") is not None:
            rest["groups"] = rest["groups"][kept]
        found: dict[str, Any] = super()._compute(*given, **rest)  # type: ignore[misc]  # as above
        return found


class FraudAveragePrecision(_Scored, AveragePrecision):
    """Average precision of frauds: sklearn.metrics.average_precision_score."""


class FraudRocAuc(_Scored, RocAuc):
    """Area under the ROC curve of frauds."""


class FraudMetric(_Scored, RowMetric):
    """A metric of scores that needs more of a row than its label.

    `add_batch` takes predictions {"score": p, "alarm": bool} and references {"fraud": 0 or 1,
    "day": int, "card": int, "amount": float, "scored": bool}.
    """

    def stored(self) -> Features:
        """Return score and alarm, and the fields of the reference."""
        numbers = List(Value("float64"))
        return Features(predictions=numbers, references=numbers)

    def taken(self, predictions: list[Row], references: list[Row]) -> tuple[list[Any], list[Any]]:
        """Return score and alert, and the fields of the reference, as numbers."""
        return (
            [[p["score"], float(p["alarm"])] for p in predictions],
            [[float(r[name]) for name in FIELDS] for r in references],
        )

    def rows(self, predictions: Any, references: Any) -> Any:
        """Prepare scores, alerts and the fields of the references."""
        found, truth = as_array(predictions), as_array(references)
        return self.prepared(found[:, 0], found[:, 1], dict(zip(FIELDS, truth.T, strict=True)))

    @abstractmethod
    def prepared(self, scores: Floats, alerts: Floats, truth: Mapping[str, Floats]) -> Any:
        """Return what `statistic` takes."""


@dataclass(frozen=True)
class _Falling:
    """Rows in falling order of score, whether each is a fraud, and where equal scores end."""

    order: Array
    fraud: Floats
    ends: Array


class RecallAtFalsePositiveRate(FraudMetric):
    """Recall of frauds at the lowest threshold that keeps the false positive rate.

    Args:
        rate: most false positives, as a share of the legitimate rows.
    """

    bounds = (0.0, 1.0)

    def __init__(self, rate: float, **evaluate_kwargs: Any) -> None:
        self.rate = rate
        super().__init__(**evaluate_kwargs)

    def prepared(self, scores: Floats, alerts: Floats, truth: Mapping[str, Floats]) -> _Falling:
        """Sort the rows."""
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
        return _Falling(order, truth["fraud"][order], ends)

    def statistic(self, rows: _Falling, weights: Floats) -> float:
        """Return the recall; NaN without frauds or without legitimate rows."""
        drawn = weights[rows.order]
        caught = np.cumsum(drawn * rows.fraud)
        false_alerts = np.cumsum(drawn * (1 - rows.fraud))
        if not caught[-1] or not false_alerts[-1]:
            return float("nan")
        allowed = false_alerts[rows.ends] <= self.rate * false_alerts[-1] * (1 + 1e-12)
        return float(caught[rows.ends][allowed].max(initial=0) / caught[-1])


@dataclass(frozen=True)
class _Cards:
    """Day after day, its cards in falling order of their best rows: whether defrauded, and card.

    place: of each row, which card of a day it is of. share: how much of that card it stands for:
    the frauds of a defrauded card do, of another one all its rows.
    starts: where each day begins, and the end. cards: how many there are in all.
    """

    place: Array
    share: Floats
    hit: Array
    card: Array
    starts: Array
    cards: int


class CardPrecision(FraudMetric):
    """Share of defrauded cards among those that score highest on a day; mean over days.

    A card scores as its highest transaction of the day does; of equal scores the earlier row comes
    first. A card that was checked and found defrauded is blocked: it is not checked again on later
    days. Le Borgne et al., Reproducible Machine Learning for Credit Card Fraud Detection (2022),
    chapter 4: there a day is divided by the number of checks even where it has fewer cards.

    Args:
        cards: that can be checked on a day.
    """

    bounds = (0.0, 1.0)
    source = "https://fraud-detection-handbook.github.io/fraud-detection-handbook/"

    def __init__(self, cards: int, **evaluate_kwargs: Any) -> None:
        self.cards = cards
        super().__init__(**evaluate_kwargs)

    def prepared(self, scores: Floats, alerts: Floats, truth: Mapping[str, Floats]) -> _Cards:
        """Sort the rows, and number the cards of each day."""
        order = np.lexsort((-scores, truth["day"]))
        pairs = np.stack([truth["day"], truth["card"]], 1)[order]
        _, best, own = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
        falling = np.argsort(best, kind="stable")  # rows are in order of day and score
        place = np.empty(len(order), np.int64)
        place[order] = np.argsort(falling)[own.ravel()]
        found = pairs[best[falling]]
        hit = np.bincount(place, truth["fraud"]) > 0
        stands = np.where(hit[place], truth["fraud"], 1)
        share = stands / np.bincount(place, stands)[place]
        cards, card = np.unique(found[:, 1], return_inverse=True)
        starts = np.flatnonzero(np.diff(found[:, 0], prepend=np.nan, append=np.nan))
        return _Cards(place, share, hit, card.ravel(), starts, len(cards))

    def statistic(self, rows: _Cards, weights: Floats) -> float:
        """Return the mean over days.

        A card keeps its best row, whichever of its rows were drawn: it would be another one
        without. A defrauded one counts as often as its frauds were drawn, so that draws of
        terminals, where frauds come together, are not evened out by its other rows.
        """
        counted = np.bincount(rows.place, weights * rows.share)
        blocked = np.zeros(rows.cards, bool)
        found = []
        for start, end in pairwise(rows.starts):
            card, hit, drawn = rows.card[start:end], rows.hit[start:end], counted[start:end]
            if not drawn.any():
                continue
            drawn = np.where(blocked[card], 0, drawn)
            taken = np.clip(self.cards - (np.cumsum(drawn) - drawn), 0, drawn)
            found.append((taken * hit).sum() / self.cards)
            blocked[card[hit & (taken > 0)]] = True
        return float(np.mean(found))


class ExpectedCost(FraudMetric):
    """Mean cost of a transaction: of checking it, or of the amount that is lost.

    Elkan, The Foundations of Cost-Sensitive Learning (2001).

    Args:
        alarm: what a check costs. missed: what a fraud costs that is not checked, per unit of
            amount.
    """

    greater_is_better = False
    bounds = (0.0, math.inf)

    def __init__(self, alarm: float, missed: float, **evaluate_kwargs: Any) -> None:
        self.alarm, self.missed = alarm, missed
        super().__init__(**evaluate_kwargs)

    def prepared(self, scores: Floats, alerts: Floats, truth: Mapping[str, Floats]) -> Floats:
        """Return the cost of each row."""
        lost = self.missed * truth["fraud"] * np.abs(truth["amount"])
        return np.where(alerts > 0, self.alarm, lost)


class MaskedFieldLoss(RowMetric):
    """Mean loss of predicting masked fields; less is better.

    Squared error of numbers, in standard deviations of train; cross-entropy of categories, in nats.
    """

    greater_is_better = False

    def stored(self) -> Features:
        """Return a number for the surprise."""
        return Features(predictions=Value("float64"), references=Value("float64"))

    def add_batch(self, *, predictions: Any = None, references: Any = None, **rest: Any) -> None:
        """Add rows."""
        values = [prediction["surprise"] for prediction in predictions]
        super().add_batch(predictions=values, references=[0.0] * len(values), **rest)

    def rows(self, predictions: Any, references: Any) -> Floats:
        """Return each row's surprise."""
        return as_array(predictions).astype(np.float64)
