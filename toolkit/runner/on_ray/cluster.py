"""A Ray cluster: connected to or started here, and whether it has what is asked for."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from toolkit.errors import Fault, ToolkitError, UserError
from toolkit.runner.on_ray.spec import CLIENT, RaySpec
from toolkit.utils import distributed
from toolkit.utils.packages import extra

CONNECT_SECONDS = 15
STARTS = 4  # of a cluster here, until it is up
STORE = 512 << 20  # bytes of the object store of a cluster that is started here
#: Of a cluster that is started here.
OWN = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # one machine alone: its nodes listen on loopback
    "RAY_worker_niceness": "0",  # by default 15: behind whatever else the machine does
    "RAY_gcs_rpc_server_connect_timeout_s": "30",  # on a busy machine its parts start slowly
    "RAY_gcs_rpc_server_reconnect_timeout_s": "300",
}


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, and what it has in all."""

    id: str
    address: str
    cpus: float
    gpus: float

    def holds(self, cpus: float, gpus: float) -> int:
        """Return how many workers of that size it has room for."""
        return int(min(self.cpus // cpus, self.gpus // gpus if gpus else self.cpus // cpus))


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to. address: "local" for one of its own."""

    ray: Any
    address: str

    def nodes(self) -> list[Node]:
        """Return the machines that are alive."""
        return [
            Node(one["NodeID"], one["NodeManagerAddress"], one["Resources"].get("CPU", 0.0),
                 one["Resources"].get("GPU", 0.0))
            for one in self.ray.nodes() if one["Alive"]
        ]  # fmt: skip

    def sized(self, spec: RaySpec) -> RaySpec:
        """Return what is asked for with all its numbers, as the cluster has room for it.

        Raises:
            UserError: it has not, with what there is.
        """
        nodes = self.nodes()
        gpus = spec.gpus
        if gpus is None:
            gpus = float(any(node.gpus >= 1 for node in nodes))
        workers = (
            spec.workers or (int(sum(node.gpus // gpus for node in nodes)) if gpus else 0) or 1
        )
        cpus = spec.cpus or _share(nodes, workers, gpus)
        room = sum(node.holds(cpus, gpus) for node in nodes)
        if room < workers:
            there = f"{_amount(nodes, 'cpus')} processors and {_amount(nodes, 'gpus')} GPUs"
            each = f"{cpus:g} processors" + (f" and {gpus:g} GPUs" if gpus else "")
            raise UserError(
                f"--workers {workers} with {each} each: the cluster has {there} on {len(nodes)} "
                f"node(s), room for {room}"
            )
        return replace(spec, workers=workers, cpus=cpus, gpus=gpus)


def _share(nodes: Sequence[Node], workers: int, gpus: float) -> float:
    """Return the most whole processors that each worker can have; 1 where not even one fits."""
    most = int(max((node.cpus for node in nodes), default=1))
    fits = (n for n in range(most, 0, -1) if sum(node.holds(n, gpus) for node in nodes) >= workers)
    return float(next(fits, 1))


def _amount(nodes: Sequence[Node], what: str) -> str:
    return f"{sum(getattr(node, what) for node in nodes):g}"


@contextmanager
def connected(spec: RaySpec) -> Iterator[Cluster]:
    """Connect to the cluster, or start one here for as long as the block lasts.

    Raises:
        UserError: ray is not installed, or nothing answers at the address.
        ToolkitError: none can be started here.
    """
    address = spec.address
    local = address == "local"
    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", **(OWN if local else {})})
    ray = _imported()
    if ray.is_initialized():  # by who calls us
        yield Cluster(ray, address)
        return
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    with tempfile.TemporaryDirectory(prefix="tk-", ignore_cleanup_errors=True) as folder:
        _start(ray, address, Path(folder))
        _restore(handlers)
        try:
            yield Cluster(ray, address)
        finally:
            ray.shutdown()


def _start(ray: Any, address: str, folder: Path) -> None:
    """Connect to a cluster, or start one, again where its parts do not come up within seconds.

    Ray waits 30 seconds for them, which a busy machine may exceed when files are read first.
    """
    for left in reversed(range(STARTS if address == "local" else 1)):
        try:
            _start_once(ray, address, folder)
        except UserError:
            raise
        except ImportError as error:  # ray:// alone needs grpcio
            advice = "install it with pip install 'ray[client]'"
            raise UserError(f"{address}: {error}; {advice}") from error
        except Exception as error:  # whatever it raises: RuntimeError, ConnectionError, ValueError
            ray.shutdown()
            _end_parts(folder)
            what = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            if address != "local":
                raise UserError(f"no Ray cluster at {address}: {what}") from error
            if not left:
                raise ToolkitError(f"no Ray cluster can be started here: {what}") from error
        else:
            return


def _end_parts(folder: Path) -> None:
    """End what a start has left that did not succeed; Ray would at the end of this process."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any(str(folder) in part for part in child.cmdline()):
                child.kill()


def _start_once(ray: Any, address: str, folder: Path) -> None:
    debug = bool(os.environ.get("TOOLKIT_DEBUG"))
    common = {"log_to_driver": debug, "configure_logging": debug}
    if not debug:
        logging.getLogger("ray").setLevel(logging.CRITICAL)
    if address == "local":
        ray.init("local", num_cpus=distributed.cores(), include_dashboard=False,
                 object_store_memory=STORE, _temp_dir=str(folder), **common)  # fmt: skip
    else:
        _require_answer(address)
        ray.init(address, **common)


def _require_answer(address: str) -> None:
    """Raise UserError where nothing listens: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix(CLIENT).rpartition(":")
    if not colon or not port.isdecimal():  # "auto", or a name of a cluster's launcher
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"no Ray cluster at {address}: {error} (`ray start --head` on its first machine prints "
            "its address; without RAY_ADDRESS a cluster is started here)"
        ) from error


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    """Put back what Ctrl-C does here, where Ray has set its own."""
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _imported() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UserError(
            Fault("--on ray", f"ray is not installed ({error}): {extra('cluster')}")
        ) from error
