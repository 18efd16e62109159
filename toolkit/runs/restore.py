"""A run's recipe.yaml and run.json, made whole where a machine has stopped while they were written.

Both hold the same: run.json has the text of recipe.yaml, and each checkpoint a copy of run.json.
"""

from __future__ import annotations

import json
from pathlib import Path

from toolkit.runs.folder import readable, require_own
from toolkit.training import checkpoints
from toolkit.utils.files import write_atomically
from toolkit.utils.text import printable_line

RECIPE, RECORDS = "recipe.yaml", ("run.json", "seeds.json", "folds.json", "sweep.json")
IN_RUNS = (*RECORDS, "checkpoints")
SETTINGS = "settings"  # the key of a record that holds the text of the recipe


def recipe_text(path: Path, settings: str) -> str:
    """Return what recipe.yaml holds: the command that runs it, and the settings."""
    return f"# toolkit run {printable_line(path)}\n{settings}"


def restore(folder: Path) -> list[str]:
    """Write anew what is missing, empty or torn of a run's record and recipe; return what that was.

    What another has written there, a whole file with other content, is left as it is.

    Raises:
        UserError: the folder holds links that lead out of it.
        OSError: the folder cannot be written.
    """
    if not folder.is_dir():
        return []
    require_own(folder, checkpoints=True)
    done = []
    record = next(filter(None, (readable(folder / name) for name in RECORDS)), None)
    if record is None:
        start = checkpoints.newest(folder / "checkpoints")
        record = readable(start.path / checkpoints.RECORD) if start.path else None
        if start.path is None or record is None:
            return []
        write_atomically(folder / RECORDS[0], json.dumps(record, indent=2) + "\n")
        done = [f"{RECORDS[0]} was missing or damaged: written anew, as {start.path.name} has it"]
    settings, file = record.get(SETTINGS), folder / RECIPE
    if isinstance(settings, str) and _is_torn(file, settings):
        write_atomically(file, recipe_text(file.resolve(), settings))
        done.append(f"{RECIPE} was missing or damaged: written anew, as the run's record has it")
    return done


def restore_named(recipe: str) -> None:
    """Restore the folder of a run whose recipe.yaml is to be run again, before it is read."""
    path = Path(recipe).expanduser()
    if path.name == RECIPE and any((path.parent / name).exists() for name in IN_RUNS):
        restore(path.parent)


def _is_torn(file: Path, settings: str) -> bool:
    """Return whether a file holds but a part of a recipe, from its beginning on, or none of it."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace").rstrip("\0")
    except FileNotFoundError:
        return True
    except OSError:  # a folder, say
        return False
    first, _, rest = text.partition("\n")
    return first[:1] in ("", "#") and rest != settings and settings.startswith(rest)
