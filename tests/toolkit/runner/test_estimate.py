"""What a run will take, predicted by measured steps of a tiny model's own training."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch

from toolkit.cli.main import outcome
from toolkit.errors import RecipeError
from toolkit.recipe.library import find_recipe
from toolkit.runner.estimating.estimate import estimate
from toolkit.runner.estimating.steps import StepPlan, plan_steps, sample_steps
from toolkit.runner.estimating.trial import LinearCost, StepTimings, time_steps
from toolkit.runner.prepare import prepare


@pytest.fixture(scope="module")
def job(tmp_path_factory, tiny_model):
    from text_rows import sentences

    path = tmp_path_factory.mktemp("rows") / "things.csv"
    path.write_text("text,label\n" + "".join(f"{t},{y}\n" for t, y in sentences(160)))

    def make(*settings, method="full"):
        named = {"data.source": str(path), "model": str(tiny_model), "method": method}
        pairs = [*named.items(), *settings]
        return prepare(
            find_recipe("text-classification", [(tuple(k.split(".")), v) for k, v in pairs])
        )

    return make


def test_an_estimate_has_every_part_and_leaves_no_trace(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = job()
    before = {name: value.clone() for name, value in made.plugin.model.state_dict().items()}
    arguments, data = made.arguments.to_dict(), made.plugin.data
    found = estimate(made, price=3600)
    assert set(found.seconds) == {"train", "score", "baselines", "fixed"}
    assert all(math.isfinite(part) and part >= 0 for part in found.seconds.values())
    assert found.steps == 8 * 7  # epochs, and batches of 16 in 112 rows
    assert found.cost == pytest.approx(found.total_seconds)
    assert found.memory > 100 * 2**20
    assert not found.at_most
    after = made.plugin.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(p.grad is None for p in made.plugin.model.parameters())
    assert made.arguments.to_dict() == arguments
    assert made.plugin.data is data
    assert list(tmp_path.iterdir()) == []


def test_more_epochs_take_longer(job):
    few, many = (estimate(job(("training.num_train_epochs", epochs))) for epochs in (2, 400))
    assert many.steps == 200 * few.steps
    assert many.seconds["train"] > 20 * few.seconds["train"]
    assert many.seconds["score"] < 10 * few.seconds["score"]


@pytest.mark.parametrize(
    ("settings", "steps", "evaluations", "saves"),
    [
        ({}, 56, 8, 8),
        ({"max_steps": 10}, 10, 2, 2),
        ({"gradient_accumulation_steps": 3}, 24, 8, 8),
        ({"num_train_epochs": 1.5}, 11, 2, 2),
        ({"per_device_train_batch_size": 500}, 8, 8, 8),
        ({"eval_strategy": "no"}, 56, 0, 0),
        ({"eval_strategy": "steps", "eval_steps": 20}, 56, 2, 2),
        ({"eval_strategy": "steps", "eval_steps": 0.25}, 56, 4, 4),
        ({"train_sampling_strategy": "random"}, 56, 8, 8),
        ({"dataloader_drop_last": True, "per_device_train_batch_size": 50}, 16, 8, 8),
    ],
)
def test_the_steps_are_those_of_the_run(settings, steps, evaluations, saves, job):
    made = job(*((f"training.{name}", value) for name, value in settings.items()))
    found = plan_steps(made.arguments, made.prepared["train"])
    assert (found.steps, found.evaluations, found.saves) == (steps, evaluations, saves)
    assert len(found.groups) == len(found.sizes)


def test_processes_share_the_steps_and_each_holds_the_gradients_twice(job, monkeypatch):
    made = job()
    alone, shared = (plan_steps(made.arguments, made.prepared["train"], n) for n in (1, 3))
    assert (alone.steps, shared.steps) == (8 * 7, 8 * 3)  # a last step for what three do not divide
    assert (shared.evaluations, shared.saves) == (alone.evaluations, alone.saves) == (8, 8)
    assert len(shared.groups) == len(alone.groups)

    # As where there are GPUs; what each of them does is measured in this process.
    monkeypatch.setattr("toolkit.utils.hardware.device_count", lambda **_: 3)
    found = estimate(made)
    assert found.steps == shared.steps
    weights = sum(weight.nbytes for weight in made.plugin.model.parameters())
    assert trial_of(made).gradients == weights > 0


@pytest.mark.parametrize(
    "settings",
    [
        {"per_device_train_batch_size": 500},
        {"max_steps": 1, "eval_strategy": "no"},
        {"gradient_accumulation_steps": 4, "train_sampling_strategy": "random"},
    ],
)
def test_odd_jobs_are_measured_too(settings, job):
    made = job(*((f"training.{name}", value) for name, value in settings.items()))
    found = estimate(made)
    assert found.total_seconds > 0
    assert found.measured_steps >= 1


def test_early_stopping_makes_it_a_bound(job):
    assert estimate(job(("training.early_stopping_patience", 2))).at_most


def test_a_sample_stands_for_the_epoch():
    rng = np.random.default_rng(0)
    sizes = rng.gamma(2, 100, size=500)
    peaks = rng.permutation(sizes) / 2  # of several passes in each step
    groups = [np.arange(n * 4, n * 4 + 4) for n in range(500)]
    chosen, rows = sample_steps(StepPlan(groups, sizes, peaks, 500, 0, 0))
    # Where the optimizer has its state already: there memory is at its peak.
    assert chosen[0] != chosen[1] == chosen[-1] == int(peaks.argmax())
    assert rows[:8].tolist() == [*groups[chosen[0]], *groups[chosen[1]]]
    for part in (chosen[2:-1], chosen[2:8]):  # however far it gets
        assert sizes[part].mean() == pytest.approx(sizes.mean(), rel=0.35)


def test_step_times_follow_sizes():
    sizes = np.array([100.0, 200, 400, 800])
    line = LinearCost(0.0, 0.0)
    found = StepTimings(sizes, 0.01 + sizes / 1000, 0, 0, 0, line, line, line)
    assert found.step_times(np.array([300.0, 600])) == pytest.approx([0.31, 0.61])
    flat = StepTimings(np.full(3, 5.0), np.array([1.0, 2, 3]), 0, 0, 0, line, line, line)
    assert flat.step_times(np.array([1.0, 9])) == pytest.approx([2, 2])


def test_a_method_that_reads_all_rows_is_reckoned_with(job):
    probed, plain = (
        trial_of(job(method={"name": "full", "head": head})) for head in ("probe", "random")
    )
    assert probed.method > 5 * plain.method


def trial_of(made):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        steps = plan_steps(made.arguments, made.prepared["train"])
        return time_steps(made, steps, Path(folder), 1.0)


def test_a_head_that_is_fitted_has_no_steps(job):
    from pathlib import Path

    import datasets

    kept = Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-features"
    before = set(kept.glob("*"))
    found = estimate(job(method="head"))
    assert found.steps == found.measured_steps == 0
    assert found.seconds["train"] > 0
    assert set(kept.glob("*")) == before


def test_what_only_training_refuses_is_told(job, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)  # as where it is not installed
    made = job(("training.optim", "adamw_bnb_8bit"))
    with pytest.raises(RecipeError, match="bitsandbytes"):
        estimate(made)


def test_the_terminal_shows_time_memory_and_cost(table, tiny_model, capsys):
    arguments = ["check", "text-classification", "--data", str(table), "--model", str(tiny_model)]
    assert outcome([*arguments, "--price", "2.5"]) == 0
    shown = capsys.readouterr().out
    for part in ("time: about", "train", "memory: ", "GiB of the process", "cost: about", "from "):
        assert part in shown
    assert outcome([*arguments, "--no-estimate"]) == 0
    assert "time:" not in capsys.readouterr().out
    assert outcome([*arguments, "--price", "-1"]) == 2
