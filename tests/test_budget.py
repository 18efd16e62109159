"""What takes too long fails, by a limit that slow machines have more of."""

import os
import re
import subprocess
import sys
from pathlib import Path

import budget
import machine
import pytest

OTHERS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # they take seconds, in each process
PROCESSES = ("-p", "xdist", "-n", "2")
ROWS = """
import time
import pytest

def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

@pytest.fixture(scope="module")
def made():
    spin(0.3)

def test_short(made): pass
def test_long(): spin(0.3)
@pytest.mark.slow
def test_marked(): spin(0.3)
"""


@pytest.fixture
def session(tmp_path):
    """Return a function that runs pytest on a file of three tests, with the limit's plugin."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    (tmp_path / "test_rows.py").write_text(ROWS)
    (tmp_path / "conftest.py").write_text("")
    unset = {k: v for k, v in os.environ.items() if k not in (budget.ABSOLUTE, "PYTEST_ADDOPTS")}

    def run(*words, conftest="", **environment):
        (tmp_path / "conftest.py").write_text(conftest)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "budget", "-p", "no:cacheprovider", *words],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**unset, **OTHERS, "PYTHONPATH": str(Path(budget.__file__).parent), **environment},
        ).stdout  # fmt: skip

    return run


@pytest.mark.parametrize("words", [(), PROCESSES])
def test_what_takes_longer_than_the_limit_fails_unless_it_is_marked(session, words):
    printed = session(*words, TOOLKIT_TEST_SECONDS="0.2")
    assert "1 failed, 2 passed" in printed
    assert re.search(r"test_long.*takes 0\.[34]\d* s of the processor, more than 0\.2", printed)
    assert "a test may take 0.2 s of the processor (as TOOLKIT_TEST_SECONDS sets)" in printed


@pytest.mark.parametrize(
    ("words", "reference", "limit"),
    [
        (PROCESSES, "1e-9", "80.0 s of the processor (20 s, 4.0 times as much on this machine)"),
        ((), "1e9", "20.0 s of the processor (20 s, 1.0 times as much on this machine)"),
    ],
)
def test_a_slow_machine_has_more_seconds_within_bounds(session, words, reference, limit):
    printed = session(*words, conftest=f"import machine\nmachine.REFERENCE = {reference}\n")
    assert "3 passed" in printed
    assert f"a test may take {limit}" in printed


def test_the_limit_follows_what_the_work_takes(monkeypatch):
    takes = machine.timed()
    monkeypatch.setattr(machine, "REFERENCE", takes / 2)
    assert 1.2 < machine.slowness(1) < 3.5  # twice, on a machine whose speed varies
