"""An error on one rank is raised on all, so that none is left waiting."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from toolkit.errors import Fault, ToolkitError, UserError
from toolkit.utils import distributed

RAISED = "_toolkit_raised"  # marks an error that all ranks know of


@contextmanager
def raise_on_all_ranks() -> Iterator[None]:
    """Raise on every rank what one of them raises inside."""
    try:
        yield
    except Exception as error:
        if not getattr(error, RAISED, False):
            _exchange(error)
        raise
    _exchange(None)


@contextmanager
def local_main_process_first() -> Iterator[None]:
    """Let one rank of each machine go first, so that the others use what it has cached.

    To be used inside `raise_on_all_ranks`; an error on one rank is raised on all.
    """
    leads = distributed.leads_here()
    if not leads:
        _exchange(None)
    with raise_on_all_ranks():
        yield
    if leads:
        _exchange(None)


def _exchange(failure: Exception | None) -> None:
    """Exchange failures between all ranks; raise the first of another rank."""
    if distributed.size() == 1:
        return
    failures = distributed.all_gather_object(None if failure is None else _portable(failure))
    if failure is not None:
        setattr(failure, RAISED, True)
        return  # the caller raises it
    for number, other in enumerate(failures):
        if other is not None:
            error = _restored(number, *other)
            setattr(error, RAISED, True)
            raise error


def _portable(failure: Exception) -> tuple[str, Sequence[Fault], str]:
    """Return the machine, and what is wrong there: any error need not survive pickling."""
    ours, faults = isinstance(failure, ToolkitError), getattr(failure, "faults", ())
    text = str(failure) if ours else f"{type(failure).__name__}: {failure}"
    return socket.gethostname(), faults if ours else (), text


def _restored(number: int, host: str, faults: Sequence[Fault], text: str) -> ToolkitError:
    if not faults:
        return ToolkitError(f"rank {number} on {host}: {text}")
    if host != socket.gethostname():
        faults = [Fault(f"on {host}", str(fault)) for fault in faults]
    return UserError(faults)
