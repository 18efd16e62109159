"""The folder of one recipe's runs with several seeds: made, written, read back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from toolkit.errors import Fault, UserError
from toolkit.runs.folder import Run, home
from toolkit.utils.text import listing

if TYPE_CHECKING:
    from toolkit.evaluation.seed_variance import Spread

FILE = "seeds.json"
SCHEMA_VERSION = 1
SUMMED_UP = ("headline", "rows", "finished", "metrics", "baselines")  # when the runs are done


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class Scored(_Open):
    """A metric over the runs; None where it is undefined, or has no resamples."""

    mean: float | None
    deviation: float | None
    minimum: float | None
    maximum: float | None
    low: float | None
    high: float | None
    shares: dict[str, float] | None


class Record(_Open):
    """What seeds.json holds; metrics and baselines are there when all runs have been tried."""

    schema_version: Literal[1]
    status: Literal["running", "finished", "failed", "interrupted"]
    recipe: str
    seeds: list[int]
    split_seed: int
    failed: dict[str, str] = {}
    headline: str | None = None
    rows: int = 0
    finished: list[int] = []
    metrics: dict[str, Scored] = {}
    baselines: dict[str, dict[str, float | None]] = {}


class SeedRuns:
    """Runs of a recipe that differ in their seed, read back from their folder.

    path: the folder. record: seeds.json as a dict.

    Raises:
        UserError: the folder holds no such runs, or seeds.json is damaged.
    """

    run_class: ClassVar[type[Run]] = Run

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        file = self.path / FILE
        try:
            if not file.is_file():
                raise UserError(f"{self.path} holds no runs of several seeds: there is no {FILE}")
            found = json.loads(file.read_text(encoding="utf-8"))
            Record.model_validate(found)
            lacking = [key for key in SUMMED_UP if key not in found]
            if found["status"] == "finished" and lacking:
                raise UserError(f"{file} is damaged: finished runs have {listing(lacking)}")
        except ValidationError as error:
            raise UserError([
                Fault(f"{file} {'.'.join(map(str, e['loc']))}", f"is damaged: {e['msg'].lower()}")
                for e in error.errors(include_url=False)
            ]) from None  # fmt: skip
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"{file} is damaged: {error}") from None
        self.record: dict[str, Any] = found

    @property
    def status(self) -> str:
        """running, finished, failed or interrupted."""
        return str(self.record["status"])

    @property
    def seeds(self) -> list[int]:
        """The seeds that were asked for."""
        return list(self.record["seeds"])

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Metric of the test split -> mean, deviation, minimum, maximum, low, high, shares."""
        return dict(self.record.get("metrics", {}))

    @property
    def runs(self) -> list[Run]:
        """The finished runs, in the order of their seeds."""
        there = [self.folder_of(seed) for seed in self.seeds]
        found = [self.run_class(folder) for folder in there if (folder / "run.json").is_file()]
        return [run for run in found if run.status == "finished"]

    def folder_of(self, seed: int) -> Path:
        """Return the folder of a seed's run."""
        return self.path / f"seed-{seed}"

    def write(self, **values: Any) -> None:
        """Take values into the record and write it in one step."""
        self.record |= values
        write(self.path, self.record)

    def __repr__(self) -> str:
        return f"SeedRuns({str(self.path)!r}, status={self.status!r}, seeds={self.seeds})"


def write(folder: Path, record: Mapping[str, Any]) -> None:
    """Write seeds.json, so that a reader never sees half of it."""
    partial = folder / f"{FILE}.partial"
    partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, folder / FILE)


def last_unfinished(name: str) -> Path | None:
    """Return the recipe's newest folder of seeds that did not get to its end."""
    for file in sorted(home(name).glob(f"*/{FILE}"), reverse=True):
        try:
            if SeedRuns(file.parent).status != "finished":
                return file.parent
        except UserError:
            continue
    return None


def holds(path: Path) -> bool:
    """Return whether a folder is one of several seeds."""
    return (path / FILE).is_file()


def summarised(found: Spread) -> dict[str, Any]:
    """Return a spread as JSON has it: what is undefined is null."""
    names = ("mean", "deviation", "minimum", "maximum", "low", "high", "seeds", "rows", "both")
    values = {name: getattr(found, name) for name in names}
    finite = {n: None if v is None or v - v != 0 else float(v) for n, v in values.items()}
    return {**finite, "shares": found.shares}


def named(seeds: Sequence[int]) -> str:
    """Return "42, 43, 44"."""
    return listing(seeds, 12)
