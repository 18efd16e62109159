"""What goes wrong on one rank goes wrong on all: none is left waiting, and one tells of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from toolkit.errors import Fault, ToolkitError, UserError
from toolkit.utils import distributed

AGREED = "_toolkit_agreed"


@contextmanager
def raise_on_all_ranks() -> Iterator[None]:
    """Raise on every rank what one of them raises inside, so that no rank waits for it."""
    try:
        yield
    except Exception as error:
        if not getattr(error, AGREED, False):
            _exchange(error)
        raise
    _exchange(None)


@contextmanager
def local_main_process_first() -> Iterator[None]:
    """Let one rank of each machine go first: what it leaves in caches, the others find there.

    Stands inside `agreed`; what goes wrong on one rank is raised on all.
    """
    leads = distributed.leads_here()
    if not leads:
        _exchange(None)
    with raise_on_all_ranks():
        yield
    if leads:
        _exchange(None)


def _exchange(failure: Exception | None) -> None:
    """Tell all ranks of a failure, or that there is none; raise the first one, or this rank's."""
    if distributed.size() == 1:
        return
    told = distributed.all_gather_object(_portable(failure))
    if failure is not None:
        setattr(failure, AGREED, True)
        return  # the caller raises it
    for number, other in enumerate(told):
        if other is not None:
            error = _restored(number, other)
            setattr(error, AGREED, True)
            raise error


def _portable(failure: Exception | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    faults = [(f.where, f.what) for f in failure.faults] if isinstance(failure, UserError) else []
    text = str(failure)
    if not isinstance(failure, ToolkitError):
        text = f"{type(failure).__name__}: {text}"
    return {"host": socket.gethostname(), "faults": faults, "text": text}


def _restored(number: int, told: Mapping[str, Any]) -> ToolkitError:
    elsewhere = told["host"] != socket.gethostname()
    if told["faults"]:
        faults = [Fault(where, what) for where, what in told["faults"]]
        return UserError([Fault(f"on {told['host']}", str(f)) for f in faults] if elsewhere
                         else faults)  # fmt: skip
    return ToolkitError(f"rank {number} on {told['host']}: {told['text']}")
