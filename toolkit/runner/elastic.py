"""The ranks of this machine: started by torchrun's own launcher, watched, and their end reported.

They and their launcher exchange small files in a folder (toolkit/runner/mailbox.py).
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from toolkit.errors import Interrupted, ToolkitError, UserError
from toolkit.recipe.draft import Draft
from toolkit.runner import mailbox
from toolkit.runs.folder import Run, resume_command
from toolkit.utils import distributed
from toolkit.utils.processes import python
from toolkit.utils.text import print_text

JOIN_SECONDS = 900  # in which all machines must have been started


@dataclass(frozen=True)
class LaunchSpec:
    """The processes of a run: how many here, on how many machines, and where those meet.

    processes: on this machine; None is one per visible GPU, or one where there is none.
    rendezvous: HOST:PORT on the machine with node_rank 0, which the others reach.
    """

    processes: int | None = None
    nodes: int = 1
    node_rank: int | None = None
    rendezvous: str | None = None

    def check(self) -> None:
        """Raise UserError where the numbers do not fit together."""
        nodes, rank = self.nodes, self.node_rank
        for option, count in (("--processes", self.processes), ("--nodes", nodes)):
            if count is not None and count < 1:
                raise UserError(f"{option} {count}: at least one is needed")
        if nodes == 1:
            if rank is not None or self.rendezvous is not None:
                raise UserError("--node-rank and --rendezvous need --nodes N (machines)")
            return
        if rank is None or self.rendezvous is None:
            raise UserError(
                f"--nodes {nodes} needs --node-rank (0 to {nodes - 1}, another on each machine) "
                "and --rendezvous HOST:PORT (an address of the machine with --node-rank 0)"
            )
        if not 0 <= rank < nodes:
            raise UserError(f"--node-rank {rank}: it goes from 0 to {nodes - 1}")
        if not re.fullmatch(r"[^:\s]+:\d{1,5}", self.rendezvous):
            raise UserError(f"--rendezvous {self.rendezvous}: write it as HOST:PORT")


@dataclass
class ElasticLaunch:
    """One `toolkit run` that starts ranks, waits for them, and reports how they ended."""

    spec: LaunchSpec
    processes: int
    draft: Draft
    out: Path | None
    console: Console | None
    resume: bool = False

    def __post_init__(self) -> None:
        self.command = python("-m", "toolkit", "run", self.draft.asked)
        for keys, value in self.draft.overrides:
            self.command += ["--set", f"{'.'.join(keys)}={json.dumps(value, default=str)}"]
        quiet = self.console is None or self.console.quiet
        self.command += ["--quiet"] * quiet + ["--resume"] * self.resume

    def run(self) -> Run | None:
        """Start the ranks, again in smaller batches where memory is short, and wait for them.

        Raises:
            ToolkitError: how the first one failed.
        """
        with tempfile.TemporaryDirectory(prefix="toolkit-") as folder:
            box = mailbox.Mailbox(Path(folder))
            while (smaller := self._attempt(box)) is not None:
                if self.console is not None:
                    print_text(self.console, smaller["text"], "yellow")
                for key, value in smaller["settings"].items():
                    self.command += ["--set", f"training.{key}={value}"]
                self.out = box.run_folder()
                # Of the attempt that failed; it was empty before, or not there.
                for item in self.out.iterdir() if self.out is not None else ():
                    shutil.rmtree(item) if item.is_dir() else item.unlink()
                box.start_again(smaller)
            path = box.run_folder()
        return Run(path) if path is not None and (path / "run.json").is_file() else None

    def _attempt(self, box: mailbox.Mailbox) -> Mapping[str, Any] | None:
        """Start the ranks and wait; return smaller batches to try, where memory did not suffice."""
        from torch.distributed import DistError
        from torch.distributed.elastic.multiprocessing import SignalException
        from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
        from torch.distributed.elastic.rendezvous import RendezvousError
        from torch.distributed.launcher.api import launch_agent

        command = self.command + ([] if self.out is None else ["--out", str(self.out)])
        try:
            with _surroundings(box, self.processes):
                launch_agent(self._config(), command[0], command[1:])
        except ChildFailedError as error:
            end = box.reason({rank: f.exitcode for rank, f in error.failures.items()})
            if end.smaller is not None and self.spec.nodes == 1 and not self.resume:
                return end.smaller
            box.close("failed", end.text)
            raise end.error() from None
        except SignalException as error:
            box.close("interrupted", f"ended from outside ({signal.Signals(error.sigval).name})")
            path = box.run_folder()
            raise Interrupted(resume_command(path) if path else "") from None
        except (RendezvousError, DistError) as error:
            raise ToolkitError(
                f"the {self.spec.nodes} machines did not meet at {self.spec.rendezvous} within "
                f"{JOIN_SECONDS // 60} minutes: {error}"
            ) from error
        return None

    def _config(self) -> Any:
        from torch.distributed.launcher.api import LaunchConfig

        several = self.spec.nodes > 1
        return LaunchConfig(
            min_nodes=self.spec.nodes,
            max_nodes=self.spec.nodes,
            nproc_per_node=self.processes,
            run_id="toolkit",
            # Static: rank 0, which writes the run's folder, is on the machine that was named first.
            rdzv_backend="static" if several else "c10d",
            rdzv_endpoint=self.spec.rendezvous or "localhost:0",
            rdzv_configs={
                "timeout": JOIN_SECONDS,
                **({"rank": self.spec.node_rank} if several else {}),
            },
            max_restarts=0,
            local_addr=None if several else "127.0.0.1",
        )


@contextmanager
def _surroundings(box: mailbox.Mailbox, processes: int) -> Iterator[None]:
    """Give the ranks their share of the cores, and the box; put everything back afterwards.

    Meanwhile torch's launcher, which would report a failure too, logs nothing here.
    """
    changed = {mailbox.VARIABLE: str(box.folder)}
    if not os.environ.get("TOOLKIT_DEBUG"):
        changed["TORCH_CPP_LOG_LEVEL"] = "ERROR"  # hints for who writes DDP loops, on every rank
    if "OMP_NUM_THREADS" not in os.environ:
        changed["OMP_NUM_THREADS"] = str(max(1, distributed.cores() // processes))
    before, disabled = dict(os.environ), logging.root.manager.disable
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    os.environ.update(changed)
    if not os.environ.get("TOOLKIT_DEBUG"):
        logging.disable()
    try:
        yield
    finally:
        logging.disable(disabled)
        os.environ.clear()
        os.environ.update(before)
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:  # torch's launcher leaves its own there
                signal.signal(number, handler)
