"""One command for every device: whether a run starts in this process, or starts others.

`toolkit run R` on a machine with several GPUs starts itself once per GPU (see elastic.py); each of
those processes finds RANK and WORLD_SIZE in its environment and does its share.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from toolkit.errors import UserError
from toolkit.recipe.draft import Draft
from toolkit.runner import mailbox
from toolkit.runner.elastic import ElasticLaunch, LaunchSpec
from toolkit.runner.first_look import first_look
from toolkit.runner.join import started_by_accelerate, training_block
from toolkit.runner.on_ray.spec import RaySpec
from toolkit.runs.folder import Run
from toolkit.utils import distributed, garbage
from toolkit.utils.hardware import device_count


def run(
    draft: Draft,
    out: Path | None = None,
    console: Console | None = None,
    spec: LaunchSpec | RaySpec | None = None,
    resume: bool = False,
) -> Run | None:
    """Run a recipe on the devices that are there; arguments as of `runner.run.run`.

    Args:
        spec: processes of this machine and others, or the workers of a Ray cluster.

    Returns the finished run, or None on a machine (node_rank > 0) that does not hold its folder.

    Raises:
        UserError: the user's input is wrong; nothing has been trained.
        ToolkitError: the run failed.
    """
    from toolkit.runner.run import run as run_here

    spec = spec or LaunchSpec()
    spec.require_ranks() if isinstance(spec, RaySpec) else spec.check()
    if distributed.launched() or started_by_accelerate():
        if spec != LaunchSpec():
            raise UserError(
                "--processes, --nodes, --node-rank, --rendezvous and --on are for `toolkit run` "
                "alone: torchrun or accelerate launch has started this process and has its own"
            )
        return run_here(draft, out, console, resume)
    first_look(draft, quiet=console is None or console.quiet)
    if isinstance(spec, RaySpec):
        from toolkit.runner.on_ray.launch import RayLaunch

        return RayLaunch(LaunchSpec(), 1, draft, out, console, resume, spec).run()
    processes = _processes(spec, training_block(draft))
    if processes == 1 and spec.nodes == 1:
        return run_here(draft, out, console, resume)
    return ElasticLaunch(spec, processes, draft, out, console, resume).run()


def prints_result() -> bool:
    """Return whether this process shows the result: of several one does, or their launcher."""
    return not distributed.launched() or (distributed.is_main() and not mailbox.has_launcher())


def _processes(spec: LaunchSpec, training: Mapping[str, Any]) -> int:
    with garbage.held():  # torch is imported
        devices = device_count(on_cpu=bool(training.get("use_cpu")))
    if devices and (spec.processes or 0) > devices:
        raise UserError(
            f"--processes {spec.processes}: {devices} GPU(s) are visible, and each takes one "
            "process (--set training.use_cpu=true runs on the CPU)"
        )
    return spec.processes or devices or 1
