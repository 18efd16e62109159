"""How a run's steps are taken: plainly, captured as CUDA graphs, compiled, or without padding."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from toolkit.training.eager import Inputs, Way

if TYPE_CHECKING:
    from toolkit.training.captured import Captured

FEWEST = 200  # steps; in shorter runs, the trial alone would take too large a part
CAPTURING = 80  # plain batches, for all graphs: 16 of them, 5 batches each
COMPILING = 120.0  # seconds, for a step and for the check of it
PAYS = 20  # times what compiling costs, at least, is what is left of a run
GAIN = 1.05  # below, the plainer way is kept
PADDED = 0.1  # of the tokens; below, taking them out is not tried
WAIT = 20  # batches until one that a graph can hold
TIMED = 5  # steps on trial


def worth_trying(steps: int) -> bool:
    """Return whether a run is long enough to try other ways. steps: what is left of it."""
    return steps >= FEWEST


def worth_compiling(seconds: float, batches: int) -> bool:
    """Return whether a run is long enough to compile its steps.

    Args:
        seconds: of a batch, the fastest way found so far. batches: what is left of the run.
    """
    return seconds * batches >= PAYS * COMPILING


def fastest(seconds: Mapping[str, float], batches: int) -> str:
    """Return the way that ends first, with what it takes to set up; a plainer one if it is close.

    Args:
        seconds: of a batch, by way; the plain one comes first. batches: what is left of the run.
    """
    rest = {name: value * batches for name, value in seconds.items()}
    if "captured" in rest:
        rest["captured"] += CAPTURING * seconds["eager"]
    found = "eager"
    for name, value in rest.items():
        if value * GAIN < rest[found]:
            found = name
    return found


def setting(recorded: Mapping[str, Any] | None) -> str | None:
    """Return the setting `step` that takes the way of a run again. recorded: `Way.record()`."""
    if not recorded:
        return None
    return "unpadded" if recorded.get("unpadded") else str(recorded["name"])


def chosen(trainer: Any, model: Any, steps: int, recorded: Mapping[str, Any] | None = None) -> Way:
    """Return the way in which a run's steps are taken.

    Args:
        model: as accelerate has prepared it. steps: optimizer steps that are left.
        recorded: `Way.record()` of the run that is resumed: times measured anew could choose
            another way, whose rounding differs.
    """
    settings = getattr(_recipe(trainer), "training", {})
    recorded = recorded or {}
    asked = str(setting(recorded) or settings.get("step") or "auto")
    note = recorded.get("note")
    if asked == "eager" or (asked == "auto" and trainer.args.device.type != "cuda"):
        return Way(trainer, model, note)
    if trainer.args.torch_compile:
        found = Way(trainer, model, "compiled, as training.torch_compile asks for it")
        found.name = "compiled"
        return found
    if reason := obstacle(trainer, model, asked):
        return Way(trainer, model, f"plain steps: {reason}")
    if asked == "auto" and not worth_trying(steps):
        return Way(trainer, model, f"plain steps: {steps:,} are too few to try other ways")
    return _way(asked, trainer, model, note, steps)


def _recipe(trainer: Any) -> Any:
    return getattr(getattr(trainer, "toolkit_plugin", None), "recipe", None)


def _way(name: str, trainer: Any, model: Any, note: str | None, steps: int) -> Way:
    from toolkit.training.captured import Captured
    from toolkit.training.compiled import Compiled
    from toolkit.training.unpadded import Unpadded

    if name in ("compiled", "unpadded"):
        return (Compiled if name == "compiled" else Unpadded)(trainer, model, note)
    captured = Captured(trainer, model, note)
    return captured if name == "captured" else Measured(captured, steps)


def obstacle(trainer: Any, model: Any, asked: str) -> str:
    """Return why a run's steps are taken plainly, or "".

    Args:
        asked: the setting; a Trainer with a loss of its own is left alone unless a way is named,
            as what its Python code does besides would happen once.
    """
    devices = {parameter.device for parameter in model.parameters()}
    kinds = {device.type for device in devices}
    own = _own_step(type(trainer))
    reasons = {
        "several processes train together": trainer.accelerator.num_processes > 1,
        "the model is in shards": trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled,
        "the model is on several devices": len(devices) > 1,
        "fp16 uses a gradient scaler": trainer.accelerator.scaler is not None,
        "activation checkpointing is on": getattr(model, "is_activation_checkpointing", False),
        f"{asked} needs a CUDA GPU": asked in ("captured", "unpadded") and kinds != {"cuda"},
        f"{own} takes steps of its own": bool(own) and asked == "auto",
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _own_step(trainer: type) -> str:
    """Return the name of a class, not of transformers or the toolkit, that changes the step."""
    for cls in trainer.__mro__:
        changes = {"compute_loss", "training_step"} & {*vars(cls)}
        if changes and cls.__module__.partition(".")[0] not in ("transformers", "toolkit"):
            return cls.__name__
    return ""


def label(way: Way) -> str:
    """Return the setting that asks for a way, or for what became of it."""
    return "unpadded" if way.unpadded else way.name


class Measured(Way):
    """Times the ways on a batch, and goes on with the fastest."""

    keeps_gradients = True

    def __init__(self, captured: Captured, steps: int) -> None:
        """Measure nothing yet: one of the first batches that a graph can hold is waited for."""
        super().__init__(captured.trainer, captured.model)
        self.captured: Captured | None = captured
        self.batches = steps * self.trainer.args.gradient_accumulation_steps
        self.found = Way(self.trainer, self.model)
        self.waited = 0

    def forward_backward(self, inputs: Inputs, num_items: Any) -> Any:
        """Run a batch in the way that was found; on one of the first, find it."""
        if self.captured is not None:
            from toolkit.training.outcomes import reason

            self.waited += 1
            fits = self.captured.values(inputs, num_items) is not None
            if not fits and self.waited < WAIT:
                return self.found.forward_backward(inputs, num_items)
            captured, self.captured = self.captured if fits else None, None  # and its memory
            try:
                self.found = self._find(captured, inputs, num_items)
            except Exception as error:  # if it is the plain step's, that raises it again
                self.found.note = f"plain steps, as trying others failed: {reason(error)}"
        loss = self.found.forward_backward(inputs, num_items)
        self.name, self.note = self.found.name, self.found.note
        self.keeps_gradients = self.captured is not None or self.found.keeps_gradients
        self.unpadded = self.found.unpadded
        return loss

    def _find(self, captured: Captured | None, inputs: Inputs, num_items: Any) -> Way:
        from toolkit.training.compiled import Compiled
        from toolkit.training.unpadded import Unpadded, fits, padding_share

        ways: dict[str, Way] = {"eager": Way(self.trainer, self.model)}
        if captured is not None:
            ways["captured"] = captured
        if fits(self.model) and padding_share(self.trainer) > PADDED:
            ways["unpadded"] = Unpadded(self.trainer, self.model)
        seconds = {name: self._seconds(way, inputs, num_items) for name, way in ways.items()}
        if worth_compiling(min(seconds.values()), self.batches):
            ways["compiled"] = Compiled(self.trainer, self.model)
            seconds["compiled"] = self._seconds(ways["compiled"], inputs, num_items)
        kept = {name: seconds[name] for name, way in ways.items() if label(way) == name}
        found = ways[fastest(kept, self.batches)]
        times = ", ".join(f"{name} {1000 * value:.1f} ms" for name, value in kept.items())
        failed = [way.note for way in ways.values() if way.note]
        count = f"{label(found)} steps for {self.batches:,} batches"
        found.note = "; ".join([f"{count}, by the time of one: {times}", *failed])
        return found

    def _seconds(self, way: Way, inputs: Inputs, num_items: Any) -> float:
        """Return how long a batch takes; the trial leaves nothing behind."""
        import torch

        from toolkit.training.untouched import untouched

        there = torch.accelerator.is_available()
        synchronize: Callable[[], None] = torch.accelerator.synchronize if there else lambda: None
        with untouched(self.model):
            way.forward_backward(dict(inputs), num_items)  # captures, or compiles
            synchronize()
            start = time.monotonic()
            for _ in range(TIMED):
                way.forward_backward(dict(inputs), num_items)
            synchronize()
        return (time.monotonic() - start) / TIMED
