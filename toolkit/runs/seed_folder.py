"""The folder of one recipe's runs with several seeds."""

from __future__ import annotations

from typing import ClassVar

from toolkit.runs.several import SeveralRuns
from toolkit.runs.several_records import SeedRecord, SeveralRecord

FILE = "seeds.json"


class SeedRuns(SeveralRuns):
    """Runs of a recipe that differ in their seed, read back from their folder.

    path: the folder. record: seeds.json as a dict. metrics: metric -> mean, deviation, minimum,
    maximum, low, high, shares.
    """

    file = FILE
    one = "seed"
    schema: ClassVar[type[SeveralRecord]] = SeedRecord
    summed_up = ("headline", "rows", "finished", "metrics", "baselines")

    @property
    def seeds(self) -> list[int]:
        """The seeds that were asked for."""
        return self.numbers
