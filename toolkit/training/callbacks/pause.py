"""Interruptions: training stops after a step, from which it can be resumed exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from toolkit.training import checkpoints
from toolkit.utils.signals import ShutdownSignal


class PauseCallback(TrainerCallback):
    """Ends training after the step in which a signal came, with a checkpoint.

    After the last step of an epoch, what the end of an epoch brings (validation, a checkpoint) is
    done first: whoever resumes starts the next epoch, and would not make up for it.
    """

    def __init__(self, shutdown: ShutdownSignal) -> None:
        self.shutdown = shutdown
        self.paused = self._in_epoch = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Find the best checkpoint where it is: a run's folder may have been moved since."""
        if state.best_global_step:
            checkpoints.point_to_best(state, Path(args.output_dir))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop where a signal has come."""
        if state.global_step >= state.max_steps or self.paused or not self.shutdown.agreed():
            return
        self.paused = control.should_training_stop = True
        self._in_epoch = abs(state.epoch - round(state.epoch)) > 1e-9
        control.should_save |= self._in_epoch

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save at the end of an epoch; in the midst of one nothing has ended."""
        if self.paused and self._in_epoch:
            control.should_evaluate = control.should_save = control.should_log = False
        elif self.paused:
            control.should_save = True
