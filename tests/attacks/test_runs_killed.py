"""A run that is killed between any two changes of its folder goes on to the same end."""

from __future__ import annotations

import itertools
import shutil
import signal

import pytest
from attacks.small import record, rows, words

from toolkit.testing.interruptions import FILE, assert_same_end, killed, undisturbed


@pytest.fixture(scope="module")
def asked(tmp_path_factory, tiny_model):
    """Return a function: method -> the arguments of a small run, but for --out."""
    data = rows(tmp_path_factory.mktemp("rows"))
    return lambda method="full": ["--quiet", *words(data, tiny_model, method)]


@pytest.fixture(scope="module")
def whole(asked, tmp_path_factory):
    """Return a function: method -> the folder of a run that nothing disturbed."""
    made = {}

    def get(method="full"):
        if method not in made:
            made[method] = tmp_path_factory.mktemp("whole") / method
            assert undisturbed([*asked(method), "--out", str(made[method])]) == 0
        return made[method]

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


# While the folder is opened, a checkpoint is written, the model is saved, the end is written down.
@pytest.mark.parametrize("count", [5, 27, 85])
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


def test_killed_when_it_is_finished_it_is_not_run_again(asked, whole, tmp_path):
    out = tmp_path / "run"
    assert killed("tidy", 1, [*asked(), "--out", str(out)]) == -signal.SIGKILL
    before = record(out)
    assert before["status"] == "finished"
    assert (out / "checkpoints").exists()
    assert undisturbed([*asked(), "--out", str(out), "--resume"]) == 0
    assert record(out) == before
    assert_same_end(out, whole())
    assert not (out / "checkpoints").exists()
    assert not (out / "run.lock").exists()
