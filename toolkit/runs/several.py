"""A folder of finished and begun runs of one recipe, which differ in one number of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from toolkit.errors import UserError
from toolkit.runs.damage import damage
from toolkit.runs.folder import Recorded, Run, read_json
from toolkit.runs.several_records import SeveralRecord
from toolkit.utils.files import write_atomically
from toolkit.utils.text import listing


class SeveralRuns(Recorded):
    """Runs of a recipe, read back from their folder; base of those over seeds and over folds.

    path: the folder. record: its file as a dict.

    Raises:
        UserError: the folder holds no such runs, or the file is damaged.
    """

    run_class: ClassVar[type[Run]] = Run
    file: ClassVar[str]  # that the folder is known by
    one: ClassVar[str]  # what differs, as folders name it: seed, fold
    schema: ClassVar[type[SeveralRecord]]
    summed_up: ClassVar[tuple[str, ...]]  # the keys that finished runs have

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        file = self.path / self.file
        none = f"{self.path} holds no runs of several {self.one}s: no {self.file}"
        found = read_json(file, lambda: none)
        try:
            self.schema.model_validate(found)
        except ValidationError as error:
            raise UserError(damage(error, str(file))) from None
        missing = [key for key in self.summed_up if key not in found]
        if found["status"] == "finished" and missing:
            raise UserError(f"{file} is damaged: finished runs have {listing(missing)}")
        self.record = found

    @property
    def numbers(self) -> list[int]:
        """The seeds or folds that were asked for."""
        return list(self.record[f"{self.one}s"])

    @property
    def runs(self) -> list[Run]:
        """The finished runs, in the order of their numbers."""
        there = [self.folder_of(number) for number in self.numbers]
        found = [self.run_class(folder) for folder in there if (folder / "run.json").is_file()]
        return [run for run in found if run.status == "finished"]

    @property
    def option(self) -> str:
        """The option of `toolkit run` that makes them, with its value."""
        return f"--{self.one}s {len(self.numbers)}"

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Metric of the test split -> its scores together; empty before all runs are done."""
        return dict(self.record.get("metrics", {}))

    def folder_of(self, number: int) -> Path:
        """Return the folder of a number's run."""
        return self.path / f"{self.one}-{number}"

    def write(self, **values: Any) -> None:
        """Take values into the record and write it."""
        self.record |= values
        self.write_record(self.path, self.record)

    @classmethod
    def write_record(cls, folder: Path, record: Mapping[str, Any]) -> None:
        """Write the record of a folder."""
        write_atomically(folder / cls.file, json.dumps(record, indent=2) + "\n")

    def __repr__(self) -> str:
        name, numbers = type(self).__name__, f"{self.one}s={self.numbers}"
        return f"{name}({str(self.path)!r}, status={self.status!r}, {numbers})"
