"""What a person sees while a run goes on: a bar in a terminal, plain lines elsewhere."""

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
        self.console = console
        self.headline = headline
        self.loss = self.score = ""
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.started = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock and, in a terminal, the bar."""
        self.started = time.monotonic()
        if self.console.is_terminal:
            self.bar = Progress(
                TextColumn("train"),
                BarColumn(bar_width=None),
                TextColumn("{task.completed}/{task.total}{task.fields[scores]}"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self.task = self.bar.add_task("train", total=state.max_steps, scores="")
            self.bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.update(
                self.task, completed=state.global_step, scores=f"{self.loss}{self.score}"
            )

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        """Take up the loss."""
        if logs is None or "loss" not in logs:
            return
        self.loss = f" loss {logs['loss']:.3f}"
        every = max(1, state.max_steps // LINES)
        if self.bar is None and state.global_step % every < state.logging_steps:
            self._line(state)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **_: Any
    ) -> None:
        """Take up the validation score."""
        value = (metrics or {}).get(f"eval_{self.headline}")
        if value is not None:
            self.score = f" val {self.headline} {value:.3f}"
        if self.bar is None:
            self._line(state)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Take the bar away; harmless when there is none."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _line(self, state: Any) -> None:
        spent = time.monotonic() - self.started
        left = spent / max(state.global_step, 1) * (state.max_steps - state.global_step)
        self.console.print(
            f"train {state.global_step}/{state.max_steps} epoch {state.epoch or 0:.1f}"
            f"{self.loss}{self.score} {left:.0f} s left",
            highlight=False,
            soft_wrap=True,
        )
