"""What packages bring, by name: listed without importing anything, resolved on `get`.

A scenario enters by the entry-point group `toolkit.plugins`; the built-in ones use the same door.
The other groups, and what each brings, are in `KINDS`.
"""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import TYPE_CHECKING, Any

from toolkit.errors import PluginError, UserError
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    pass

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
    """One installed name: where it points, and which distribution brought it."""

    name: str
    target: str
    distribution: str
    version: str


def entry(point: EntryPoint) -> Entry:
    """Return what is known of an entry point without importing it."""
    return Entry(point.name, point.value, *_brought_by(point))


def _brought_by(point: EntryPoint) -> tuple[str, str]:
    """Return the name and version of a distribution; what a broken uninstall left has neither."""
    try:
        name, version = (point.dist.name, point.dist.version) if point.dist else (None, None)
    except Exception:  # a METADATA file may hold anything, see `damaged`
        name, version = None, None
    return name or "(unknown)", version or ""


def points(group: str) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a group by name; the same one found twice on the path is one."""
    found: dict[str, dict[tuple[str, str], EntryPoint]] = defaultdict(dict)
    for point in _readable(group):
        found[point.name].setdefault((_brought_by(point)[0], point.value), point)
    return {name: [found[name][by] for by in sorted(found[name])] for name in sorted(found)}


def _readable(group: str) -> list[EntryPoint]:
    try:
        return list(entry_points(group=group))
    except Exception:  # one damaged file ends it for all: without that one, then
        found: dict[str, list[EntryPoint]] = {}
        for place, distribution in _places():
            if not _damage(distribution, entry_points_only=True):
                found.setdefault(place, list(distribution.entry_points))
        return [point for same in found.values() for point in same if point.group == group]


def _places() -> Iterator[tuple[str, Distribution]]:
    """Yield every distribution of the path with the name of its metadata's folder."""
    for distribution in distributions():
        yield str(getattr(getattr(distribution, "_path", None), "name", "(unknown)")), distribution


def _damage(distribution: Distribution, *, entry_points_only: bool = False) -> str:
    try:
        list(distribution.entry_points)
        if not entry_points_only:
            distribution.read_text("METADATA")
    except Exception as error:  # whatever such files may hold
        return f"its metadata cannot be read: {type(error).__name__}: {error}"
    return ""


def damaged() -> dict[str, str]:
    """Return the metadata folder of each distribution that cannot be read -> why."""
    found = {place: _damage(distribution) for place, distribution in _places()}
    return {place: why for place, why in found.items() if why}


def entries(group: str = GROUP) -> list[Entry]:
    """Return all that is installed of a group (scenarios), sorted by name, importing nothing."""
    return [entry(point) for same in points(group).values() for point in same]


def resolve(group: str, kind: str, name: str) -> EntryPoint:
    """Return the one entry point of that name in a group.

    Raises:
        PluginError: no such name (with the nearest and all names), or more than one (with the
            distributions that bring it).
    """
    known = points(group)
    if name not in known:
        raise PluginError(
            f"there is no {kind} {name!r}.{nearest(name, known)} Installed: {listing(known)}."
        )
    if len(known[name]) > 1:
        sides = " and ".join(f"{e.distribution} ({e.target})" for e in map(entry, known[name]))
        raise PluginError(f"{kind} {name!r} is brought by {sides}: uninstall one of them.")
    return known[name][0]


def side(kind: str, brought: Entry) -> str:
    """Return how messages call an entry: its name, distribution, version and target."""
    by = f"{brought.distribution} {brought.version}".strip()
    return f"{kind} {brought.name!r} of {by} ({brought.target})"


def load(point: EntryPoint, kind: str) -> Any:
    """Return the object of an entry point, importing its module.

    Raises:
        PluginError: whatever its import raises, with its name and distribution.
    """
    try:
        return point.load()
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # whatever a stranger's module does at import
        what = f"cannot be imported: {type(error).__name__}: {error}"
        raise PluginError(f"{side(kind, entry(point))} {what}") from error


def missing_module(entry: Entry) -> str | None:
    """Return why an entry cannot work, as far as that shows without importing it, or None."""
    package = entry.target.partition(":")[0].partition(".")[0]
    try:
        there = importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        there = False
    return None if there else f"there is no module {package!r}"
