"""Whether all ranks of a run have read the same: machines may hold copies that differ."""

from __future__ import annotations

import socket

from toolkit.errors import Fault, UserError
from toolkit.runner.prepare import Job
from toolkit.utils import distributed


def require_same_inputs(job: Job) -> None:
    """Raise UserError on every rank where rows or model of one are not those of rank 0."""
    ours = (socket.gethostname(), job.loaded.fingerprint, job.files.revision)
    (host, rows, model), *others = distributed.all_gather_object(ours)
    faults = []
    for rank, (there, their_rows, their_model) in enumerate(others, start=1):
        where = f"rank {rank} on {there}"
        pairs = (("rows", rows, their_rows), (f"weights of {job.files.id}", model, their_model))
        for what, first, other in pairs:
            if other != first:
                told = f"has other {what} than rank 0 on {host}: {_short(other)}, {_short(first)}"
                faults.append(Fault(where, told))
    if faults:
        raise UserError(faults)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
