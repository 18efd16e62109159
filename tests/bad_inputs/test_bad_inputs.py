"""Every bad input ends with one message that names the place, and exit code 2.

Most are handed to the functions behind the command; each tenth, and what concerns other commands,
goes through the command line.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from bad_inputs import (
    command_lines,
    model_folders,
    overrides,
    pictures,
    questions,
    recipes,
    run_folders,
    tables,
    transactions,
    translations,
)
from bad_inputs.case import Case, filled, write

from toolkit.cli import check_command
from toolkit.cli.main import message, outcome
from toolkit.errors import UserError
from toolkit.recipe.library import find_recipe
from toolkit.recipe.overrides import overrides as changes_of
from toolkit.runner.prepare import prepare

KINDS = {
    "recipe": recipes.CASES,
    "override": overrides.CASES,
    "table": tables.CASES,
    "picture": pictures.CASES,
    "transaction": transactions.CASES,
    "question": questions.CASES,
    "translation": translations.CASES,
    "model": model_folders.CASES,
    "run": run_folders.CASES,
    "command": command_lines.CASES,
}
ALL = [
    pytest.param(case, id=f"{kind}: {case.name}") for kind, cases in KINDS.items() for case in cases
]
TENTH = 10  # of those that a function can be asked for, one goes through the whole command line
BY_COMMAND = [
    param for number, param in enumerate(ALL)
    if number % TENTH == 0 or param.id.startswith("command")
    or param.values[0].command[0] != "check" or "--seed" in param.values[0].command
]  # fmt: skip
BY_FUNCTION = [param for param in ALL if param not in BY_COMMAND]
# Where libraries are imported first, a process of its own takes seconds.
APART = [
    pytest.param(*param.values, id=param.id, marks=[] if param.id.startswith(("recipe", "command"))
                 else pytest.mark.slow)
    for param in ALL if param.values[0].apart
]  # fmt: skip
UNSEEN = re.compile("[^\\S \n]|[\0-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(autouse=True)
def _converted_files_stay_here(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def made(tmp_path, tiny_model, monkeypatch):
    """Make a case's files and go there; return what fills its words."""

    def make(case: Case) -> dict[str, str]:
        here = tmp_path / "outer" / "here"
        here.mkdir(parents=True)
        (here / ".model").symlink_to(tiny_model)
        words = {"model": str(tiny_model), "here": str(here)}
        write(here, case.files, words)
        for name, value in case.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(here)
        return words

    return make


def everything(folder: Path) -> set[str]:
    """Return all that stands below a folder, links not followed."""
    return {
        str(Path(base, name).relative_to(folder))
        for base, folders, files in os.walk(folder)
        for name in [*folders, *files]
    }


def check_message(case: Case, said: str, words: dict[str, str]) -> None:
    """One message that names the place and what is wrong, and nothing that a terminal obeys."""
    assert "Traceback" not in said
    assert len(re.findall(r"^(Error|Failed|Warning|interrupted)\b", said, re.M)) == 1, said
    assert re.search(r"^Error: ", said, re.M), said
    assert not UNSEEN.search(said), repr(said)
    assert len(said) < 20_000, f"{len(said):,} characters"
    for fragment in (case.place, *case.says):
        assert filled(fragment, words) in said, said


@pytest.mark.parametrize("case", BY_COMMAND)
def test_one_message_and_exit_code_two(case, made, capsys, tmp_path):
    words = made(case)
    before = everything(tmp_path / "outer")
    code = outcome([filled(word, words) for word in case.command])
    shown = capsys.readouterr()
    assert code == 2, shown.err
    check_message(case, shown.err, words)
    assert not shown.out or case.command[0] == "show"
    assert everything(tmp_path / "outer") == before


@pytest.mark.parametrize("case", BY_FUNCTION)
def test_a_recipe_or_its_rows_are_refused(case, made, capsys, tmp_path):
    words = made(case)
    before = everything(tmp_path / "outer")
    with pytest.raises(UserError) as wrong:
        resolved_and_read([filled(word, words) for word in case.command])
    assert wrong.value.exit_code == 2
    check_message(case, message(wrong.value), words)
    assert capsys.readouterr() == ("", "")
    assert everything(tmp_path / "outer") == before


def resolved_and_read(command):
    """Do what `check` does: resolve the recipe and read its rows."""
    given = check_command.command.make_context("check", command[1:]).params
    asked = (given[name] for name in ("data", "model", "method", "settings", "seed"))
    prepare(find_recipe(given["recipe"], changes_of(*asked)))


@pytest.mark.parametrize("case", APART)
def test_the_same_in_a_process_of_its_own(case, made):
    words = made(case)
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", *(filled(word, words) for word in case.command)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    check_message(case, done.stderr, words)


def test_there_are_enough_of_them_and_no_two_are_the_same():
    tried = {(kind, case.name) for kind, cases in KINDS.items() for case in cases}
    assert len(tried) == len(ALL) >= 150
