"""This process among the others of its run: alone, or one rank of several that a launcher started.

Every function here does nothing but the obvious where the process is alone, so that callers need
not ask. What ranks tell each other goes over gloo (CPU), whatever the model trains on.
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
#: What torchrun (and `accelerate launch`, through it) tells a process about its place.
VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
#: Baselines and the reload check of one rank may take hours; nothing is wrong while others wait.
PATIENCE = timedelta(days=30)


def launched() -> bool:
    """Return whether a launcher started this process as a rank."""
    return all(name in os.environ for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"))


def alone_environment() -> dict[str, str]:
    """Return the environment for a process that this one starts and that is no rank."""
    ours = {*VARIABLES, "GROUP_RANK", "ROLE_RANK", "TORCHELASTIC_USE_AGENT_STORE",
            "TOOLKIT_LAUNCHER"}  # fmt: skip
    return {name: value for name, value in os.environ.items() if name not in ours}


def size() -> int:
    """Return the number of processes of this run."""
    return int(_distributed().get_world_size()) if _joined() else 1


def rank() -> int:
    """Return this process's number, from 0."""
    return int(_distributed().get_rank()) if _joined() else 0


def is_main() -> bool:
    """Return whether this is the process that writes and prints."""
    return rank() == 0


def leads_here() -> bool:
    """Return whether this is the first process on its machine."""
    return size() == 1 or int(os.environ.get("LOCAL_RANK", rank())) == 0


def local_size() -> int:
    """Return the number of processes of this run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", size())) if _joined() else 1


def join(backend: str | None = None, timeout: float | None = None) -> None:
    """Meet the other ranks, where a launcher started several; harmless otherwise.

    Args:
        backend: of the model's collectives (`training.ddp_backend`); None is what the device has.
        timeout: of the model's collectives in seconds (`training.ddp_timeout`).

    Raises:
        ToolkitError: the other ranks do not come.
    """
    if not launched() or _joined():
        return
    share_cores(int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    distributed = _distributed()
    try:
        store, number, processes = _meeting()
        distributed.init_process_group(
            backend,
            store=store,
            rank=number,
            world_size=processes,
            timeout=None if timeout is None else timedelta(seconds=timeout),
        )
        _talk()
    except (distributed.DistError, RuntimeError, ValueError) as error:
        where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise ToolkitError(
            f"rank {os.environ['RANK']} of {os.environ['WORLD_SIZE']} did not meet the others at "
            f"{where}: {error}"
        ) from error
    atexit.register(_leave)
    _on_terminate(_ended)


def share_cores(processes: int) -> None:
    """Give this process its share of the cores, unless OMP_NUM_THREADS says otherwise.

    Ranks that each use every core slow each other down many times over.
    """
    if "OMP_NUM_THREADS" in os.environ:
        return
    import torch

    threads = max(1, cores() // processes)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def broadcast_object(value: T) -> T:
    """Return rank 0's value on every rank."""
    if size() == 1:
        return value
    box = [value]
    _distributed().broadcast_object_list(box, src=0, group=_talk())
    return box[0]


def gather_object(value: T) -> list[T] | None:
    """Return every rank's value on rank 0, in order of rank; None on the others."""
    if size() == 1:
        return [value]
    box: list[Any] | None = [None] * size() if is_main() else None
    _distributed().gather_object(value, box, dst=0, group=_talk())
    return box


def all_gather_object(value: T) -> list[T]:
    """Return every rank's value on every rank, in order of rank."""
    if size() == 1:
        return [value]
    box: list[Any] = [None] * size()
    _distributed().all_gather_object(box, value, group=_talk())
    return box


def broadcast_weights(model: Any) -> None:
    """Give every rank the weights that rank 0 has.

    Where machines share no folder, the best checkpoint is on the first one alone, and the others
    would go on with the weights of the last step.
    """
    if size() > 1:
        for tensor in [*model.parameters(), *model.buffers()]:
            _distributed().broadcast(tensor.data, src=0)


def barrier() -> None:
    """Wait for all ranks, however long they take."""
    if size() > 1:
        _distributed().barrier(group=_talk())


def give_up() -> None:
    """Make ready to exit after a failure: others may wait for this rank, it waits for none."""
    atexit.unregister(_leave)
    _on_terminate(signal.SIG_DFL)


def is_first_to_fail() -> bool:
    """Return whether no other rank has said yet that it failed; say so of this one."""
    if not _joined():
        return int(os.environ["RANK"]) == 0
    try:
        return int(_meeting()[0].add("toolkit/failed", 1)) == 1
    except RuntimeError:  # the machine that holds the store is gone
        return True


def _joined() -> bool:
    # Whoever has joined has imported torch; listing commands must not.
    return "torch" in sys.modules and _distributed().is_available() and _initialized()


def _initialized() -> bool:
    return bool(_distributed().is_initialized())


def _distributed() -> Any:
    import torch.distributed

    return torch.distributed


@cache
def _meeting() -> tuple[Any, int, int]:
    """Return the store that all ranks share, this rank's number and their count."""
    from torch.distributed.rendezvous import rendezvous

    found: tuple[Any, int, int] = next(rendezvous("env://"))
    return found


@cache
def _talk() -> Any:
    """Return the group for what ranks tell each other; made by all ranks at once, in `join`."""
    return _distributed().new_group(backend="gloo", timeout=PATIENCE)


def _leave() -> None:
    _on_terminate(signal.SIG_DFL)
    if _joined():
        _talk.cache_clear()
        _distributed().destroy_process_group()


def _on_terminate(handler: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _ended(number: int, frame: Any) -> None:
    """Turn the launcher's signal into an error, so that the run's folder says how it ended."""
    signal.signal(number, signal.SIG_IGN)
    raise TrainingError(f"ended from outside ({signal.Signals(number).name})")
