"""A run's folder, read back."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import Fault, UserError
from toolkit.runs.damage import faults
from toolkit.runs.prediction_files import restoring
from toolkit.runs.sweeps import run_of_sweep
from toolkit.utils import locks
from toolkit.utils.files import not_own
from toolkit.utils.text import nearest

if TYPE_CHECKING:
    import numpy as np

    from toolkit.plugin_types import Prediction

BATCH = 1000
BASELINES = "baselines"  # the folder of their predictions
#: The key of an evaluation's record that names the run whose model it has scored.
EVALUATES = "evaluates"
HOME = Path("runs")  # of all runs that are not given a folder


def home(name: str) -> Path:
    """Return the folder of a recipe's runs; a recipe's file may be called `...yaml`."""
    parts = (part if part.strip(".") else "_" for part in name.split("/"))
    return HOME.joinpath(*parts)


def predictions_file(run: Path, split: str = "test") -> Path:
    """Return where a run's predictions of a split are: those of test are at the top."""
    return (run if split == "test" else run / split) / "predictions.jsonl"


def baseline_folder(run: Path, name: str) -> Path:
    """Return where the predictions of a run's baseline are; a plugin may give it any name."""
    return run / BASELINES / (re.sub(r"[^\w-]+", "_", name)[:80] or "_")


def read_predictions(
    path: Path, keep: Sequence[bool] | np.ndarray[Any, Any] | None = None
) -> Iterator[tuple[list[Prediction], list[Any]]]:
    """Yield (predictions, references) of predictions.jsonl in batches.

    Args:
        keep: one bool per row; rows with False are left out.
    """
    hook = restoring(path.parent)
    with path.open(encoding="utf-8") as file:
        rows = (json.loads(line, object_hook=hook)
                for n, line in enumerate(file) if keep is None or keep[n])  # fmt: skip
        while batch := list(islice(rows, BATCH)):
            yield [row["prediction"] for row in batch], [row["reference"] for row in batch]


def read_groups(run: Run, split: str = "test") -> dict[str, list[str | None]]:
    """Return column -> the group of each predicted row of a split; none where rows have none."""
    group = run.record["data"].get("group")
    if not group:
        return {}
    columns = list((group.get("columns") or {}).get(split, [group["column"]]))
    with predictions_file(run.path, split).open(encoding="utf-8") as file:
        lines = [json.loads(line).get("group") for line in file]
    found = [line if isinstance(line, list) else [line] for line in lines]
    return {column: [names[place] for names in found] for place, column in enumerate(columns)}


def read_json(file: Path, absent: Callable[[], str]) -> Any:
    """Return what a JSON file of a run's folder holds, which may be a stranger's.

    Raises:
        UserError: the file is damaged, or there is none, in the words of `absent`; or the folder
            has links that lead out of it.
    """
    if os.path.lexists(file):
        require_own(file.parent)
    try:
        if not file.is_file():
            raise UserError(absent())
        return json.loads(file.read_text(encoding="utf-8"))
    except RecursionError:
        raise UserError(f"{file} is damaged: it is nested too deeply") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is damaged: {error}") from None


def readable(file: Path) -> dict[str, Any] | None:
    """Return the object that a JSON file holds; None where it is absent, empty or torn."""
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


class Recorded:
    """A folder and its record, of a run or of several.

    path: the folder. record: the file that it is known by, as a dict.
    """

    path: Path
    record: dict[str, Any]

    @property
    def status(self) -> str:
        """running, finished, failed or interrupted."""
        return str(self.record["status"])

    @property
    def state(self) -> str:
        """The status, but "dead" for what is not finished and whose process has ended."""
        return state_of(self.path, self.status)


class Run(Recorded):
    """A run read back from its folder.

    path: the folder; that of a sweep stands for the run of its chosen trial. record: run.json as a
    dict.

    Raises:
        UserError: the folder is no run, or run.json is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = run_of_sweep(Path(path))
        file = self.path / "run.json"
        self.record = read_json(file, lambda: _no_run(self.path))
        if wrong := faults(self.record, str(file)):
            raise UserError(wrong)

    @property
    def metrics(self) -> dict[str, Any]:
        """Split -> metric -> value, low, high."""
        return dict(self.record.get("metrics", {}))

    @property
    def report(self) -> Path:
        """The path of the report, which is written when the run is finished."""
        return self.path / "report.html"

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, status={self.status!r})"


def run_of(path: Path) -> Path:
    """Return the folder of the run that an evaluation is of; of a run that is its own."""
    about = (readable(path / "run.json") or {}).get(EVALUATES)
    place = about.get("run") if isinstance(about, dict) else None
    if not isinstance(place, str):
        return path
    found = Path(os.path.normpath(path.absolute() / place))
    if not (found / "run.json").is_file():
        raise UserError(f"{path} is an evaluation of {found}, which is no longer there")
    return found


def state_of(folder: Path, status: str) -> str:
    """Return a status; "dead" for one that says running while no process holds the folder."""
    return "dead" if status == "running" and not locks.is_held(folder) else status


def last_unfinished(
    name: str, scenario: Any = None, kind: type[Any] = Run, file: str = "run.json"
) -> Path | None:
    """Return the newest folder under runs/<name> that is not finished, or whose record is lost.

    Args:
        scenario: of the run, where it is known: another recipe may have the same name.
        kind, file: what reads such a folder, and the file it is known by; also of `SeveralRuns`.
    """
    known = {path.parent for path in home(name).glob(f"*/{file}")}
    if kind is Run:
        known |= {path.parent for path in home(name).glob("*/checkpoints")}
    for folder in sorted(known, reverse=True):
        if readable(folder / file) is None:
            return folder
        with suppress(UserError):
            found = kind(folder)
            if found.status != "finished" and found.record.get("scenario", scenario) == scenario:
                return folder
    return None


def require_own(folder: Path, *, checkpoints: bool = False) -> None:
    """Refuse a folder with links that lead out of it, or pipes and devices, which others may make.

    Args:
        checkpoints: whether those are looked at, too; they are read and written by a run alone.

    Raises:
        UserError: all that is found.
    """
    what = ": nothing is read or written there"
    faults = [Fault(str(path), f"{kind}{what}") for path, kind in not_own(folder)
              if checkpoints or path.relative_to(folder).parts[0] != "checkpoints"]  # fmt: skip
    if faults:
        raise UserError(faults)


def beside(path: Path) -> str:
    """Return " Did you mean 'x'?" for what stands beside a path under a similar name, or ""."""
    names = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    return nearest(path.name, names)


def _no_run(path: Path) -> str:
    if path.is_dir():
        return f"{path} is no run's folder: it holds no run.json"
    kind = "a file" if path.exists() else "not there"
    return f"{path} is no run's folder: it is {kind}.{beside(path)}"


def resume_command(path: Path, several: str = "") -> str:
    """Return the command that goes on with a run, or with several: `several` is their option."""
    recipe, out = shlex.quote(str(path / "recipe.yaml")), shlex.quote(str(path))
    several = f"{several} " if several else ""
    return f"go on with: toolkit run {recipe} {several}--out {out} --resume"
