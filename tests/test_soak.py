"""Kills at random moments, hostile clients, and fuzzing for a while.

`tests/soak.py`, `tests/soak_serve.py` and `tests/fuzz.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import finished
import pytest
from walkthrough import ROOT

pytestmark = pytest.mark.nightly
# These start forks of their own, which need the tests' helpers and this checkout.
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(
    [str(ROOT), str(ROOT / "plugins"), os.environ.get("PYTHONPATH", "")]
)}  # fmt: skip


def line_of(script, *words):
    """Run a script that prints one JSON line; return what it says."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / script), *words],
        capture_output=True, text=True, check=False, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("scenario", finished.RUNS)
def test_no_run_is_lost_when_it_is_killed_at_random(scenario):
    said = line_of("soak.py", "5", "7", "--scenario", scenario)
    assert said["lost"] == []
    assert said["survived"] == said["kills"] >= 5
    assert said["most_steps_lost"] <= said["steps_between_checkpoints"]


def test_no_good_request_fails_beside_hostile_ones_and_memory_stays():
    said = line_of("soak_serve.py", "60", "7")
    assert (said["failed"], said["exit_code"]) == ({}, 0)
    assert said["good"] > said["hostile"] > 0
    before, after = said["megabytes"]
    assert after < 1.1 * before


@pytest.mark.skipif(find_spec("atheris") is None, reason="the extra fuzz is not installed")
@pytest.mark.parametrize("door", ["csv", "json", "overrides", "recipe", "run"])
def test_fuzzing_guided_by_coverage_finds_no_crash(door):
    said = line_of("fuzz.py", "60", door)
    assert said["crashes"] == 0
    assert said["executions"] > 0
