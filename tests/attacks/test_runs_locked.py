"""The lock of a run's folder: the operating system says who holds it, and a message tells."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

import pytest
from attacks.small import rows, words

from toolkit.cli.main import outcome
from toolkit.errors import UserError
from toolkit.runs.writer import RunWriter
from toolkit.utils import locks

FORK = multiprocessing.get_context("forkserver")


def hold(folder, says, until):
    """Hold a folder's lock until told."""
    locks.acquire(folder)
    says.set()
    until.wait(60)


def be_another(folder, answer):
    """Try for the lock as a user who may not write there."""
    with tempfile.TemporaryDirectory() as own:  # imports what that user may not be able to read
        locks.acquire(Path(own))
        locks.release(Path(own))
    os.setgid(65534)
    os.setuid(65534)
    try:
        locks.acquire(folder)
        answer.put("locked")
    except (UserError, OSError) as error:
        answer.put(f"{type(error).__name__}: {error}")


@pytest.fixture
def held(tmp_path):
    """A folder whose lock another process holds."""
    folder = tmp_path / "run"
    folder.mkdir()
    says, until = FORK.Event(), FORK.Event()
    process = FORK.Process(target=hold, args=(folder, says, until))
    process.start()
    assert says.wait(60)
    yield folder, process
    until.set()
    process.join()


def test_a_held_one_is_told_before_anything_is_read(held, tmp_path, tiny_model, capsys):
    folder, process = held
    (tmp_path / "empty.csv").touch()
    asked = words(tmp_path / "empty.csv", tiny_model)
    assert outcome(["run", *asked, "--out", str(folder), "--resume"]) == 2
    said = capsys.readouterr().err
    assert f"{folder} is being written by another process ({process.pid}): wait" in said
    # Whatever the file says of its holder, who may have another name by now.
    (folder / locks.NAME).write_text("7\nelsewhere\n")
    with pytest.raises(UserError, match=r"another process \(7 on 'elsewhere'\)"):
        locks.acquire(folder)


@pytest.mark.parametrize("text", ["1\nelsewhere\n", "", "\0" * 100, "99999999\nhere\n", "x"])
def test_one_of_a_machine_that_is_gone_holds_nothing(text, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / locks.NAME).write_text(text)
    os.utime(tmp_path / "run" / locks.NAME, (2e9, 2e9))  # by a clock that has moved since
    with RunWriter.held(tmp_path / "run") as folder:
        named = (folder.path / locks.NAME).read_text()
        assert named.startswith(f"{os.getpid()}\n")
    assert not (tmp_path / "run" / locks.NAME).exists()


def test_the_launcher_of_a_run_leaves_alone_what_another_has_taken_up(held):
    folder, _ = held
    (folder / "run.json").write_text('{"schema_version": 1, "status": "running", "recipe": "x"}')
    before = (folder / "run.json").read_bytes()
    RunWriter.close(folder, "failed", "its processes were killed")
    assert (folder / "run.json").read_bytes() == before
    assert (folder / locks.NAME).exists()


@pytest.fixture
def open_to_all():
    """A folder in which other users may look; those of pytest are closed to them."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs root")
def test_one_of_another_user_is_told(open_to_all):
    folder = open_to_all / "run"
    folder.mkdir()
    (folder / locks.NAME).write_text("1\nhere\n")
    answer = FORK.Queue()
    process = FORK.Process(target=be_another, args=(folder, answer))
    process.start()
    said = answer.get(timeout=60)
    process.join()
    assert said.startswith(f"UserError: {folder / locks.NAME} cannot be locked, as it belongs to ")
    assert "a copy of the folder" in said


@pytest.mark.skipif(sys.platform == "win32", reason="names of open files stay on Windows")
def test_a_new_run_is_refused_where_one_is_written(held, tmp_path, tiny_model, capsys):
    folder, _ = held
    asked = words(rows(tmp_path), tiny_model)
    assert outcome(["run", *asked, "--out", str(folder)]) == 2
    assert "is being written by another process" in capsys.readouterr().err
