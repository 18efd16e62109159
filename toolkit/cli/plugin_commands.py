"""Commands that installed packages bring (group `toolkit.commands`), imported when called.

An entry's name is the command's, its object a `click.Command` (or a group of them). The toolkit's
own names cannot be taken.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from toolkit import registry
from toolkit.cli.names import COMMANDS
from toolkit.errors import PluginError

if TYPE_CHECKING:
    import click

    from toolkit.registry import Entry

GROUP = "toolkit.commands"


def lines(taken: Container[str]) -> list[tuple[str, str]]:
    """Return (name, who brings it, or why it cannot be called) of every one; imports none.

    Args:
        taken: the toolkit's own names.
    """
    found = []
    for name, same in registry.points(GROUP).items():
        brought = [registry.entry(point) for point in same]
        by = " and ".join(f"{e.distribution} {e.version}".strip() for e in brought)
        if name in taken:
            found.append((name, f"from {by} [never called: the toolkit has one of this name]"))
        elif not callable_by_name(name):
            found.append((name, f"from {by} [cannot be called: no name of a command]"))
        elif len(brought) > 1:
            found.append((name, f"from {by} [brought twice: uninstall one of them]"))
        else:
            wrong = registry.missing_module(brought[0])
            found.append((name, f"from {by}" + (f" [broken: {wrong}]" if wrong else "")))
    return found


def callable_by_name(name: str) -> bool:
    """Return whether a command line can hold the name as one word that is no option."""
    return bool(name) and not name.startswith("-") and not any(c.isspace() for c in name)


def names(taken: Container[str]) -> list[str]:
    """Return the names of the commands that can be called; imports none."""
    return [n for n in registry.points(GROUP) if n not in taken and callable_by_name(n)]


def get(name: str) -> click.Command:
    """Return a command, importing it.

    Raises:
        PluginError: no such command, or several; its import fails, or it is no `click.Command`.
    """
    import click

    kind = registry.KINDS[GROUP]
    point = registry.resolve(GROUP, kind, name)
    found = registry.load(point, kind)
    if not isinstance(found, click.Command):
        what = registry.side(kind, registry.entry(point))
        raise PluginError(f"{what} is no click.Command but {found!r}.")
    return found


def tried(entry: Entry) -> str:
    """Return what a command says of itself, having imported it.

    Raises:
        PluginError: it cannot be called.
    """

    if entry.name in COMMANDS:
        raise PluginError(
            f"{registry.side(registry.KINDS[GROUP], entry)} is never called: the toolkit has a "
            "command of this name"
        )
    if not callable_by_name(entry.name):
        what = registry.side(registry.KINDS[GROUP], entry)
        raise PluginError(f"{what} cannot be called: that is no name of a command")
    return get(entry.name).get_short_help_str(100) or "works"
