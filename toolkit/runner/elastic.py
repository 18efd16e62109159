"""The ranks of this machine, started by torchrun's own launcher, watched, and their end told.

What they and their launcher must tell each other goes through a folder of small files
(toolkit/runner/mailbox.py).
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import Interrupted, ToolkitError, UserError
from toolkit.runner import mailbox
from toolkit.runs.folder import resume_command
from toolkit.utils import distributed
from toolkit.utils.text import print_text

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit.recipe import Draft
    from toolkit.runs.folder import Run

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
        if self.processes is not None and self.processes < 1:
            raise UserError(f"--processes {self.processes}: at least one is needed")
        if self.nodes < 1:
            raise UserError(f"--nodes {self.nodes}: at least one is needed")
        if self.nodes == 1:
            if self.node_rank is not None or self.rendezvous is not None:
                raise UserError("--node-rank and --rendezvous need --nodes N (machines)")
            return
        if self.node_rank is None or self.rendezvous is None:
            raise UserError(
                f"--nodes {self.nodes} needs --node-rank (0 to {self.nodes - 1}, another on each "
                "machine) and --rendezvous HOST:PORT (an address of the machine with --node-rank 0)"
            )
        if not 0 <= self.node_rank < self.nodes:
            raise UserError(f"--node-rank {self.node_rank}: it goes from 0 to {self.nodes - 1}")
        if not re.fullmatch(r"[^:\s]+:\d{1,5}", self.rendezvous):
            raise UserError(f"--rendezvous {self.rendezvous}: write it as HOST:PORT")


class ElasticLaunch:
    """One `toolkit run` that starts ranks, waits for them, and says how they ended."""

    def __init__(
        self,
        spec: LaunchSpec,
        processes: int,
        draft: Draft,
        out: Path | None,
        console: Console | None,
        resume: bool = False,
    ) -> None:
        self.spec, self.processes, self.out, self.console = spec, processes, out, console
        self.command = [*_python(), "-m", "toolkit", "run", draft.asked]
        for keys, value in draft.overrides:
            self.command += ["--set", f"{'.'.join(keys)}={json.dumps(value, default=str)}"]
        if console is None or console.quiet:
            self.command.append("--quiet")
        if resume:
            self.command.append("--resume")
        self.resume = resume

    def run(self) -> Run | None:
        """Start the ranks, again in smaller batches where memory is short, and wait for them.

        Raises:
            ToolkitError: how the first one failed.
        """
        from toolkit.runs.folder import Run

        with tempfile.TemporaryDirectory(prefix="toolkit-") as folder:
            box = mailbox.Mailbox(Path(folder))
            while (smaller := self._attempt(box)) is not None:
                if self.console is not None:
                    print_text(self.console, smaller["text"], "yellow")
                for key, value in smaller["settings"].items():
                    self.command += ["--set", f"training.{key}={value}"]
                self.out = box.run_folder()
                _empty(self.out)
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
            with _environment(box, self.processes), _quiet_agent():
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


def _empty(folder: Path | None) -> None:
    """Clear the folder of an attempt that failed; it was empty before, or not there."""
    for path in folder.iterdir() if folder is not None else ():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _python() -> list[str]:
    """Return the interpreter, with the current folder on its path only if it is on ours.

    `-m` puts it first there: a folder of the user's named `datasets` would hide the library.
    """
    return [sys.executable, *([] if os.getcwd() in sys.path else ["-P"])]


@contextmanager
def _environment(box: mailbox.Mailbox, processes: int) -> Iterator[None]:
    """Give the ranks their share of the cores, and the box; put everything back afterwards."""
    changed = {mailbox.VARIABLE: str(box.folder)}
    if not os.environ.get("TOOLKIT_DEBUG"):
        changed["TORCH_CPP_LOG_LEVEL"] = "ERROR"  # hints for who writes DDP loops, on every rank
    if "OMP_NUM_THREADS" not in os.environ:
        changed["OMP_NUM_THREADS"] = str(max(1, distributed.cores() // processes))
    before = dict(os.environ)
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    os.environ.update(changed)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:  # torch's launcher leaves its own there
                signal.signal(number, handler)


@contextmanager
def _quiet_agent() -> Iterator[None]:
    """Silence the agent's own account of a failure: one message is told, ours."""
    if os.environ.get("TOOLKIT_DEBUG"):
        yield
        return
    names = [n for n in logging.root.manager.loggerDict if n.startswith("torch.distributed")]
    found = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in found]
    for logger in found:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(found, levels, strict=True):
            logger.setLevel(level)
