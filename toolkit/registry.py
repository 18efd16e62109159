"""Scenarios by name: listed without importing anything, resolved on `get`.

A plugin enters by the entry-point group `toolkit.plugins`; the built-in ones use the same door.
"""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from toolkit.errors import PluginError, UserError, listing, nearest

if TYPE_CHECKING:
    from toolkit.plugin import Plugin

GROUP = "toolkit.plugins"


@dataclass(frozen=True)
class Entry:
    """One installed name: where it points, and which distribution brought it."""

    name: str
    target: str
    distribution: str
    version: str


def _entry(point: EntryPoint) -> Entry:
    return Entry(point.name, point.value, *_brought_by(point))


def _brought_by(point: EntryPoint) -> tuple[str, str]:
    """Return the name and version of a distribution; what a broken uninstall left has neither."""
    try:
        name, version = (point.dist.name, point.dist.version) if point.dist else (None, None)
    except (KeyError, TypeError):
        name, version = None, None
    return name or "(unknown)", version or ""


def points(group: str) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a group by name; the same one found twice on the path is one."""
    found: dict[str, dict[tuple[str, str], EntryPoint]] = defaultdict(dict)
    for point in entry_points(group=group):
        found[point.name].setdefault((point.value, _brought_by(point)[0]), point)
    return {name: list(found[name].values()) for name in sorted(found)}


def entries() -> list[Entry]:
    """Return every installed scenario, sorted by name, importing none of them."""
    return [_entry(point) for same in points(GROUP).values() for point in same]


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
        sides = " and ".join(f"{e.distribution} ({e.target})" for e in map(_entry, known[name]))
        raise PluginError(f"{kind} {name!r} is brought by {sides}: uninstall one of them.")
    return known[name][0]


def get(name: str) -> type[Plugin[Any]]:
    """Return the plugin class of a scenario, importing it.

    Raises:
        PluginError: unknown or duplicate name, a failing import, a class that is no Plugin, or one
            written for another version of the contract.
    """
    from toolkit.plugin import API_VERSION, Plugin

    point = resolve(GROUP, "scenario", name)
    entry = _entry(point)
    side = f"scenario {name!r} of {entry.distribution} {entry.version} ({entry.target})"
    try:
        found = point.load()
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # whatever a stranger's module does at import
        raise PluginError(f"{side} cannot be imported: {type(error).__name__}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Plugin)):
        raise PluginError(f"{side} is not a subclass of toolkit.Plugin but {found!r}.")
    if found.api_version != API_VERSION:
        raise PluginError(
            f"{side} is written for api_version {found.api_version!r}; this toolkit has "
            f"{API_VERSION}: install a version of {entry.distribution} that fits."
        )
    if found.__abstractmethods__:
        raise PluginError(f"{side} does not define {listing(sorted(found.__abstractmethods__))}.")
    return found


def missing_module(entry: Entry) -> str | None:
    """Return why an entry cannot work, as far as that shows without importing it, or None."""
    package = entry.target.partition(":")[0].partition(".")[0]
    try:
        there = importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        there = False
    return None if there else f"there is no module {package!r}"


def broken(names: Iterable[str] | None = None) -> dict[str, str]:
    """Return scenario -> reason for each one that cannot be used; imports all of them."""
    reasons = {}
    for name in points(GROUP) if names is None else names:
        try:
            get(name)
        except UserError as error:
            reasons[name] = str(error)
    return reasons
