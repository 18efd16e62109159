"""What `toolkit.runner.on_ray` needs of Ray, by threads of this process."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from toolkit.runner.on_ray.cluster import Cluster
from toolkit.runner.on_ray.group import Group
from toolkit.runner.on_ray.worker import Place, Worker


class Actor:
    """A worker whose methods have `.remote`."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.worker, self.pool = Worker(), pool

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.worker, name)
        return SimpleNamespace(remote=lambda *given: self.pool.submit(method, *given))


def get(found: Any) -> Any:
    """Return what a call, or each of several, has returned; other values are themselves."""
    if isinstance(found, list):
        return [get(one) for one in found]
    return found.result() if isinstance(found, Future) else found


def waited(found: list[Future[Any]], timeout: float) -> tuple[list[Any], list[Any]]:
    """Return the calls that have returned, and the others."""
    done, rest = wait(found, timeout, FIRST_COMPLETED)
    return list(done), list(rest)


NODE = {"NodeID": "0", "NodeManagerAddress": "127.0.0.1", "Alive": True, "Resources": {"CPU": 2.0}}


@contextmanager
def connected(spec: Any) -> Iterator[Cluster]:
    """Stand in for `cluster.connected`."""
    exceptions = SimpleNamespace(RayError=RuntimeError)
    ray = SimpleNamespace(get=get, wait=waited, put=lambda value: value, nodes=lambda: [NODE],
                          exceptions=exceptions, __version__="0")  # fmt: skip
    yield Cluster(ray, "local")


@contextmanager
def placed(cluster: Cluster, spec: Any, paths: Sequence[str]) -> Iterator[Group]:
    """Stand in for `group.placed`: workers that see none of the paths that they are asked for."""
    with ThreadPoolExecutor(8) as pool:
        actors = [Actor(pool) for _ in range(spec.workers)]
        place = Place("0", socket.gethostname(), "127.0.0.1", {}, list(paths))
        yield Group(cluster.ray, actors, [place] * len(actors), 1)
