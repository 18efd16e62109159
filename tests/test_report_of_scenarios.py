"""Reports of runs that trained something: what each scenario brings of its own."""

from __future__ import annotations

import json

import pytest
import small_runs

from toolkit.cli.main import outcome

BRINGS = {
    "image-classification": ["Training pictures", "ROC of 'standing'", "data:image/jpeg"],
    "question-answering": ["Worst rows", "F1 by threshold", "(none)"],
    "fraud-detection": ["Cost over the threshold", "Precision over recall"],
}


@pytest.mark.slow
@pytest.mark.parametrize("scenario", BRINGS)
def test_a_scenario_brings_figures_and_rows(scenario, tmp_path):
    words = small_runs.arguments(scenario, "full", tmp_path / "in", max_steps=3)
    assert outcome(["run", *words, "--out", str(tmp_path / "run")]) == 0
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for part in BRINGS[scenario]:
        assert part in text.replace("&#39;", "'")
    assert len(text) < 3_000_000
    kept = json.loads((tmp_path / "run" / "logs" / "examples.json").read_text())
    assert kept["rows"]
    assert all(row["cells"] for row in kept["rows"].values())
