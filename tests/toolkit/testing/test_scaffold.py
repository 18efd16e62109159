"""`toolkit plugin new`: names that cannot be, and packages that run and pass the kit untouched."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from toolkit.cli.main import outcome
from toolkit.errors import UserError
from toolkit.testing import scaffold
from toolkit.testing.conformance import CHECKS
from toolkit.testing.subject import Subject

STARTS = list(scaffold.starts())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("TicketUrgency", "such as 'ticket-urgency'"),
        ("ticket_urgency", "such as 'ticket-urgency'"),
        ("../escape", "such as 'escape'"),
        ("-x", "such as 'x'"),
        ("7", "such as 'my-scenario'"),
        ("", "such as 'my-scenario'"),
        ("a" * 61, "60 characters at most"),
        ("text-classification", "taken by a scenario of finetune-toolkit"),
        ("torch", "the module 'torch', which Python has already"),
        ("json", "the module 'json'"),
        ("class", "the module 'class'"),
    ],
)
def test_a_name_that_no_package_can_have_is_told(tmp_path, name, said):
    with pytest.raises(UserError, match=re.escape(said)):
        scaffold.make(name, STARTS[0], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_written(tmp_path, capsys):
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("kept")
    code = outcome(["plugin", "new", "Bad Name", "--from", "tabel", "--out", str(full)])
    said = capsys.readouterr().err
    assert code == 2
    assert "3 things are wrong" in said
    assert "Did you mean 'table'?" in said
    assert "holds files already" in said
    assert [path.name for path in full.iterdir()] == ["mine.txt"]


def test_a_file_and_a_folder_that_cannot_be_are_told(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    told = (("file", "is not a folder"), ("link", "is not a folder"), ("file/in", "written"))
    for place, said in told:
        with pytest.raises(UserError, match=said):
            scaffold.make("good-name", STARTS[0], tmp_path / place)


def test_help_tells_what_there_is_to_start_from(capsys):
    assert outcome(["plugin", "new", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for start, what in scaffold.starts().items():
        assert start in said
        assert what in said


@pytest.fixture(params=STARTS)
def made(request, tmp_path, monkeypatch):
    """A new package of each kind, on the path as pip leaves one; its name and folder."""
    name = f"new-{request.param}"
    folder = tmp_path / name
    assert outcome(["plugin", "new", name, "--from", request.param, "--out", str(folder)]) == 0
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    groups = "".join(
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for group, points in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text(groups)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(str(folder))
    yield name, folder
    for module in [m for m in sys.modules if m.split(".")[0] == name.replace("-", "_")]:
        del sys.modules[module]


def test_what_is_made_is_whole_and_passes_the_kit_as_far_as_it_goes_in_this_process(made, tmp_path):
    name, folder = made
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".csv":
            text = path.read_text()
            assert not re.search(r"\$(?!\{\{)", text), f"{path} has a place not filled in"
            assert "package" not in path.relative_to(folder).parts
    assert (folder / ".github" / "workflows" / "tests.yml").is_file()
    plugin = (folder / name.replace("-", "_") / "plugin.py").read_text()
    assert len(plugin.splitlines()) < 120
    if name.endswith("image-classification") and find_spec("PIL") is None:
        pytest.skip("the extra `vision` is not installed")
    subject = Subject(name, name, tmp_path / "kit")
    said = {}
    for check in CHECKS[: [check.name for check in CHECKS].index("run")]:
        if check.name != "listing":  # a process of its own
            said[check.name] = list(check.look(subject))
    assert {key: found for key, found in said.items() if found} == {}
    assert len(said) >= 8


def test_what_is_made_is_as_ruff_would_have_it(tmp_path):
    for number, start in enumerate(STARTS):
        scaffold.make(f"made-{number}", start, tmp_path / start)
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["--select", "E,F,UP,B,C4", "--ignore", "B905"]  # zip() of what is equally long
    for asked in (["check", *rules], ["format", "--check"]):
        done = subprocess.run(
            [*ruff, *asked, "--isolated", "--line-length", "100", str(tmp_path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """An environment of its own, which sees what is installed here: nothing is downloaded."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    seen = [path for path in sys.path if Path(path).name == "site-packages"]
    (site / "seen.pth").write_text(
        "\n".join(f"import site; site.addsitedir({path!r})" for path in seen)
    )
    python = folder / "bin" / "python"
    # Python 3.11 puts one in that is too old for torch, and would hide the one that is installed.
    uninstall = [str(python), "-m", "pip", "uninstall", "-q", "-y", "setuptools"]
    subprocess.run(uninstall, check=True, capture_output=True)
    return python


@pytest.mark.parametrize(
    "start",
    [pytest.param(start, marks=pytest.mark.slow if start == "table" else pytest.mark.nightly)
     for start in STARTS],
)  # fmt: skip
def test_installed_in_a_fresh_environment_its_own_tests_pass(start, fresh, tmp_path):
    """`pip install -e . && pytest`; the kit is run for one of them, the recipe for each."""
    name = f"fresh-{start}"
    folder = tmp_path / name
    scaffold.make(name, start, folder)
    environment = {
        **os.environ,
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the value of its option build_isolation
        "HF_HUB_OFFLINE": "1",
    }
    environment.pop("PYTHONPATH", None)
    only = [] if start == "text-classification" else ["-k", "learns"]
    for command in (["pip", "install", "-e", "."], ["pytest", "-p", "no:cacheprovider", *only]):
        done = subprocess.run(
            [str(fresh), "-m", *command],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
