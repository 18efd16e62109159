"""`--help` of all commands: each says what it does, and what each option is."""

from __future__ import annotations

import click
import pytest

from toolkit.cli import COMMANDS
from toolkit.cli.main import cli


def commands(group, path=()):
    """Yield (words, command) of a group's commands, and of those below them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        yield (*path, name), found
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))


ALL = {" ".join(words): command for words, command in commands(cli)}


def test_all_commands_are_looked_at():
    assert set(COMMANDS) < set(ALL)
    assert "plugin new" in ALL


@pytest.mark.parametrize("name", ALL)
def test_a_command_says_what_it_does_in_one_line(name):
    first = (ALL[name].help or "").partition("\n\n")[0]
    assert first.endswith(".")
    assert len(first) <= 80


@pytest.mark.parametrize("name", ALL)
def test_each_option_says_what_it_is(name):
    options = [one for one in ALL[name].params if isinstance(one, click.Option)]
    assert [one.name for one in options if not (one.help or "").endswith(".")] == []
