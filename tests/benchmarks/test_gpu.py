"""The benchmark for GPUs, at toy size and on whatever is here: every section really runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
SECTIONS = ["bert", "check", "vit", "predict", "modernbert", "resume", "serve", "lora"]
#: Lines with a goal, by section.
JUDGED = {
    "bert": ["toolkit default to stock bf16 32", "toolkit default to raw loop 16",
             "toolkit default MFU", "fixed cost"],
    "check": ["memory told by check, part off", "seconds told by check, part off"],
    "vit": ["toolkit default to stock bf16 32"],
    "predict": ["toolkit default to pipeline 32"],
    "modernbert": ["toolkit default to stock bf16 32", "toolkit default to raw loop 16",
                   "toolkit default MFU", "fixed cost"],
    "resume": ["weights that differ after a kill"],
    "serve": ["serve, 64 clients, to pipeline 1", "failed requests"],
    "lora": [],
}  # fmt: skip


def lines_of(*words, code=0, cwd=None):
    """Return the lines of the benchmark, and what it wrote to stderr."""
    done = subprocess.run([sys.executable, SCRIPT, *words], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.mark.nightly
def test_every_section_runs_and_is_judged(tmp_path):
    out = tmp_path / "lines.json"
    lines, _ = lines_of("--toy", "--seconds", "3000", "--out", out)
    assert json.loads(out.read_text()) == lines
    assert lines[0]["toy"]
    assert list(dict.fromkeys(line["section"] for line in lines)) == ["machine", *SECTIONS, "all"]
    for line in lines:
        assert list(line)[:5] == ["section", "what", "goal", "measured", "met"]
        assert line["what"] not in ("failed", "skipped")
    for section, judged in JUDGED.items():
        own = {line["what"]: line for line in lines if line["section"] == section}
        assert [what for what, line in own.items() if line["goal"]] == judged
        assert own["seconds"]["measured"] > 0
    found = {(line["section"], line["what"]): line for line in lines}
    for what, line in (("toolkit default", "bert"), ("raw loop 16", "modernbert"),
                       ("stock bf16 32", "vit"), ("serve, 64 clients", "serve"),
                       ("toolkit lora", "lora"), ("pipeline 32", "predict")):  # fmt: skip
        assert found[line, what]["measured"] > 0
    exact = found["resume", "weights that differ after a kill"]
    assert (exact["measured"], exact["met"]) == (0, True)
    assert exact["of"] > 10
    assert found["serve", "failed requests"]["met"]


def test_sections_without_time_are_skipped():
    lines, _ = lines_of("--toy", "--seconds", "20", "bert", "lora")
    skipped = {line["section"]: line for line in lines if line["what"] == "skipped"}
    assert list(skipped) == ["bert", "lora"]
    assert skipped["bert"]["needs_seconds"] > skipped["bert"]["seconds_left"]


@pytest.mark.slow
def test_a_section_that_fails_says_why_and_the_next_goes_on(tmp_path):
    broken = tmp_path / "toolkit" / "__main__.py"  # Python's -m looks into the current folder first
    broken.parent.mkdir()
    broken.write_text("raise SystemExit('no module named polars')")
    (broken.parent / "__init__.py").touch()
    lines, _ = lines_of("--toy", "--seconds", "900", "resume", "lora", code=1, cwd=tmp_path)
    failed = {line["section"]: line["error"] for line in lines if line["what"] == "failed"}
    assert list(failed) == ["resume", "lora"]
    assert "no checkpoint was written" in failed["resume"]
    assert "exit code 1: no module named polars" in failed["lora"]


def test_a_section_that_does_not_exist_is_refused():
    _, said = lines_of("--toy", "bart", code=2)
    assert "no section bart; there are bert, check, vit" in said
