"""The time beside each line of the Trainer's log."""

from __future__ import annotations

import time
from typing import Any

from transformers import TrainerCallback


class LogTimesCallback(TrainerCallback):
    """Writes into each line of the log how many seconds of training it came after.

    The log is part of the Trainer's state, and so of checkpoints: a resumed run goes on with it.
    """

    def __init__(self) -> None:
        self.started = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock where the log of a resumed run stopped."""
        before = max((line.get("seconds", 0.0) for line in state.log_history), default=0.0)
        self.started = time.monotonic() - before

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note the time beside the newest line."""
        if state.log_history:
            state.log_history[-1]["seconds"] = time.monotonic() - self.started
