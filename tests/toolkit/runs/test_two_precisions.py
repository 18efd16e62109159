"""`--dtype auto`: the answers of float32, whatever bfloat16 would have said."""

from __future__ import annotations

import json

import pytest
import torch
from text_rows import sentences

from toolkit.cli.main import outcome
from toolkit.runs import predictor as loading
from toolkit.runs import two_precisions
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.predictor import load_predictor

ROWS = [{"text": text} for text, _ in sentences(120)]


@pytest.fixture
def coarse(monkeypatch):
    """Copies of a model that round more than bfloat16 does, on the CPU in the place of a GPU."""
    passes = []

    def rounded(models):
        def round_logits(_, __, outputs):
            passes.append(len(outputs.logits))
            outputs.logits = (outputs.logits * steps[0]).round() / steps[0]

        import copy

        copies = [copy.deepcopy(model) for model in models]
        for model in copies:
            model.register_forward_hook(round_logits)
        return copies

    steps = [50.0]
    monkeypatch.setattr(loading, "rounded", rounded)
    monkeypatch.setattr(two_precisions, "SAMPLE", 40)
    monkeypatch.setattr(loading, "SAMPLE", 40)
    return steps, passes


def labels(found):
    return [one["label"] for one in found]


def test_answers_are_those_of_float32_and_most_rows_are_predicted_once(finished, coarse):
    run = finished("text-classification").path
    exact = load_predictor(run).predict(ROWS)
    auto = load_predictor(run, ComputeConfig(dtype="auto"))
    found = auto.predict(ROWS)
    assert labels(found) == labels(exact)
    near = {row for row in range(40, 120)
            if auto.plugin.decision_margin(found[row]) <= auto.rounding.safe}  # fmt: skip
    for row in range(120):  # the first were predicted both ways
        twice = row < 40 or row in near
        assert (found[row]["scores"] == pytest.approx(exact[row]["scores"], abs=1e-6)) == twice
    assert str(auto.rounding).startswith(f"dtype auto: bfloat16, {auto.rounding.again} rows")
    assert sum(coarse[1]) == 120


def test_float32_is_taken_where_too_much_would_change(finished, coarse):
    coarse[0][0] = 0.5
    run = finished("text-classification").path
    auto = load_predictor(run, ComputeConfig(dtype="auto"))
    assert labels(auto.predict(ROWS)) == labels(load_predictor(run).predict(ROWS))
    assert "dtype auto: float32 (40 rows compared: " in str(auto.rounding)
    assert sum(coarse[1]) == 40


def test_a_scenario_without_margins_is_computed_in_float32(finished, coarse, monkeypatch):
    auto = load_predictor(finished("text-classification").path, ComputeConfig(dtype="auto"))
    monkeypatch.setattr(type(auto.plugin), "decision_margin", lambda *_: float("inf"))
    auto.predict(ROWS)
    assert "does not say how near a row is" in str(auto.rounding)


def test_few_rows_at_a_time_are_predicted_both_ways_until_enough_were(finished, coarse):
    auto = load_predictor(finished("text-classification").path, ComputeConfig(dtype="auto"))
    for start in range(0, 40, 8):
        assert not auto.rounding.settled
        auto.predict(ROWS[start : start + 8])
    assert auto.rounding.settled


def test_the_command_says_what_it_chose_and_a_cpu_stays_with_float32(finished, tmp_path, capsys,
                                                                     monkeypatch):  # fmt: skip
    run, data = finished("text-classification").path, tmp_path / "rows.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    words = ["predict", str(run), str(data), "-o"]
    assert outcome([*words, str(tmp_path / "cpu.jsonl")]) == 0
    assert outcome([*words, str(tmp_path / "32.jsonl"), "--dtype", "float32"]) == 0
    assert (tmp_path / "cpu.jsonl").read_bytes() == (tmp_path / "32.jsonl").read_bytes()
    assert "dtype auto" not in capsys.readouterr().err
    monkeypatch.setattr(loading, "rounded", lambda models: [torch.nn.Module.eval(models[0])])
    assert outcome([*words, str(tmp_path / "two.jsonl")]) == 0
    assert "dtype auto: bfloat16, " in " ".join(capsys.readouterr().err.split())
