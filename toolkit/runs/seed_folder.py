"""The folder of one recipe's runs with several seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from toolkit.errors import UserError
from toolkit.runs.damage import damage
from toolkit.runs.folder import Run, read_json, state_of
from toolkit.runs.record import SeedRecord
from toolkit.utils.files import write_atomically
from toolkit.utils.text import listing

FILE = "seeds.json"
SUMMED_UP = ("headline", "rows", "finished", "metrics", "baselines")  # when the runs are done


class SeedRuns:
    """Runs of a recipe that differ in their seed, read back from their folder.

    path: the folder. record: seeds.json as a dict.

    Raises:
        UserError: the folder holds no such runs, or seeds.json is damaged.
    """

    run_class: ClassVar[type[Run]] = Run

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        file, none = self.path / FILE, f"{self.path} holds no runs of several seeds: no {FILE}"
        found = read_json(file, lambda: none)
        try:
            SeedRecord.model_validate(found)
        except ValidationError as error:
            raise UserError(damage(error, str(file))) from None
        missing = [key for key in SUMMED_UP if key not in found]
        if found["status"] == "finished" and missing:
            raise UserError(f"{file} is damaged: finished runs have {listing(missing)}")
        self.record: dict[str, Any] = found

    @property
    def status(self) -> str:
        """running, finished, failed or interrupted."""
        return str(self.record["status"])

    @property
    def state(self) -> str:
        """The status, but "dead" where runs are not finished and their process has ended."""
        return state_of(self.path, self.status)

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
        """Take values into the record and write it."""
        self.record |= values
        write(self.path, self.record)

    def __repr__(self) -> str:
        return f"SeedRuns({str(self.path)!r}, status={self.status!r}, seeds={self.seeds})"


def write(folder: Path, record: Mapping[str, Any]) -> None:
    """Write seeds.json."""
    write_atomically(folder / FILE, json.dumps(record, indent=2) + "\n")
