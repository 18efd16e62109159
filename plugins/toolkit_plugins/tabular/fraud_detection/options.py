"""Options of fraud detection."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from toolkit.errors import Fault, RecipeError
from toolkit.plugin_types import Column, Options, TargetColumn
from toolkit_plugins.tabular.fraud_detection.history import DAY, Windows

MOST = 100 * 366 * DAY
UNITS = {"s": 1000, "m": 60_000, "h": DAY // 24, "d": DAY}

# Of a role of its own: inputs are compared between splits as duplicates, and two equal amounts are
# none.
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
        None, description="column of the time (UTC if it has no time zone)"
    )
    day_first: bool | None = Field(
        None, description="whether 03/11/2024 is 3 November; by default detected from other rows"
    )
    amount: FieldColumn | None = Field(None, description="column of the amount")
    entities: list[FieldColumn] | None = Field(
        None, description="columns of card, customer, terminal, ...; the first is the card"
    )
    numeric: list[FieldColumn] | None = Field(None, description="further numeric columns")
    categorical: list[FieldColumn] | None = Field(None, description="further categorical columns")
    label: TargetColumn | None = Field(None, description="column of the label, with two values")
    fraud: str | None = Field(None, description="value of the label that means fraud")
    label_delay: Duration = Field(
        "7d", description="time until the label of a transaction is known"
    )
    windows: list[Duration] = Field(
        ["1d", "7d", "30d"],
        min_length=1,
        description="time windows of the history features of each entity",
    )
    drop_known: bool = Field(
        False, description="do not score test rows of cards already known to be compromised"
    )
    task: Literal["detect", "pretrain"] = Field(
        "detect",
        description="'pretrain' learns to predict masked fields, without labels",
    )
    model: Literal["ensemble", "transformer", "boosting"] = Field(
        "ensemble",
        description="transformer and gradient boosting, weighted on validation, or one of them; "
        "text models and adapter methods have no boosting",
    )
    mask_share: float = Field(
        0.25, gt=0, lt=1, description="share of the fields that pretraining masks"
    )
    bins: int = Field(
        32, ge=2, le=256, description="pieces of the piecewise-linear embedding of a number"
    )
    loss: Literal["cross_entropy", "focal"] = Field(
        "cross_entropy", description="'focal' emphasises rows that are hard to classify"
    )
    focal_gamma: float = Field(2.0, ge=0, description="how much focal loss emphasises hard rows")
    fraud_weight: float | Literal["balanced"] = Field(
        1.0,
        description="weight of a fraud in the loss; balanced: frauds weigh as much as the rest",
    )
    label_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of the training labels that are used, by class",
    )
    false_positive_rates: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.01, 0.001], description="rates at which recall is reported"
    )
    cards: int = Field(100, ge=1, description="cards that can be checked each day")
    cost_alarm: float = Field(5.0, ge=0, description="cost of reviewing an alert")
    cost_missed: float = Field(1.0, ge=0, description="cost of a missed fraud, per unit of amount")
    as_text: bool | None = Field(
        None, description="write rows as text; by default for every text model"
    )
    max_length: int = Field(
        256, ge=8, description="tokens of a row as text; longer ones are truncated"
    )

    @property
    def history(self) -> Windows:
        """The windows of history, and how late labels come."""
        lengths = tuple(milliseconds(text) for text in self.windows)
        if not min(lengths):
            raise RecipeError(Fault("options.windows", "a window of no length holds nothing"))
        return Windows(lengths, milliseconds(self.label_delay))

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
