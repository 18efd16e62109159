"""The folder of a cross-validation: one recipe's runs over the folds of its rows."""

from __future__ import annotations

from typing import ClassVar

from toolkit.runs.several import SeveralRuns
from toolkit.runs.several_records import FoldRecord, SeveralRecord

FILE = "folds.json"


class FoldRuns(SeveralRuns):
    """Runs of a recipe whose test splits are the folds of its rows, read back from their folder.

    path: the folder. record: folds.json as a dict. metrics: metric -> value, low, high over the
    test rows of all folds together, and values, those of each fold.
    """

    file = FILE
    one = "fold"
    schema: ClassVar[type[SeveralRecord]] = FoldRecord
    summed_up = ("headline", "rows", "finished", "metrics", "baselines")

    @property
    def folds(self) -> list[int]:
        """The folds, from 1 on."""
        return self.numbers
