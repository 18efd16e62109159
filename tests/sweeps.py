"""Trials of a sweep in the process of the test, and engines that only pretend to train."""

from __future__ import annotations

import json
from pathlib import Path

from toolkit.runner.sweeping.engine import Ended
from toolkit.runner.trial import Validation


class HereEngine:
    """Runs trials as the process does that sweeps start, without that process."""

    def __init__(self, log: Path, shutdown: object) -> None:
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def run(self, task, watcher):
        """Run a trial."""
        from toolkit.runner.sweeping.worker import do

        return do(task, watcher)


class PretendedEngine(HereEngine):
    """Tells scores by a function of a trial's values, and writes no weights.

    score: values of `training` and the epoch -> score. ends: number of a trial -> how it ends.
    """

    def __init__(self, score, epochs=9, ends=None):
        self.score, self.epochs, self.ends, self.ran = score, epochs, dict(ends or {}), []

    def __call__(self, log: Path, shutdown: object):
        return self

    def run(self, task, watcher):
        """Tell the scores of a trial, and write what is read of its folder."""
        folder = Path(task.folder)
        folder.mkdir(exist_ok=True)
        number = int(folder.name.rpartition("-")[2])
        self.ran.append((number, task.whole))
        watcher.begun({"metric": "accuracy", "greater_is_better": True,
                       "data": {"fingerprint": "f", "rows": {"validation": 40}}})  # fmt: skip
        if task.whole:
            return Ended("finished")
        end = self.ends.pop(number, None)
        if isinstance(end, BaseException):
            raise end
        if end is not None:
            return end
        value, step = None, 0
        for epoch in range(1, self.epochs + 1):
            value, step = self.score(task.values["training"], epoch), 10 * epoch
            if not watcher.goes_on(Validation(step, float(epoch), value, epoch == self.epochs)):
                self._write(folder, "pruned", value, step)
                return Ended("pruned")
        self._write(folder, "validated", value, step)
        return Ended("validated")

    def _write(self, folder: Path, status: str, value, step: int) -> None:
        trial = {"metric": "accuracy", "greater_is_better": True, "score": value}
        phases = {"train": 1.0, "score": 0.1, "baselines": 0.0}
        speed = {"total_seconds": 2.0, "fixed_seconds": 0.9, "train_samples_per_second": 9.0,
                 "phases": phases, "steps": step}  # fmt: skip
        record = {"schema_version": 1, "status": status, "trial": trial, "speed": speed}
        (folder / "run.json").write_text(json.dumps(record))
