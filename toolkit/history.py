"""How training went, step by step: the Trainer's log, with the time beside each line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

FILE = Path("logs", "history.json")  # within a run's folder


class History(TrainerCallback):
    """Writes into each line of the log how many seconds of training it came after.

    The log is part of the Trainer's state, and so of checkpoints: a resumed run goes on with it.
    """

    def __init__(self) -> None:
        self.started = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock where the log that was taken up stopped."""
        before = max((line.get("seconds", 0.0) for line in state.log_history), default=0.0)
        self.started = time.monotonic() - before

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note the time beside the newest line."""
        if state.log_history:
            state.log_history[-1]["seconds"] = time.monotonic() - self.started


def write(run: Path, history: list[dict[str, Any]]) -> None:
    """Write the log into a run's folder."""
    (run / FILE).parent.mkdir(exist_ok=True)
    (run / FILE).write_text(json.dumps(history, default=float) + "\n", encoding="utf-8")


def read(run: Path) -> list[dict[str, Any]]:
    """Return the log of a run; an empty one where there is none, or none that can be read."""
    try:
        found = json.loads((run / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [line for line in found if isinstance(line, dict)] if isinstance(found, list) else []
