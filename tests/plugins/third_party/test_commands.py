"""Commands that other packages bring: listed without an import, run like the toolkit's own."""

from __future__ import annotations

import sys

import pytest

from toolkit.cli.main import cli, outcome
from toolkit.cli.plugin_commands import GROUP
from toolkit.testing import isolation

MODULE = """
import click
from toolkit.errors import DataError

@click.command("whatever")
@click.argument("what")
@click.option("--times", default=1)
def command(what, times):
    \"\"\"Say something.\"\"\"
    if what == "wrong":
        raise DataError("that is no thing to say")
    click.echo(" ".join([what] * times))

@click.group()
def several():
    \"\"\"Several at once.\"\"\"

@several.command()
def inner():
    click.echo("from inside")

def plain():
    pass
"""


@pytest.fixture
def speaking(site):
    """Commands that work, and every kind that does not."""
    site.add(
        "speaking-dist",
        {GROUP: {
            "say": "speaking_commands:command", "many": "speaking_commands:several",
            "plain": "speaking_commands:plain", "run": "speaking_commands:command",
            "--odd": "speaking_commands:command",
        }},
        {"speaking_commands.py": MODULE},
    )  # fmt: skip
    site.add("raising-dist", {GROUP: {"fails": "failing_commands:x"}},
             {"failing_commands.py": "raise RuntimeError('boom')"})  # fmt: skip
    for side in ("one", "other"):
        site.add(f"{side}-dist", {GROUP: {"twice": "no_such_commands:x"}}, {})
    return site


def test_help_lists_them_apart_with_their_distribution(speaking, capsys):
    assert outcome(["--help"]) == 0
    own, _, others = capsys.readouterr().out.partition("Commands of installed packages:\n")
    shown = [line.split(maxsplit=1) for line in others.splitlines()]
    assert ["say", "from speaking-dist 1.0"] in shown
    assert ["fails", "from raising-dist 1.0"] in shown
    assert "\n  say" not in own
    flat = " ".join(others.split())
    assert "run from speaking-dist 1.0 [never called: the toolkit has a command of this" in flat
    assert "twice from one-dist 1.0 and other-dist 1.0 [installed twice" in flat
    assert "speaking_commands" not in sys.modules
    assert "failing_commands" not in sys.modules


def test_without_any_there_is_no_section(capsys):
    assert outcome(["--help"]) == 0
    assert "Commands of installed packages" not in capsys.readouterr().out


def test_they_run_with_options_help_and_groups(speaking, capsys):
    assert outcome(["say", "hello", "--times", "2"]) == 0
    assert capsys.readouterr().out == "hello hello\n"
    assert "failing_commands" not in sys.modules
    assert outcome(["many", "inner"]) == 0
    assert capsys.readouterr().out == "from inside\n"
    assert outcome(["say", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "toolkit say" in shown
    assert "Say something." in shown


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["say", "wrong"], 2, "Error: that is no thing to say"),
        (["say"], 2, "Missing argument 'WHAT'"),
        (["sya", "x"], 2, "No such command 'sya'. Did you mean 'say'?"),
        (["fails"], 2, "Error: command 'fails' of raising-dist 1.0 (failing_commands:x) cannot be "
                       "imported: RuntimeError: boom"),
        (["fails", "--help"], 2, "cannot be imported: RuntimeError: boom"),
        (["plain"], 2, "command 'plain' of speaking-dist 1.0 (speaking_commands:plain) is no "
                       "click.Command but <function plain"),
        (["twice"], 2, "command 'twice' is installed twice, by one-dist (no_such_commands:x) "
                       "and other-dist (no_such_commands:x): uninstall one of them."),
        (["run", "no-such-recipe"], 2, "there is no recipe 'no-such-recipe'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_message(speaking, capsys, arguments, code, said):
    assert outcome(arguments) == code
    assert said in capsys.readouterr().err


def test_the_shell_completes_them_without_an_import(speaking, capsys, monkeypatch):
    monkeypatch.setenv("COMP_WORDS", "toolkit ")
    monkeypatch.setenv("COMP_CWORD", "1")
    monkeypatch.setenv("_TOOLKIT_COMPLETE", "bash_complete")
    with pytest.raises(SystemExit):
        cli.main([], prog_name="toolkit")
    offered = capsys.readouterr().out.splitlines()
    assert {"plain,say", "plain,fails", "plain,doctor"} <= set(offered)
    assert offered.count("plain,run") == 1
    assert "speaking_commands" not in sys.modules


def test_each_is_tried(speaking):
    found = {t.entry.name: t for t in isolation.everything(60.0) if t.group == GROUP}
    assert found["say"].good
    assert found["say"].detail == "Say something."
    said = {name: tried.detail for name, tried in found.items() if not tried.good}
    assert said.keys() == {"fails", "plain", "run", "--odd", "twice"}
    assert "never called: the toolkit has a command of this name" in said["run"]
    assert "that is no name of a command" in said["--odd"]
    assert "RuntimeError: boom" in said["fails"]
