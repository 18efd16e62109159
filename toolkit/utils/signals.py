"""Ctrl-C and SIGTERM: finish the step and write a checkpoint, from which `--resume` continues.

A second signal stops at once, and so does the first outside of training.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from toolkit.errors import Interrupted
from toolkit.utils import distributed

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ECHO = 2.0  # seconds: a rank gets a Ctrl-C from the terminal, and again from its launcher


class ShutdownSignal:
    """Whether a signal was received; shared by the handler and the Trainer's callback."""

    def __init__(self) -> None:
        self.asked: str | None = None
        self.training = False
        self._since = 0.0

    def handle(self, number: int, frame: Any) -> None:
        """Handle a signal: note the first one during training, otherwise stop.

        Raises:
            Interrupted: to stop at once.
        """
        again = self.asked is not None
        if again and distributed.launched() and time.monotonic() - self._since < ECHO:
            return
        self.asked, self._since = signal.Signals(number).name, time.monotonic()
        if again or not self.training:
            raise Interrupted(f"ended from outside ({self.asked})")

    def agreed(self) -> bool:
        """Return whether any rank received a signal: all must stop after the same step."""
        return any(distributed.all_gather_object(self.asked is not None))

    @contextmanager
    def while_training(self) -> Iterator[None]:
        """Let a signal wait for the end of the step."""
        self.training = True
        try:
            yield
        finally:
            self.training = False


@contextmanager
def watching() -> Iterator[ShutdownSignal]:
    """Handle the signals during a run; restore the previous handlers afterwards."""
    watch = ShutdownSignal()
    if threading.current_thread() is not threading.main_thread():
        yield watch
        return
    before = {number: signal.signal(number, watch.handle) for number in SIGNALS}
    try:
        yield watch
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) == watch.handle:
                signal.signal(number, handler)
