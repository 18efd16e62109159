"""The folder of a search over a recipe's settings: its record, its trials, the chosen one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError

from toolkit.errors import UserError
from toolkit.runs.damage import damage
from toolkit.runs.folder import Recorded, Run, read_json
from toolkit.runs.record import OpenModel
from toolkit.runs.sweeps import FILE, trial_folder
from toolkit.utils.files import write_atomically
from toolkit.utils.jsonable import finite

BEST, PAGE = "best.yaml", "sweep.html"
#: What a trial of that state has in its folder.
SCORED = ("validated", "pruned")


class EvaluationRecord(OpenModel):
    """The score on validation after a step; None where it is undefined."""

    step: int
    epoch: float
    value: float | None


class TrialRecord(OpenModel):
    """A trial: values as key -> value, without those that its method does not have.

    state: running, validated (trained, and scored on validation), pruned (ended early), failed.
    reason: of a failed one: memory, diverged, killed, refused, undefined or error, and `error` in
    words. tried: smaller batches that were taken before.
    """

    number: int
    state: Literal["running", "validated", "pruned", "failed"]
    values: dict[str, Any]
    default: bool = False
    score: float | None = None
    evaluations: list[EvaluationRecord] = Field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0
    attempts: int = 1
    reason: str = ""
    error: str = ""
    tried: list[str] = Field(default_factory=list)


class SweepRecord(OpenModel):
    """sweep.json; metric and direction when the first trial has begun, `chosen` at the end."""

    schema_version: Literal[1]
    status: Literal["running", "finished", "failed", "interrupted"]
    recipe: str
    started: str = ""
    space: dict[str, str]
    search: str
    prune: str
    grace: int
    asked: int
    minutes: float | None = None
    with_default: bool
    metric: str | None = None
    greater_is_better: bool | None = None
    trials: list[TrialRecord] = Field(default_factory=list)
    seconds: float = 0.0
    notes: list[str] = Field(default_factory=list)
    chosen: int | None = None
    error: str | None = None


class Sweep(Recorded):
    """A search over a recipe's settings, read back from its folder.

    path: the folder. record: sweep.json as a dict.

    Raises:
        UserError: the folder holds none, or sweep.json is damaged.
    """

    run_class: ClassVar[type[Run]] = Run

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        file = self.path / FILE
        found = read_json(file, lambda: f"{self.path} holds no sweep: no {FILE}")
        try:
            SweepRecord.model_validate(found)
        except ValidationError as error:
            raise UserError(damage(error, str(file))) from None
        numbers = [trial["number"] for trial in found.get("trials", [])]
        if numbers != list(range(len(numbers))):
            raise UserError(f"{file} is damaged: its trials are not numbered from 0 on")
        if found["status"] == "finished" and found.get("chosen") not in numbers:
            raise UserError(f"{file} is damaged: a finished sweep has chosen a trial")
        self.record = found

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The trials: number, state, values, score on validation, evaluations, seconds."""
        found: list[dict[str, Any]] = self.record.setdefault("trials", [])
        return found

    @property
    def chosen(self) -> int | None:
        """The number of the trial that was chosen by its score on validation."""
        return self.record.get("chosen")

    @property
    def best(self) -> Run:
        """The run of the chosen trial, scored on test.

        Raises:
            UserError: none has been chosen so far.
        """
        if self.chosen is None:
            raise UserError(f"{self.path} is {self.state}: no trial has been chosen so far")
        return self.run_class(self.folder_of(self.chosen))

    @property
    def best_recipe(self) -> Path:
        """The file with the recipe of the chosen trial."""
        return self.path / BEST

    @property
    def report(self) -> Path:
        """The page of the sweep."""
        return self.path / PAGE

    def folder_of(self, number: int) -> Path:
        """Return the folder of a trial's run."""
        return trial_folder(self.path, number)

    def write(self, **values: Any) -> None:
        """Take values into the record and write it."""
        self.record |= values
        write(self.path, self.record)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, status={self.status!r})"


def ranked(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the trials that ended with a score, the best first; of equal ones the earlier."""
    more = bool(record.get("greater_is_better"))
    scored = [trial for trial in record.get("trials", [])
              if trial["state"] == "validated" and trial.get("score") is not None]  # fmt: skip
    return sorted(scored, key=lambda trial: (-trial["score"] if more else trial["score"],
                                             trial["number"]))  # fmt: skip


def write(folder: Path, record: Mapping[str, Any]) -> None:
    """Write sweep.json."""
    write_atomically(folder / FILE, json.dumps(finite(record), indent=2) + "\n")
