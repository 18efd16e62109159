"""What a checkpoint belongs to: the run's record, kept in each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from toolkit.training.checkpoints import RECORD


class RecordCallback(TrainerCallback):
    """Keeps the text of a run's record in each checkpoint, which shows what was asked for."""

    def __init__(self, text: Callable[[], str]) -> None:
        self.text = text

    def keep(self, checkpoint: Path, model: Any) -> None:
        """Write it into a checkpoint's folder, which is sealed afterwards."""
        (checkpoint / RECORD).write_text(self.text(), encoding="utf-8")
