"""How training went, step by step: the Trainer's log in a run's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from toolkit.utils.files import write_atomically

FILE = Path("logs", "history.json")  # within a run's folder


def write(run: Path, history: list[dict[str, Any]]) -> None:
    """Write the log into a run's folder."""
    (run / FILE).parent.mkdir(exist_ok=True)
    write_atomically(run / FILE, json.dumps(history, default=float) + "\n")


def read(run: Path) -> list[dict[str, Any]]:
    """Return the log of a run; an empty one where there is none, or none that can be read."""
    try:
        found = json.loads((run / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [line for line in found if isinstance(line, dict)] if isinstance(found, list) else []
