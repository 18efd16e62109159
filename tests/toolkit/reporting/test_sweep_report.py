"""Page and terminal of a sweep: all trials, hostile values, which settings matter."""

from __future__ import annotations

import json
import math
import random
import re

import pytest
from rich.console import Console

from toolkit.reporting import sweep_report
from toolkit.reporting.html import sweep as page
from toolkit.runs.sweep_folder import Sweep, ranked

HOSTILE = "<script>alert(1)</script>\x1b[31m"


def trial(number, values, score, **more):
    """Return a trial that was trained to its end."""
    return {"number": number, "state": "validated", "values": values, "default": number == 0,
            "score": score, "evaluations": [], "seconds": 10.0 + number, "steps": 40, "attempts": 1,
            "reason": "", "error": "", "tried": [], **more}  # fmt: skip


@pytest.fixture
def found(tmp_path):
    """A sweep that was interrupted; the rate decides, and a trial ran out of memory."""
    chance, trials = random.Random(0), []
    for number in range(16):
        rate = 10 ** chance.uniform(-5, -2)
        values = {"training.learning_rate": rate, "options.text": chance.choice([HOSTILE, "b"])}
        score = 0.9 - 0.2 * abs(-3.5 - math.log10(rate))
        trials.append(trial(number, values, score))
    trials[5] |= {"state": "failed", "score": None, "reason": "memory", "error": HOSTILE,
                  "tried": ["with 32 rows: starting again with 16"]}  # fmt: skip
    trials[6] |= {"state": "pruned", "score": 0.2}
    record = {
        "schema_version": 1, "status": "interrupted", "recipe": HOSTILE, "search": "random",
        "space": {"training.learning_rate": "loguniform(1e-05, 0.01)",
                  "options.text": f"choice({json.dumps(HOSTILE)}, b)"},
        "prune": "asha", "grace": 1, "asked": 20, "with_default": True, "metric": "accuracy",
        "greater_is_better": True, "trials": trials, "seconds": 300.0, "notes": [HOSTILE],
    }  # fmt: skip
    (tmp_path / "sweep.json").write_text(json.dumps(record))
    return Sweep(tmp_path)


def test_the_page_lists_each_trial_and_nothing_in_it_runs(found):
    page.write(found)
    text = found.report.read_text()
    assert "<script" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;" in text
    rows = re.findall(r"<tr>.*?</tr>", text.partition("All trials")[2], re.S)
    assert len(rows) >= 17
    assert "out of memory" in text
    assert "with 32 rows: starting again with 16" in text
    assert "No trial has been scored on test so far" in text
    assert text.count("<svg") == 2  # settings and scores, score against cost


def test_the_terminal_has_the_best_first_and_tells_what_failed(found, capsys):
    sweep_report.summary(found, Console(width=120))
    said = capsys.readouterr().out
    assert "16 trials: 14 trained to their end, 1 stopped early, 1 out of memory" in said
    assert "\x1b[31m" not in said
    best = ranked(found.record)[0]["number"]
    numbers = re.findall(r"^ *(\d+)(?: \(default\))? +│", said, re.M)
    assert numbers[0] == str(best)
    assert numbers[-1] == "5"


def test_the_setting_that_decides_is_the_one_that_matters(found):
    shares = page.importance(found.record, ranked(found.record))
    assert shares["training.learning_rate"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)


def test_nothing_is_said_of_few_trials_or_equal_scores(found):
    same = [{**one, "score": 0.5} for one in ranked(found.record)]
    assert page.importance(found.record, same) == {}
    found.write(trials=found.trials[:4])
    page.write(found)
    assert "nothing can be said of that: it takes 8" in found.report.read_text()
