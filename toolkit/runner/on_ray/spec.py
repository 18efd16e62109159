"""What is asked of a Ray cluster."""

from __future__ import annotations

import os
from dataclasses import dataclass

from toolkit.errors import Fault, UserError

RAY = "ray"
CLIENT = "ray://"


@dataclass(frozen=True)
class RaySpec:
    """The workers of a run on Ray.

    on: "ray" (the cluster that RAY_ADDRESS names, or one that is started here and ends with the
    command), or ray://HOST:PORT.
    workers: processes, each a rank of the run, or a copy of the model; None: one per GPU, or one.
    cpus: of each worker; None: its share of the cluster's. gpus: of each worker; None: one where
    there are GPUs.
    restarts: how often workers that are lost are replaced before the run fails.
    storage: where checkpoints go if nodes share no folder: a path, or a URL that fsspec opens.
    """

    on: str = RAY
    workers: int | None = None
    cpus: float | None = None
    gpus: float | None = None
    restarts: int = 3
    storage: str | None = None

    @property
    def address(self) -> str:
        """The cluster's address; "local" for one that is started here."""
        return self.on if self.on != RAY else os.environ.get("RAY_ADDRESS") or "local"

    def check(self) -> None:
        """Raise UserError with all numbers that cannot be."""
        faults = []
        if self.on != RAY and not self.on.startswith(CLIENT):
            what = f"{self.on!r} is neither ray nor ray://HOST:PORT (RAY_ADDRESS names others)"
            faults.append(Fault("--on", what))
        if self.workers is not None and self.workers < 1:
            faults.append(Fault("--workers", f"{self.workers}: at least one is needed"))
        if self.cpus is not None and self.cpus <= 0:
            faults.append(Fault("--cpus-per-worker", f"{self.cpus:g}: more than 0 are needed"))
        if self.gpus is not None and (self.gpus < 0 or (self.gpus > 1 and self.gpus % 1)):
            what = f"{self.gpus:g}: a share of one (0.5), or whole ones"
            faults.append(Fault("--gpus-per-worker", what))
        if self.restarts < 0:
            faults.append(Fault("--restarts", f"{self.restarts}: 0 or more"))
        if faults:
            raise UserError(faults)

    def require_ranks(self) -> None:
        """Raise UserError where workers could not be ranks of one run."""
        self.check()
        if self.gpus is not None and self.gpus not in (0, 1):
            what = f"{self.gpus:g}: each rank of a run has one GPU (or 0: it runs on processors)"
            raise UserError(Fault("--gpus-per-worker", what))
