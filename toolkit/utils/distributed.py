"""The ranks of a distributed run, and communication of Python objects between them.

Every function also works in a single process, so that callers need not check. Objects are sent
over gloo (CPU), whatever device the model trains on.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

from toolkit.errors import ToolkitError, TrainingError

T = TypeVar("T")
#: The environment that torchrun (and `accelerate launch`) gives to each rank.
VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
#: Baselines and the verification on one rank may take hours, while the others wait.
PATIENCE = timedelta(days=30)


def launched() -> bool:
    """Return whether a launcher started this process as a rank."""
    return all(name in os.environ for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"))


def alone_environment() -> dict[str, str]:
    """Return the environment for a child process that is no rank."""
    ours = {*VARIABLES, "GROUP_RANK", "ROLE_RANK", "TORCHELASTIC_USE_AGENT_STORE",
            "TOOLKIT_LAUNCHER"}  # fmt: skip
    return {name: value for name, value in os.environ.items() if name not in ours}


def size() -> int:
    """Return the number of ranks of this run."""
    return int(_distributed().get_world_size()) if _joined() else 1


def rank() -> int:
    """Return the number of this rank, from 0."""
    return int(_distributed().get_rank()) if _joined() else 0


def is_main() -> bool:
    """Return whether this is rank 0, which writes and prints."""
    return rank() == 0


def leads_here() -> bool:
    """Return whether this is the first rank on its machine."""
    return size() == 1 or int(os.environ.get("LOCAL_RANK", rank())) == 0


def local_size() -> int:
    """Return the number of ranks on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", size())) if _joined() else 1


def join(backend: str | None = None, timeout: float | None = None) -> None:
    """Initialise the process group if a launcher started several ranks.

    Args:
        backend: of the model's collectives (`training.ddp_backend`); None is the device's default.
        timeout: of the model's collectives in seconds (`training.ddp_timeout`).

    Raises:
        ToolkitError: the other ranks do not connect.
    """
    if not launched() or _joined():
        return
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        # Ranks that each use every core slow each other down many times over.
        threads = max(1, cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
        os.environ["OMP_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    distributed = _distributed()
    try:
        store, number, processes = _rendezvous()
        distributed.init_process_group(
            backend, store=store, rank=number, world_size=processes,
            timeout=None if timeout is None else timedelta(seconds=timeout),
        )  # fmt: skip
        _object_group()
    except (distributed.DistError, RuntimeError, ValueError) as error:
        where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise ToolkitError(
            f"rank {os.environ['RANK']} of {os.environ['WORLD_SIZE']} did not meet the others at "
            f"{where}: {error}"
        ) from error
    atexit.register(_leave)
    _on_terminate(_raise_on_signal)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def broadcast_object(value: T) -> T:
    """Return rank 0's value on every rank."""
    if size() == 1:
        return value
    box = [value]
    _distributed().broadcast_object_list(box, src=0, group=_object_group())
    return box[0]


def gather_object(value: T) -> list[T] | None:
    """Return every rank's value on rank 0, in order of rank; None on the others."""
    if size() == 1:
        return [value]
    box: list[Any] | None = [None] * size() if is_main() else None
    _distributed().gather_object(value, box, dst=0, group=_object_group())
    return box


def all_gather_object(value: T) -> list[T]:
    """Return every rank's value on every rank, in order of rank."""
    if size() == 1:
        return [value]
    box: list[Any] = [None] * size()
    _distributed().all_gather_object(box, value, group=_object_group())
    return box


def broadcast_weights(model: Any) -> None:
    """Copy rank 0's weights to every rank.

    If machines share no folder, only the first has the best checkpoint; the others would keep the
    weights of the last step.
    """
    if size() > 1:
        for tensor in [*model.parameters(), *model.buffers()]:
            _distributed().broadcast(tensor.data, src=0)


def barrier() -> None:
    """Wait for all ranks."""
    if size() > 1:
        _distributed().barrier(group=_object_group())


def give_up() -> None:
    """Prepare to exit after a failure, without waiting for other ranks."""
    atexit.unregister(_leave)
    _on_terminate(signal.SIG_DFL)


def is_first_to_fail() -> bool:
    """Report that this rank failed; return whether it is the first one."""
    if not _joined():
        return int(os.environ["RANK"]) == 0
    try:
        return int(_rendezvous()[0].add("toolkit/failed", 1)) == 1
    except RuntimeError:  # the machine with the store is gone
        return True


def _joined() -> bool:
    # A rank that has joined has imported torch; listing commands must not import it.
    if "torch" not in sys.modules or not _distributed().is_available():
        return False
    return bool(_distributed().is_initialized())


def _distributed() -> Any:
    import torch.distributed

    return torch.distributed


@cache
def _rendezvous() -> tuple[Any, int, int]:
    """Return the store that all ranks share, this rank's number and their count."""
    from torch.distributed.rendezvous import rendezvous

    found: tuple[Any, int, int] = next(rendezvous("env://"))
    return found


@cache
def _object_group() -> Any:
    """Return the group for objects; `join` creates it on all ranks at once."""
    return _distributed().new_group(backend="gloo", timeout=PATIENCE)


def _leave() -> None:
    _on_terminate(signal.SIG_DFL)
    if _joined():
        _object_group.cache_clear()
        _distributed().destroy_process_group()


def _on_terminate(handler: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _raise_on_signal(number: int, frame: Any) -> None:
    """Turn the launcher's signal into an error, which is recorded in the run's folder."""
    signal.signal(number, signal.SIG_IGN)
    raise TrainingError(f"ended from outside ({signal.Signals(number).name})")
