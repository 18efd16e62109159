"""A run that is killed between any two changes of its folder goes on to the same end."""

from __future__ import annotations

import itertools
import shutil
import signal

import pytest
from attacks.small import record, words

from toolkit.testing.interruptions import FILE, assert_same_end, killed, undisturbed


@pytest.fixture
def asked(small_runs, tiny_model):
    """Return a function: method -> the arguments of a small run, but for --out."""
    return lambda method="full": ["--quiet", *words(small_runs / "rows.csv", tiny_model, method)]


@pytest.fixture
def whole(asked, small_runs, tmp_path):
    """Return a function: method -> the folder of a run that nothing disturbed."""

    def get(method="full"):
        made = small_runs / "whole" if method == "full" else tmp_path / "whole"
        assert made.exists() or undisturbed([*asked(method), "--out", str(made)]) == 0
        return made

    return get


def kill_at_and_resume(arguments, count, out, whole):
    """Return whether there are so many changes; the run that was killed there goes on."""
    code = killed(FILE, count, [*arguments, "--out", str(out)])
    if code == 0:
        return False
    assert code == -signal.SIGKILL
    assert undisturbed([*arguments, "--out", str(out), "--resume"]) == 0, f"change {count}"
    assert_same_end(out, whole)
    left = {path.name for path in out.rglob("*") if path.name.endswith((".partial", ".lock"))}
    assert not left, f"change {count}: {left}"
    assert not (out / "checkpoints").exists()
    shutil.rmtree(out)
    return True


# While a checkpoint is written, and while the end is.
@pytest.mark.parametrize("count", [27, 85])
def test_killed_before_a_change_of_its_folder(asked, whole, tmp_path, count):
    assert kill_at_and_resume(asked(), count, tmp_path / "run", whole())


@pytest.mark.nightly
@pytest.mark.parametrize(  # in parts, which go side by side; head writes no checkpoints
    ("method", "first"),
    [*(("full", first) for first in range(1, 9)), ("head", 3), ("head", 6)],
)
def test_killed_before_every_change_of_its_folder(asked, whole, tmp_path, method, first):
    out = tmp_path / "run"
    for count in itertools.count(first, 8):
        if not kill_at_and_resume(asked(method), count, out, whole(method)):
            break
    assert count > 50


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.nightly)]
)
def test_killed_when_it_is_finished_it_is_not_run_again(asked, whole, tmp_path, number):
    out = tmp_path / "run"
    code = killed("tidy", 1, [*asked(), "--out", str(out)], number)
    assert code == (130 if number == signal.SIGINT else -signal.SIGKILL)
    before = record(out)
    assert before["status"] == "finished"
    assert (out / "checkpoints").exists()
    assert undisturbed([*asked(), "--out", str(out), "--resume"]) == 0
    assert record(out) == before
    assert_same_end(out, whole())
    assert not (out / "checkpoints").exists()
    assert not (out / "run.lock").exists()
