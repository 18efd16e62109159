"""Runs that attacks change copies of, made once for all processes."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from attacks.small import rows, words

from toolkit.testing.interruptions import killed, undisturbed


@pytest.fixture(scope="session")
def small_runs(shared, tiny_model) -> Path:
    """A folder: rows.csv, a run left in peace (whole), one killed after a checkpoint (killed)."""

    def fill(folder: Path) -> None:
        given = ["--quiet", *words(rows(folder), tiny_model)]
        assert undisturbed([*given, "--out", str(folder / "whole")]) == 0
        assert killed("step", 3, [*given, "--out", str(folder / "killed")]) == -signal.SIGKILL
        assert (folder / "killed" / "checkpoints" / "checkpoint-2").is_dir()

    return shared("attacked-runs", fill)


@pytest.fixture
def small_words(small_runs, tiny_model) -> list[str]:
    """The arguments that they were begun with, but for --out."""
    return words(small_runs / "rows.csv", tiny_model)
