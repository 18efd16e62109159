"""Progress of training: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback

LINES = 20  # at most so many lines between evaluations where there is no terminal


class RichProgressCallback(TrainerCallback):
    """Shows step, loss, score and time left."""

    def __init__(self, console: Console, headline: str | None) -> None:
        self.console, self.headline = console, headline
        self.loss = self.score = ""
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.started = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock and, in a terminal, the bar."""
        self.started = time.monotonic()
        if self.console.is_terminal:
            shown = "{task.completed}/{task.total}{task.fields[scores]}"
            columns = TextColumn("train"), BarColumn(None), TextColumn(shown), TimeRemainingColumn()
            self.bar = Progress(*columns, console=self.console, transient=True)
            self.task = self.bar.add_task("train", total=state.max_steps, scores="")
            self.bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the bar."""
        if self.bar is not None:
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

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Remove the bar."""
        self.close()

    def close(self) -> None:
        """Remove the bar; harmless when there is none."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _line(self, state: Any) -> None:
        if self.bar is not None:
            return
        spent = time.monotonic() - self.started
        left = spent / max(state.global_step, 1) * (state.max_steps - state.global_step)
        self.console.print(
            f"train {state.global_step}/{state.max_steps} epoch {state.epoch or 0:.1f}"
            f"{self.loss}{self.score} {left:.0f} s left",
            highlight=False,
            soft_wrap=True,
        )
