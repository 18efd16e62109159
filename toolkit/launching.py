"""One command, every device: where a run computes, and whether this process starts others for it.

`toolkit run R` on a machine with several GPUs starts itself once per GPU (toolkit/agent.py); each
of those processes finds RANK and WORLD_SIZE in its environment and does its share
(toolkit/ranks.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import library, messages, ranks
from toolkit.agent import Fleet, Launch
from toolkit.errors import ToolkitError, UserError

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit.job import Overrides
    from toolkit.runs import Run

__all__ = ["Fleet", "join", "lonely", "run", "tells"]


def run(
    name: str,
    overrides: Overrides = (),
    out: Path | None = None,
    console: Console | None = None,
    fleet: Fleet | None = None,
    resume: bool = False,
) -> Run | None:
    """Run a recipe on the devices that are there; arguments as of `runner.run`.

    Returns the finished run, or None on a machine (node_rank > 0) that does not hold its folder.

    Raises:
        UserError: what the user has to mend; nothing has been trained.
        ToolkitError: the run failed.
    """
    from toolkit import runner

    fleet = fleet or Fleet()
    fleet.check()
    library.find(name, overrides)  # a wrong name or no YAML is told before seconds of imports
    if ranks.launched() or _by_accelerate():
        if fleet != Fleet():
            raise UserError(
                "--processes, --nodes, --node-rank and --rendezvous are for `toolkit run` alone: "
                "torchrun or accelerate launch has started this process and has its own"
            )
        return runner.run(name, overrides, out, console, resume)
    processes = _processes(fleet, _training(name, overrides))
    if processes == 1 and fleet.nodes == 1:
        return runner.run(name, overrides, out, console, resume)
    return Launch(fleet, processes, name, overrides, out, console, resume).run()


def join(name: str, overrides: Overrides) -> None:
    """Meet the other ranks of this run, in the way that the recipe's `training:` asks for."""
    asked = _training(name, overrides)
    backend, seconds = asked.get("ddp_backend"), asked.get("ddp_timeout")
    ranks.join(
        backend if isinstance(backend, str) else None,
        seconds if isinstance(seconds, int | float) else None,
    )


def _training(name: str, overrides: Overrides) -> Mapping[str, Any]:
    """Return the `training:` block as it stands; what is wrong with it is told by `check`."""
    try:
        found = library.find(name, overrides).values.get("training")
    except ToolkitError:
        return {}
    return found if isinstance(found, Mapping) else {}


def tells() -> bool:
    """Return whether this process shows the result: of several one does, or their launcher."""
    return not ranks.launched() or (ranks.is_main() and not messages.has_launcher())


def lonely() -> str | None:
    """Return what to tell where a launcher was asked for several processes and started one."""
    if not _by_accelerate() or ranks.launched() or "MASTER_PORT" not in os.environ:
        return None
    return (
        "accelerate launch was asked for several processes but has started one (on CPU it needs "
        "mpirun for more); `toolkit run RECIPE --processes N` starts N"
    )


def _by_accelerate() -> bool:
    return "ACCELERATE_MIXED_PRECISION" in os.environ  # it sets it for whatever it starts


def _processes(fleet: Fleet, training: Mapping[str, Any]) -> int:
    import torch

    on_cpu = bool(training.get("use_cpu")) or not torch.accelerator.is_available()
    devices = 0 if on_cpu else torch.accelerator.device_count()
    if devices and (fleet.processes or 0) > devices:
        raise UserError(
            f"--processes {fleet.processes}: {devices} GPU(s) are visible, and each takes one "
            "process (--set training.use_cpu=true runs on the CPU)"
        )
    return fleet.processes or devices or 1
