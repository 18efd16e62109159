"""Reports of runs that trained something: what each scenario brings of its own."""

from __future__ import annotations

import json

import pytest
import small_runs

from toolkit.cli.main import outcome

BRINGS = {
    "image-classification": [
        "Training images",
        "ROC curve of 'lying'",
        "Operating point of 'lying'",
        "data:image/jpeg",
    ],
    "image-segmentation": ["Training images", "Worst images", "classes", "data:image/"],
    "object-detection": ["Training images", "Worst images", "F1", "data:image/"],
    "question-answering": ["First rows", "F1 by threshold", "(none)"],
    "summarization": ["First rows", "Ceiling: the best extract of 1 sentence", "<mark"],
    "translation": ["First rows", "reference", "<mark"],
    "fraud-detection": ["Cost by threshold", "Precision-recall curve"],
    "token-classification": ["entities by type", "types (rows: actual", 'class="predicted actual'],
}


@pytest.mark.parametrize("scenario", BRINGS)
def test_a_scenario_brings_figures_and_rows(scenario, finished):
    run = finished(scenario)
    text = run.report.read_text(encoding="utf-8")
    for part in BRINGS[scenario]:
        assert part in text.replace("&#39;", "'")
    assert len(text) < 3_000_000
    kept = json.loads((run.path / "logs" / "examples.json").read_text())
    assert kept["rows"]
    assert all(row["cells"] for row in kept["rows"].values())


def test_rows_that_score_worst_are_shown(tmp_path):
    words = small_runs.arguments("question-answering", "full", tmp_path / "in", max_steps=3)
    assert outcome(["run", *words, "--out", str(tmp_path / "run")]) == 0
    assert "Worst rows" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
