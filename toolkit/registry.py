"""What installed packages provide, by name: listed without imports, loaded when needed.

Scenarios are found by the entry-point group `toolkit.plugins`, the built-in ones too. `KINDS` has
the other groups.
"""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import Any

from toolkit.errors import PluginError, UserError
from toolkit.utils.text import listing, nearest

GROUP = "toolkit.plugins"
#: Entry-point group -> what an entry of it is.
KINDS = {
    GROUP: "scenario",
    "toolkit.models": "model",
    "toolkit.data": "data source",
    "toolkit.metrics": "metric",
    "toolkit.commands": "command",
}


@dataclass(frozen=True)
class Entry:
    """One entry point: its name, its target, and the distribution that has it."""

    name: str
    target: str
    distribution: str
    version: str

    @property
    def package(self) -> str:
        """The top-level package of the target."""
        return self.target.partition(":")[0].partition(".")[0]


def entry(point: EntryPoint) -> Entry:
    """Return what is known of an entry point without importing it."""
    try:
        name, version = (point.dist.name, point.dist.version) if point.dist else (None, None)
    except Exception:  # a METADATA file may hold anything, see `damaged`
        name, version = None, None
    # A broken uninstall leaves a distribution without name and version.
    return Entry(point.name, point.value, name or "(unknown)", version or "")


def points(group: str) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a group by name; the same one found twice on the path is one."""
    found: dict[str, dict[tuple[str, str], EntryPoint]] = defaultdict(dict)
    for point in _readable(group):
        found[point.name].setdefault((entry(point).distribution, point.value), point)
    return {name: [found[name][by] for by in sorted(found[name])] for name in sorted(found)}


def _readable(group: str) -> list[EntryPoint]:
    try:
        return list(entry_points(group=group))
    except Exception:  # one damaged distribution breaks it for all: leave that one out
        found: dict[str, list[EntryPoint]] = {}
        for place, distribution in _metadata_folders():
            with suppress(Exception):
                found.setdefault(place, list(distribution.entry_points))
        return [point for same in found.values() for point in same if point.group == group]


def _metadata_folders() -> Iterator[tuple[str, Distribution]]:
    """Yield the name of the metadata folder of every distribution, and the distribution."""
    for distribution in distributions():
        yield str(getattr(getattr(distribution, "_path", None), "name", "(unknown)")), distribution


def damaged() -> dict[str, str]:
    """Return the metadata folder of each distribution that cannot be read -> why."""
    found = {}
    for place, distribution in _metadata_folders():
        try:
            list(distribution.entry_points)
            distribution.read_text("METADATA")
        except Exception as error:  # whatever such files may hold
            found[place] = f"its metadata cannot be read: {type(error).__name__}: {error}"
    return found


def entries(group: str = GROUP) -> list[Entry]:
    """Return all entries of a group (scenarios), sorted by name, importing nothing."""
    return [entry(point) for same in points(group).values() for point in same]


def resolve(group: str, name: str) -> EntryPoint:
    """Return the one entry point of that name in a group.

    Raises:
        PluginError: no such name (with the nearest and all names), or more than one (with the
            distributions that have it).
    """
    kind, known = KINDS[group], points(group)
    if name not in known:
        raise PluginError(
            f"there is no {kind} {name!r}.{nearest(name, known)} Installed: {listing(known)}."
        )
    if len(known[name]) > 1:
        sides = " and ".join(f"{e.distribution} ({e.target})" for e in map(entry, known[name]))
        raise PluginError(f"{kind} {name!r} is installed twice, by {sides}: uninstall one of them.")
    return known[name][0]


def describe(group: str, entry: Entry) -> str:
    """Return how messages name an entry: its name, distribution, version and target."""
    by = f"{entry.distribution} {entry.version}".strip()
    return f"{KINDS[group]} {entry.name!r} of {by} ({entry.target})"


def load(point: EntryPoint) -> Any:
    """Return the object of an entry point, importing its module.

    Raises:
        PluginError: its import fails; the message has its name and distribution.
    """
    try:
        return point.load()
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # a module may raise anything at import
        what = f"cannot be imported: {type(error).__name__}: {error}"
        raise PluginError(f"{describe(point.group, entry(point))} {what}") from error


def find_package(entry: Entry) -> ModuleSpec | None:
    """Return where the top-level package of an entry is, without importing it; None if nowhere."""
    try:
        return importlib.util.find_spec(entry.package)
    except (ImportError, ValueError):
        return None


def missing_module(entry: Entry) -> str | None:
    """Return why an entry cannot work, as far as that shows without importing it, or None."""
    return None if find_package(entry) else f"there is no module {entry.package!r}"
