"""The workers of one attempt: placed on the cluster, compared, started, followed to their end."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from toolkit.errors import Fault, ToolkitError, UserError
from toolkit.runner.on_ray.cluster import Cluster
from toolkit.runner.on_ray.files import Bundle
from toolkit.runner.on_ray.spec import RaySpec
from toolkit.runner.on_ray.worker import News, Place, Rank, Worker, is_loss, rank_environment
from toolkit.utils import hardware

INTERRUPTED = 130  # the exit code of a rank that a signal has ended
PLACE_SECONDS = 60.0  # in which the cluster must have room
#: Seconds after the first rank has failed: until then others end by themselves, then by a signal.
LAST_WORDS = ((5.0, signal.SIGTERM), (20.0, signal.SIGKILL))
Show = Callable[[int, int, bytes], None]


@dataclass
class Outcome:
    """How the ranks of an attempt ended: exit codes, what they said, and why workers were lost."""

    codes: dict[int, int] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    lost: dict[int, str] = field(default_factory=dict)
    run: str | None = None

    @property
    def failed(self) -> bool:
        """Whether a rank has failed so far."""
        return bool(self.lost) or any(self.codes.values())

    @property
    def broken(self) -> bool:
        """Whether one has failed but by a signal to all, after which each ends by itself."""
        return bool(self.lost) or any(code not in (0, INTERRUPTED) for code in self.codes.values())

    @property
    def replaceable(self) -> str:
        """Which worker was ended from outside, and may be replaced; "" if none was."""
        killed = {rank: f"its process was ended by {signal.Signals(-code).name}"
                  for rank, code in self.codes.items() if is_loss(code)}  # fmt: skip
        rank, why = next(iter(sorted({**killed, **self.lost}.items())), (0, ""))
        return f"worker {rank} was lost ({why})" if why else ""


@dataclass
class Group:
    """Actors in order of rank, and where each is."""

    ray: Any
    actors: Sequence[Any]
    places: Sequence[Place]
    threads: int

    def lacking(self, path: str) -> list[str]:
        """Return the nodes that do not see a path."""
        return sorted({f"{p.host} ({p.address})" for p in self.places if path in p.missing})

    def unpack(self, bundle: Bundle) -> str:
        """Return where a bundle's files are on all nodes, once they are there.

        Raises:
            ToolkitError: nodes keep temporary files in different folders.
        """
        sent = self.ray.put(bundle)
        found = set(self.ray.get([actor.unpack.remote(sent) for actor in self.actors]))
        if len(found) > 1:
            raise ToolkitError(f"nodes differ in TMPDIR: {', '.join(sorted(found))}")
        return str(found.pop())

    def fetch(self, name: str, url: str) -> Path:
        """Return the run's folder on all nodes, as it was copied to a storage last."""
        pairs = reversed([*zip(self.places, self.actors, strict=True)])
        first = {(place.host, place.address): actor for place, actor in pairs}
        asked = [one.fetch.remote(name, url) for one in first.values()]
        found: list[Path] = self.ray.get(asked)
        return found[0]

    def start(self, rank: Rank) -> None:
        """Start all ranks with the same arguments; the first copies the run's folder, if any."""
        machines = [(place.host, place.address) for place in self.places]
        alone = len(set(machines)) == 1
        port = self.ray.get(self.actors[0].free_port.remote())
        master = ("127.0.0.1" if alone else self.places[0].address, port)
        started = []
        for number, actor in enumerate(self.actors):
            here = machines[number]
            own = rank_environment(number, machines[:number].count(here), len(machines),
                                   machines.count(here), master)  # fmt: skip
            given = {"OMP_NUM_THREADS": str(self.threads), **rank.environment, **own}
            copied = None if number else rank.copied
            started.append(actor.start.remote(replace(rank, environment=given, copied=copied)))
        self.ray.get(started)

    def follow(self, show: Show, stop: Callable[[], bool]) -> Outcome:
        """Wait until all ranks have ended, and return how.

        Args:
            show: is given rank, stream and what was written there. stop: whether they are to stop
                after their step.
        """
        outcome, asked, ending = Outcome(), False, list(LAST_WORDS)
        since: float | None = None
        waiting = {actor.news.remote(): rank for rank, actor in enumerate(self.actors)}
        while waiting:
            done, _ = self.ray.wait(list(waiting), timeout=1.0)
            for reference in done:
                rank = waiting.pop(reference)
                if self._take(outcome, rank, reference, show):
                    waiting[self.actors[rank].news.remote()] = rank
            if stop() and not asked:
                asked = True
                self._signal(signal.SIGTERM)
            if outcome.broken and since is None:
                since = time.monotonic()
            while since is not None and ending and time.monotonic() - since > ending[0][0]:
                self._signal(ending.pop(0)[1])
        return outcome

    def _take(self, outcome: Outcome, rank: int, reference: Any, show: Show) -> bool:
        """Take in what a rank has to say; return whether it goes on."""
        try:
            news: News = self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            place = self.places[rank]
            outcome.lost[rank] = f"on {place.host}: {_reason(error)}"
            return False
        for stream, part in news.written:
            show(rank, stream, part)
        outcome.run = outcome.run or news.run
        if news.code is None:
            return True
        outcome.codes[rank] = news.code
        if news.note:
            outcome.notes[rank] = news.note
        return False

    def _signal(self, number: int) -> None:
        for actor in self.actors:
            actor.signal.remote(int(number))


