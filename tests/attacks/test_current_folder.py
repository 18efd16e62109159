"""Files of the user's that are named like libraries, in the folder where a command is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from text_rows import csv_of, sentences

ROOT = Path(__file__).parents[2]
NAMES = ("random", "datasets", "torch", "transformers", "toolkit", "toolkit_plugins", "json",
         "numpy", "sitecustomize", "types", "evaluate", "click")  # fmt: skip


@pytest.fixture
def here(tmp_path) -> Path:
    """A folder full of them, with rows."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text("import os\nos.mknod('imported')\nraise SystemExit(9)")
    (tmp_path / "rows.csv").write_text(csv_of(sentences(60)))
    return tmp_path


def ran(here: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command `toolkit` as its script does, in processes of its own."""
    script = "import sys; from toolkit.cli.main import main; main()"
    command = [sys.executable, "-P", "-c", script, *words]
    return subprocess.run(command, cwd=here, capture_output=True, text=True, check=False,
                          env={**os.environ, "TOKENIZERS_PARALLELISM": "false"})  # fmt: skip


@pytest.mark.slow
def test_a_run_with_all_its_processes(here, tiny_model):
    training = {"max_steps": 2, "per_device_train_batch_size": 8}
    for more in ([], ["--processes", "2"]):
        out = here / f"run{len(more)}"
        done = ran(here, "run", "text-classification", "--data", "rows.csv", "--model",
                   str(tiny_model), "--out", str(out), "--quiet", *more,
                   "--set", f"training={json.dumps(training)}")  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads((out / "run.json").read_text())["reload"]["different"] == 0
    assert not (here / "imported").exists()


@pytest.mark.slow
def test_plugins_are_tried_apart(here, scenario):
    done = ran(here, "doctor")
    assert not (here / "imported").exists()
    assert "Traceback" not in done.stderr
