"""Options of fraud detection."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from toolkit.plugin_types import Column, Options, TargetColumn
from toolkit_plugins.tabular.fraud_detection.history import DAY

MOST = 100 * 366 * DAY
UNITS = {"s": 1000, "m": 60_000, "h": DAY // 24, "d": DAY}

# Of a role of its own: what is compared between splits are texts that should not stand in two of
# them, and two equal amounts are no such thing.
FieldColumn = Annotated[str, Column("field")]


def duration(value: object) -> str:
    """Return a length of time as it was written: 7d, 12h, 30m, 10s.

    Raises:
        ValueError: anything else.
    """
    text = str(value).strip()
    if not re.fullmatch(r"\d{1,12}[smhd]", text):
        raise ValueError("takes a length of time such as 7d, 12h, 30m or 0d")
    if milliseconds(text) > MOST:
        raise ValueError("is more than a hundred years")
    return text


def milliseconds(text: str) -> int:
    """Return a length of time in milliseconds."""
    return int(text[:-1]) * UNITS[text[-1]]


Duration = Annotated[str, BeforeValidator(duration)]


class FraudOptions(Options):
    """Options of fraud detection; columns that are not named are proposed from the data."""

    time: FieldColumn | None = Field(
        None, description="column of the time (UTC where it says none)"
    )
    amount: FieldColumn | None = Field(None, description="column of the amount")
    entities: list[FieldColumn] | None = Field(
        None, description="columns of card, customer, terminal, ...; the first is the card"
    )
    numeric: list[FieldColumn] | None = Field(None, description="further columns of numbers")
    categorical: list[FieldColumn] | None = Field(None, description="further columns of kinds")
    label: TargetColumn | None = Field(None, description="column of the label, of two values")
    fraud: str | None = Field(None, description="the label's value that means fraud")
    label_delay: Duration = Field("7d", description="how long until a fraud is known to be one")
    windows: list[Duration] = Field(
        ["1d", "7d", "30d"], min_length=1, description="of the history of each entity"
    )
    drop_known: bool = Field(
        False, description="do not score test rows of cards that were already known as defrauded"
    )
    task: Literal["detect", "pretrain"] = Field(
        "detect",
        description="'pretrain' learns to tell a row's fields, without labels",
    )
    mask_share: float = Field(0.25, gt=0, lt=1, description="of the fields, for pretrain")
    bins: int = Field(32, ge=2, le=256, description="pieces of the embedding of a number")
    loss: Literal["cross_entropy", "focal"] = Field(
        "cross_entropy", description="'focal' turns to rows that are hard to tell"
    )
    focal_gamma: float = Field(2.0, ge=0, description="how much focal loss turns to hard rows")
    fraud_weight: float | Literal["balanced"] = Field(
        1.0, description="weight of a fraud in the loss; balanced: as much as all other rows"
    )
    label_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="of the training rows, by class; the rest counts as unlabelled",
    )
    false_positive_rates: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.01, 0.001], description="of legitimate rows, at which recall is told"
    )
    cards: int = Field(100, ge=1, description="that can be checked each day")
    cost_alarm: float = Field(5.0, ge=0, description="of checking a transaction")
    cost_missed: float = Field(
        1.0, ge=0, description="of a fraud that is missed, per unit of amount"
    )
    as_text: bool | None = Field(
        None, description="write rows as texts; by default for every model of texts"
    )
    max_length: int = Field(256, ge=8, description="tokens of a row as text")

    @field_validator("windows")
    @classmethod
    def _different(cls, value: list[str]) -> list[str]:
        lengths = [milliseconds(text) for text in value]
        twice = [text for text, n in zip(value, lengths, strict=True) if lengths.count(n) > 1]
        if twice:
            raise ValueError(f"the same length of time twice: {', '.join(twice)}")
        return value

    @field_validator("fraud_weight")
    @classmethod
    def _positive(cls, value: float | str) -> float | str:
        if not isinstance(value, str) and value <= 0:
            raise ValueError("is above 0, or 'balanced'")
        return value