@contextmanager
def placed(cluster: Cluster, spec: RaySpec, paths: Sequence[str]) -> Iterator[Group]:
    """Yield workers on nodes that have what the ranks need; they are gone after the block.

    Args:
        spec: with all its numbers, as of `Cluster.sized`. paths: that ranks read and write.

    Raises:
        UserError: packages differ on a node, or the toolkit is not there.
        ToolkitError: others use what the cluster has.
    """
    ray, count = cluster.ray, spec.workers or 1
    from ray.util.placement_group import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    size = {"CPU": spec.cpus or 1.0, **({"GPU": spec.gpus} if spec.gpus else {})}
    room = placement_group([size] * count, strategy="PACK")
    actors: list[Any] = []
    try:
        if not room.wait(PLACE_SECONDS):
            free = ray.available_resources()
            there = ", ".join(f"{free.get(name, 0):g} {name}" for name in size)
            asked = ", ".join(f"{count * amount:g} {name}" for name, amount in size.items())
            raise ToolkitError(
                f"the cluster has no room for {count} workers ({asked}): others use it, and "
                f"{there} are free"
            )
        for place in range(count):
            strategy = PlacementGroupSchedulingStrategy(room, placement_group_bundle_index=place)
            options = {"num_cpus": size["CPU"], "num_gpus": spec.gpus or 0, "max_concurrency": 4,
                       "scheduling_strategy": strategy}  # fmt: skip
            actors.append(ray.remote(Worker).options(**options).remote())
        places = _looked(ray, actors, paths)
        order = sorted(range(count), key=lambda number: (places[number].node, number))
        yield Group(ray, [actors[n] for n in order], [places[n] for n in order],
                    max(1, int(size["CPU"])))  # fmt: skip
    finally:
        with suppress(Exception):  # whatever a cluster raises that is gone
            for actor in actors:
                ray.kill(actor)
            remove_placement_group(room)


def _looked(ray: Any, actors: Sequence[Any], paths: Sequence[str]) -> list[Place]:
    """Return where the workers are; raise UserError where they lack what this process has."""
    try:
        places: list[Place] = ray.get([actor.look.remote(list(paths)) for actor in actors])
    except ray.exceptions.RayError as error:
        text = str(error)
        if "No module named" in text:
            module = text.partition("No module named")[2].split()[0].strip("'\"")
            raise UserError(
                f"the nodes of the cluster lack the package {module!r}: install there what is "
                "installed here (nothing is uploaded)"
            ) from error
        raise
    here = {"python": "{}.{}".format(*sys.version_info), "ray": ray.__version__}
    here |= hardware.packages()
    faults = {
        Fault(f"node {place.host} ({place.address})", f"has {name} {place.packages.get(name)}, "
              f"and {version} is here: install the same")
        for place in places for name, version in here.items()
        if place.packages.get(name) != version
    }  # fmt: skip
    if faults:
        raise UserError(sorted(faults, key=str))
    return places


def _reason(error: Exception) -> str:
    """Return why an actor was lost, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if "node" in line.lower() and "died" in line.lower()]
    return (said or ["the worker's process has ended"])[0][:200]
