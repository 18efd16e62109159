"""The keys of the files that several runs of a recipe share: seeds.json and folds.json."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from toolkit.runs.record import OpenModel, ScoreRecord, Verdict


class SeedScore(OpenModel):
    """A metric over the runs; None where it is undefined, or has no resamples."""

    mean: float | None
    deviation: float | None
    minimum: float | None
    maximum: float | None
    low: float | None
    high: float | None
    shares: dict[str, float] | None
    share_ranges: dict[str, list[float]] | None = None


class SeveralRecord(OpenModel):
    """A file of several runs; from `headline` on when all runs are done."""

    schema_version: Literal[1]
    status: Literal["running", "finished", "failed", "interrupted"]
    started: str = ""
    recipe: str
    split_seed: int
    failed: dict[str, str] = Field(default_factory=dict)
    headline: str | None = None
    rows: int = 0
    finished: list[int] = Field(default_factory=list)


class SeedRecord(SeveralRecord):
    """seeds.json."""

    seeds: list[int]
    metrics: dict[str, SeedScore] = Field(default_factory=dict)
    baselines: dict[str, dict[str, float | None]] = Field(default_factory=dict)


class FoldScore(ScoreRecord):
    """A metric over the test rows of all folds, and its value in each fold."""

    values: list[float | None]


class FoldRecord(SeveralRecord):
    """folds.json. verdicts: baseline -> metric -> the difference from it over all rows."""

    folds: list[int]
    metrics: dict[str, FoldScore] = Field(default_factory=dict)
    baselines: dict[str, dict[str, ScoreRecord]] = Field(default_factory=dict)
    verdicts: dict[str, dict[str, Verdict]] = Field(default_factory=dict)
