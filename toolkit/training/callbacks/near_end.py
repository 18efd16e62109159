"""Something to be begun while the accelerator still trains, shortly before training ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback


class NearEndCallback(TrainerCallback):
    """Calls a function once, when about so many seconds of training are left."""

    def __init__(self, call: Callable[[], None], seconds: float) -> None:
        self._call: Callable[[], None] | None = call
        self._seconds = seconds
        self._began, self._first = 0.0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note when training begins, and after which step."""
        self._began, self._first = time.monotonic(), state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Call the function, if the steps that are left take no longer."""
        if self._call is None:
            return
        step = (time.monotonic() - self._began) / max(state.global_step - self._first, 1)
        if (state.max_steps - state.global_step) * step <= self._seconds:
            call, self._call = self._call, None
            call()
