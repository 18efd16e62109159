"""Commands of installed packages (entry points `toolkit.commands`), imported when called.

The entry point's name is the command's, its object a `click.Command` or group. It cannot have the
name of one of the toolkit's own commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit import registry
from toolkit.cli import COMMANDS
from toolkit.errors import PluginError

if TYPE_CHECKING:
    import click

    from toolkit.registry import Entry

GROUP = "toolkit.commands"


def lines() -> list[tuple[str, str]]:
    """Return (name, its package or why it cannot be called) of every command; imports none."""
    found = []
    for name, same in registry.points(GROUP).items():
        entries = [registry.entry(point) for point in same]
        broken = registry.missing_module(entries[0])
        problem = _unusable(name)
        if not problem and len(entries) > 1:
            problem = "installed twice: uninstall one of them"
        elif not problem and broken:
            problem = f"broken: {broken}"
        by = " and ".join(f"{e.distribution} {e.version}".strip() for e in entries)
        found.append((name, f"from {by} [{problem}]" if problem else f"from {by}"))
    return found


def _unusable(name: str) -> str:
    """Return why no command can be called by a name; "" where one can."""
    if name in COMMANDS:
        return "never called: the toolkit has a command of this name"
    one_word = name and not name.startswith("-") and not any(c.isspace() for c in name)
    return "" if one_word else "cannot be called: that is no name of a command"


def names() -> list[str]:
    """Return the names of the commands that can be called; imports none."""
    return [name for name in registry.points(GROUP) if not _unusable(name)]


def get(name: str) -> click.Command:
    """Return a command, importing it.

    Raises:
        PluginError: no such command, or several; its import fails, or it is no `click.Command`.
    """
    import click

    point = registry.resolve(GROUP, name)
    found = registry.load(point)
    if not isinstance(found, click.Command):
        what = registry.describe(GROUP, registry.entry(point))
        raise PluginError(f"{what} is no click.Command but {found!r}.")
    return found


def describe_command(entry: Entry) -> str:
    """Import a command and return its short help.

    Raises:
        PluginError: it cannot be called.
    """
    if problem := _unusable(entry.name):
        raise PluginError(f"{registry.describe(GROUP, entry)}: {problem}")
    return get(entry.name).get_short_help_str(100) or "works"
