"""Where the runs of a sweep are, for whoever is given the folder of a whole sweep."""

from __future__ import annotations

import json
from pathlib import Path

from toolkit.errors import UserError

FILE = "sweep.json"


def trial_folder(sweep: Path, number: int) -> Path:
    """Return the folder of a trial's run."""
    return sweep / f"trial-{number:03d}"


def run_of_sweep(folder: Path) -> Path:
    """Return the folder of the chosen trial's run for that of a sweep; any other as it is.

    Raises:
        UserError: it is a sweep without one.
    """
    if (folder / "run.json").exists() or not (folder / FILE).is_file():
        return folder
    try:
        record = json.loads((folder / FILE).read_text(encoding="utf-8"))
        chosen, status = record.get("chosen"), record.get("status")
    except (OSError, ValueError, AttributeError, RecursionError):
        raise UserError(f"{folder / FILE} is damaged: it is no record of a sweep") from None
    if not isinstance(chosen, int) or status != "finished":
        what = f"{folder} holds a sweep that is not finished: no trial has been scored on test"
        raise UserError(f"{what}; name one of its trials, or go on with the sweep (--resume)")
    return trial_folder(folder, chosen)
