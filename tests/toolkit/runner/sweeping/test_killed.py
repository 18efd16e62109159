"""Sweeps in the processes that users have: killed, interrupted, and gone on with."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time

import pytest

from toolkit.runs.folder import Run
from toolkit.runs.sweep_folder import Sweep
from toolkit.utils.processes import python

SPACE = ["--set", "training.learning_rate=loguniform(1e-4, 1e-2)", "--prune", "median"]


def started(asked, out, trials):
    words = ["sweep", *asked, *SPACE, "--trials", str(trials), "--out", str(out), "--resume"]
    return subprocess.Popen(python("-m", "toolkit", *words), start_new_session=True, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def ended(out):
    """Return number -> run.json of the trials that have ended, but for the chosen one."""
    if not (out / "sweep.json").exists():
        return {}
    found = Sweep(out)
    over = [one["number"] for one in found.trials if one["state"] in ("validated", "pruned")]
    return {number: (found.folder_of(number) / "run.json").read_bytes()
            for number in over if number != found.chosen}  # fmt: skip


def unchanged(out, before):
    """Return whether the trials that had ended are as they were."""
    found = Sweep(out)
    return all((found.folder_of(number) / "run.json").read_bytes() == text
               for number, text in before.items() if number != found.chosen)  # fmt: skip


def compared(out, whole):
    one, two = Sweep(out), Sweep(whole)
    keys = ("values", "state", "score", "evaluations")
    for mine, theirs in zip(one.trials, two.trials, strict=True):
        assert {key: mine[key] for key in keys} == {key: theirs[key] for key in keys}
    assert one.chosen == two.chosen
    assert one.best.metrics == two.best.metrics


@pytest.mark.nightly
def test_a_sweep_is_interrupted_between_steps_and_goes_on(asked, tmp_path):
    epochs = 100  # of which some are left, whenever the signal comes
    more = ["--set", f"training={{num_train_epochs: {epochs}, learning_rate: 5.0e-3}}"]
    out = tmp_path / "out"
    process = started([*asked, *more], out, 2)
    until = time.monotonic() + 300
    file = out / "trial-000" / "run.json"
    while not (file.exists() and Sweep(out).trials and Sweep(out).trials[0]["evaluations"]):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "go on with: toolkit sweep" in said
    assert Run(file.parent).status == "interrupted"
    seen = len(Sweep(out).trials[0]["evaluations"])
    process = started([*asked, *more], out, 2)
    process.communicate()
    assert process.returncode == 0
    found = Sweep(out)
    assert found.status == "finished"
    assert len(found.trials[0]["evaluations"]) == epochs > seen
    resumed = Run(file.parent).record["resumed"]
    assert len(resumed) == 1
    steps = found.trials[0]["evaluations"][-1]["step"]
    assert 0 < resumed[0]["step"] < steps


@pytest.mark.nightly
def test_no_finished_trial_is_lost_or_run_twice_by_kills(asked, tmp_path):
    kills, trials = int(os.environ.get("TOOLKIT_SWEEP_KILLS", "20")), 6
    chance, before, done = random.Random(7), {}, 0
    more = ["--set", "training={num_train_epochs: 20, learning_rate: 5.0e-3}"]
    whole, round_ = tmp_path / "whole", 0
    begun = time.monotonic()
    assert started([*asked, *more], whole, trials).wait() == 0
    longest = time.monotonic() - begun
    out = tmp_path / "out-0"
    while done < kills:
        process = started([*asked, *more], out, trials)
        try:
            code = process.wait(chance.uniform(5, 0.6 * longest))
        except subprocess.TimeoutExpired:
            process.kill()  # the sweep alone: the process of its trials has to notice
            process.wait()
            done += 1
            before |= {n: text for n, text in ended(out).items() if n not in before}
            assert unchanged(out, before) or not before
            continue
        assert code == 0, process.stderr.read()
        assert unchanged(out, before)
        compared(out, whole)
        round_, before = round_ + 1, {}
        out = tmp_path / f"out-{round_}"
    while started([*asked, *more], out, trials).wait():
        pass
    assert unchanged(out, before)
    compared(out, whole)
    assert json.loads((out / "sweep.json").read_text())["status"] == "finished"
