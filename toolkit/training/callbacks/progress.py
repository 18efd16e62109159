"""Progress of training: a bar in a terminal, plain lines elsewhere, times in the log."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback

LINES = 20  # at most so many lines between evaluations where there is no terminal


class RichProgressCallback(TrainerCallback):
    """Shows step, loss, score and time left."""

    def __init__(self, console: Console, headline: str | None) -> None:
        self.console, self.headline = console, headline
        self.loss = self.score = ""
        shown = "{task.completed}/{task.total}{task.fields[scores]}"
        columns = TextColumn("train"), BarColumn(None), TextColumn(shown), TimeRemainingColumn()
        self.bar = Progress(*columns, console=console, transient=True)
        self.task = self.bar.add_task("train", scores="")
        self.started = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock and, in a terminal, the bar."""
        self.started = time.monotonic()
        if self.console.is_terminal:
            self.bar.reset(self.task, total=state.max_steps)
            self.bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the bar."""
        scores = f"{self.loss}{self.score}"
        self.bar.update(self.task, completed=state.global_step, scores=scores)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        """Show the loss."""
        if logs is None or "loss" not in logs:
            return
        self.loss = f" loss {logs['loss']:.3f}"
        every = max(1, state.max_steps // LINES)
        if state.global_step % every < state.logging_steps:
            self._line(state)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **_: Any
    ) -> None:
        """Show the validation score."""
        value = (metrics or {}).get(f"eval_{self.headline}")
        if value is not None:
            self.score = f" val {self.headline} {value:.3f}"
        self._line(state)

    def close(self) -> None:
        """Remove the bar; harmless when there is none."""
        if self.console.is_terminal:
            self.bar.stop()

    def _line(self, state: Any) -> None:
        if self.console.is_terminal:
            return
        spent = time.monotonic() - self.started
        left = spent / max(state.global_step, 1) * (state.max_steps - state.global_step)
        self.console.print(
            f"train {state.global_step}/{state.max_steps} epoch {state.epoch or 0:.1f}"
            f"{self.loss}{self.score} {left:.0f} s left",
            highlight=False,
            soft_wrap=True,
        )


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
