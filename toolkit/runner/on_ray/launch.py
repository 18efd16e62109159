"""A run whose ranks are on a Ray cluster: attempts, until it has ended."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from toolkit.errors import Fault, Interrupted, ToolkitError, UserError
from toolkit.runner import mailbox
from toolkit.runner.elastic import ElasticLaunch
from toolkit.runner.on_ray import cluster, group, inputs
from toolkit.runner.on_ray.cluster import Cluster
from toolkit.runner.on_ray.group import INTERRUPTED, Group, Outcome
from toolkit.runner.on_ray.inputs import Inputs
from toolkit.runner.on_ray.spec import RaySpec
from toolkit.runner.on_ray.store import Store
from toolkit.runner.on_ray.worker import Rank
from toolkit.runs.folder import Run, home, last_unfinished, resume_command
from toolkit.runs.restore import RECIPE
from toolkit.runs.writer import fresh
from toolkit.utils import hardware, locks, signals
from toolkit.utils.signals import ShutdownSignal
from toolkit.utils.text import print_text

#: What a rank is to know of this process's environment, wherever it is; no tokens are among them.
HANDED_ON = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT",
             "TOKENIZERS_PARALLELISM", "PYTHONHASHSEED", "CUBLAS_WORKSPACE_CONFIG",
             "OMP_NUM_THREADS", "TOOLKIT_DEBUG")  # fmt: skip
PROBE = ".toolkit-"
FAMILIES = ("NCCL_", "GLOO_")
LOCK_SECONDS = 30.0  # in which a rank that was lost has ended, and left the run's folder


@dataclass
class RayLaunch(ElasticLaunch):
    """One `toolkit run --on ray`: as of `ElasticLaunch`, but for where the ranks are."""

    asked: RaySpec = field(default_factory=RaySpec)
    _shutdown: ShutdownSignal = field(init=False)
    _cluster: Cluster = field(init=False)
    _sized: RaySpec = field(init=False)

    def __post_init__(self) -> None:
        self.draft = inputs.rooted_draft(self.draft)
        super().__post_init__()
        # The interpreter is that of the node.
        self.command = self.command[self.command.index("-m") :]
        scenario = self.draft.values.get("scenario")
        if self.out is None and self.resume:
            self.out = last_unfinished(self.draft.name, scenario)
        self.place = self.out = (self.out or fresh(home(self.draft.name))).absolute()
        self._given = len(self.command)
        self._inputs = Inputs.of(self.draft)
        self._store: Store | None = None
        self._unpacked = ""
        self._decoders: dict[tuple[int, int], Any] = {}
        self._lost = 0

    def run(self) -> Run | None:
        """Start the ranks on the cluster, again after losses, and wait for them.

        Raises:
            UserError: no such cluster, or it has not what is asked for.
            ToolkitError: how the first rank failed.
            Interrupted: a signal came; what was done is kept, and `resume` goes on.
        """
        with signals.watching() as self._shutdown, cluster.connected(self.asked) as self._cluster:
            self._sized = self._cluster.sized(self.asked)
            return super().run()

    def _attempt(self, box: mailbox.Mailbox) -> Mapping[str, Any] | None:
        """Run the ranks to their end; return smaller batches to try, where memory did not suffice.

        Workers that are lost are replaced, and the run resumed.
        """
        while True:
            outcome = self._noted(box)
            if not outcome.failed:
                return None
            if self._shutdown.asked or INTERRUPTED in outcome.codes.values():
                box.close("interrupted", f"ended from outside ({self._shutdown.asked})")
                raise self._interrupted()
            end = box.reason({rank: code for rank, code in outcome.codes.items() if code} or {0: 1})
            loss = "" if end.faults or end.smaller else outcome.replaceable
            if not loss:
                if end.smaller is not None and not self.resume and not self._lost:
                    if self._store is not None:
                        self._store.clear()
                    return end.smaller
                box.close("failed", end.text)
                raise end.error()
            self._lost += 1
            if self._lost > self.asked.restarts:
                what = f"{loss}, after {self.asked.restarts} restarts (--restarts)"
                box.close("failed", what)
                raise ToolkitError(f"{what}; {self._how_to_resume()}")
            self._say(f"{loss}: restart {self._lost} of {self.asked.restarts}, from the last "
                      "checkpoint")  # fmt: skip
            self._wait_for_lock()

    def _noted(self, box: mailbox.Mailbox) -> Outcome:
        """Run the ranks once; what ends that here is noted in the run's folder."""
        try:
            return self._once(box)
        except KeyboardInterrupt:  # before the ranks have begun, or for the second time
            self._wait_for_lock()
            self._say_where(box)
            box.close("interrupted", f"ended from outside ({self._shutdown.asked})")
            raise self._interrupted() from None
        except ToolkitError as error:
            if not self._lost:
                raise
            self._say_where(box)
            box.close("failed", str(error))
            raise ToolkitError(f"{error}; {self._how_to_resume()}") from error

    def _once(self, box: mailbox.Mailbox) -> Outcome:
        """Place workers, run the ranks once, and leave in the box what they said."""
        for path in box.folder.glob("rank-*"):
            path.unlink()
        with self._probe() as probe:
            paths = [*self._inputs.needed(), probe]
            with group.placed(self._cluster, self._sized, paths) as workers:
                workers.start(
                    self._rank(workers, probe, json.dumps(mailbox.reductions(box.folder)))
                )
                with self._shutdown.while_training():
                    outcome = workers.follow(self._show, lambda: self._shutdown.asked is not None)
        copied = self._store is not None and self._store.pull(self.place)
        if copied and self._unpacked:
            self._inputs.name_originals(self.place, self._unpacked)
        for rank, note in outcome.notes.items():
            (box.folder / f"rank-{rank}").write_text(note, encoding="utf-8")
        if outcome.run:
            self._say_where(box)
        return outcome

    def _say_where(self, box: mailbox.Mailbox) -> None:
        """Leave word in the box of the run's folder, once it is there."""
        if (self.place / "run.json").exists():
            (box.folder / "run").write_text(str(self.place), encoding="utf-8")

    @contextmanager
    def _probe(self) -> Iterator[str]:
        """Yield a file beside the run's folder, by which workers are seen to share it."""
        above = next(path for path in self.place.parents if path.is_dir())
        with ExitStack() as stack:
            try:
                file = stack.enter_context(tempfile.NamedTemporaryFile(dir=above, prefix=PROBE))
            except OSError as error:
                what = f"--out {self.place} cannot be written: {error.strerror}"
                raise UserError(what) from None
            yield file.name

    def _rank(self, workers: Group, probe: str, reduced: str) -> Rank:
        """Return what ranks are started with, once nodes have what they do not share."""
        again = ["--resume"] if self._lost and not self.resume else []
        command, out, copied = self.command, self.place, None
        if any(workers.lacking(path) for path in self._inputs.needed()):
            self._unpacked = workers.unpack(self._inputs.bundle())
            flags = [word for word in ("--quiet", "--resume") if word in command]
            smaller = self.command[self._given :]
            command = ["-m", "toolkit", "run", f"{self._unpacked}/{RECIPE}", *flags, *smaller]
        lacking = workers.lacking(probe)
        inputs.require_storage(lacking, self.place, self.asked.storage)
        if lacking:
            self._store = self._store or self._opened_store()
            name = hashlib.sha256(self._store.url.encode()).hexdigest()[:32]
            out = workers.fetch(name, self._store.url)
            copied = (out, self._store.url)
        arguments = [*command, "--out", str(out), *again]
        return Rank(arguments, self._environment(workers), os.getcwd(), reduced, copied)

    def _opened_store(self) -> Store:
        """Return the storage of this run, with what its folder holds here."""
        store = Store(f"{str(self.asked.storage).rstrip('/')}/{self.draft.name}/{self.place.name}")
        store.require_writable()
        if store.holds() and not self.resume:
            what = f"{store.url} holds a run: --resume goes on with it; or take another --out"
            raise UserError(Fault("--storage", what))
        if not store.holds() and self.resume and (self.place / "run.json").exists():
            store.push(self.place)
        return store

    def _environment(self, workers: Group) -> dict[str, str]:
        handed = {name: value for name, value in os.environ.items()
                  if name in HANDED_ON or name.startswith(FAMILIES)}  # fmt: skip
        if not self._sized.gpus:
            handed["CUDA_VISIBLE_DEVICES"] = ""
        if self.console is not None and self.console.is_terminal:
            size = shutil.get_terminal_size()
            handed |= {"FORCE_COLOR": "1", "COLUMNS": str(size.columns), "LINES": str(size.lines)}
        if not os.environ.get("TOOLKIT_DEBUG"):
            handed["TORCH_CPP_LOG_LEVEL"] = "ERROR"
        nodes = sorted({f"{place.host} ({place.address})" for place in workers.places})
        address = self._cluster.address
        about = {"ray": self._cluster.ray.__version__, "address": address,
                 "workers": len(workers.places), "nodes": nodes,
                 "cpus_per_worker": self._sized.cpus, "gpus_per_worker": self._sized.gpus,
                 "lost_workers": self._lost}  # fmt: skip
        return {**handed, hardware.CLUSTER: json.dumps(about)}

    def _show(self, rank: int, stream: int, part: bytes) -> None:
        """Write what a rank has written, where it would have without a cluster."""
        decoder = self._decoders.setdefault(
            (rank, stream), codecs.getincrementaldecoder("utf-8")("replace")
        )
        target = sys.stdout if stream == 1 else sys.stderr
        target.write(decoder.decode(part))
        target.flush()

    def _say(self, text: str) -> None:
        if self.console is not None:
            print_text(self.console, text, "yellow")

    def _wait_for_lock(self) -> None:
        """Wait until what is left of lost ranks has ended, as they hold the folder."""
        end = time.monotonic() + LOCK_SECONDS
        while locks.is_held(self.place) and time.monotonic() < end:
            time.sleep(0.5)

    def _interrupted(self) -> Interrupted:
        return Interrupted(f"{self._shutdown.asked or 'stopped'}; {self._how_to_resume()}")

    def _how_to_resume(self) -> str:
        options = f"--on {self.asked.on} --workers {self._sized.workers}"
        if self.asked.storage is not None:
            options += f" --storage {shlex.quote(self.asked.storage)}"
        return f"{resume_command(self.place)} {options}"
