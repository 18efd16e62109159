"""What the sections of `gpu.py` share: sizes, lines, and what is made once for several of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from on_gpu import children, inputs

LENGTH = 256  # tokens at which texts are cut


@dataclass(frozen=True)
class Sizes:
    """How much of everything is measured.

    rows: of training texts, by model. steps: of the raw loop and the stock Trainer. few, many: rows
    of the two files whose difference is what prediction takes. batches: of the raw loop.
    """

    rows: dict[str, int]
    test: int
    steps: int
    batches: tuple[int, ...]
    pictures: int
    side: int
    few: int
    many: int
    piped: int
    serving: int


REAL = Sizes({"bert": 8208, "modernbert": 4104, "small": 2000}, 400, 40,
             (32, 64, 256, 1024), 2000, 224, 2000, 22_000, 1024, 10)  # fmt: skip
TOY = Sizes({"bert": 96, "modernbert": 96, "small": 96}, 40, 2,
            (8, 16), 48, 40, 20, 120, 40, 2)  # fmt: skip


class Bench:
    """What sections share: sizes, a folder, the lines so far, and runs that several look at."""

    def __init__(self, toy: bool, work: Path, out: Path | None, seconds: float) -> None:
        self.toy, self.work, self.out = toy, work, out
        self.sizes = TOY if toy else REAL
        self.end = time.monotonic() + seconds
        self.lines: list[dict[str, Any]] = []
        self.section = ""
        self._made: dict[str, Any] = {}

    def left(self) -> float:
        """Return how many seconds are left."""
        return self.end - time.monotonic()

    def say(
        self, what: str, measured: float | None = None, *, at_least: float | None = None,
        at_most: float | None = None, **more: Any,
    ) -> None:  # fmt: skip
        """Print a line, and judge it where there is a goal."""
        goal = at_most if at_least is None else at_least
        met = None
        if goal is not None and measured is not None:
            met = measured <= goal if at_least is None else measured >= goal
        words = None if goal is None else f"at {'most' if at_least is None else 'least'} {goal:g}"
        line = {"section": self.section, "what": what, "goal": words, "measured": measured,
                "met": met, **more}  # fmt: skip
        self.lines.append(rounded(line))
        print(json.dumps(self.lines[-1]), flush=True)
        if self.out is not None:
            self.out.write_text(json.dumps(self.lines, indent=1) + "\n", encoding="utf-8")

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what `make` returns, made once; a failure is not tried again."""
        if name not in self._made:
            try:
                self._made[name] = make()
            except Exception as error:
                self._made[name] = error
        if isinstance(self._made[name], Exception):
            raise self._made[name]
        return self._made[name]

    def has(self, name: str) -> bool:
        """Return whether `once` has been asked for it."""
        return name in self._made

    def texts(self, kind: str) -> Path:
        """Return the folder with the texts that a model is trained on."""
        path, rows = self.work / f"texts-{kind}", self.sizes.rows[kind]
        return self.once(path.name, lambda: inputs.text_folder(path, rows, self.sizes.test))

    def model(self, kind: str) -> Path:
        """Return the folder of a text model."""
        path = self.work / kind
        return self.once(path.name, lambda: inputs.text_model(path, kind, self.toy))

    def recipe(self, kind: str, epochs: int = 1) -> Path:
        """Return a recipe that trains on texts by the toolkit's defaults: no batch size is given.

        Args:
            kind: of model, and of the texts that it is trained on.
        """
        return self.written(f"{kind}-{epochs}", (
            "scenario: text-classification",
            f"model: {self.model(kind)}",
            f"data: {{source: {self.texts(kind)}}}",
            f"options: {{max_length: {LENGTH}}}",
            f"training: {{num_train_epochs: {epochs}, learning_rate: 5.0e-5}}",
        ))  # fmt: skip

    def written(self, name: str, lines: Iterable[str]) -> Path:
        """Write a recipe and return its file."""
        path = self.work / f"{name}.yaml"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def trained(self, kind: str) -> children.Trained:
        """Return the run of that recipe for one epoch."""
        out = self.work / f"run-{kind}"
        return self.once(out.name, lambda: children.train(self.recipe(kind), out, self.left()))

    def peak(self) -> float:
        """Return the FLOP/s of a large matrix product in bf16."""
        from toolkit.utils.resources import matrix_peak

        return self.once("peak", matrix_peak)


def rounded(value: Any) -> Any:
    """Return a value whose floats have five digits."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value
