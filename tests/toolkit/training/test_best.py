"""Which checkpoint a run keeps: what follows from the metric, and from when it is looked at."""

from __future__ import annotations

import json

import pytest

import toolkit
from toolkit.errors import RecipeError
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare

METRICS = {"report.metrics": ["accuracy", "log_loss"]}
LOSSES = {"report.metrics": ["log_loss", "accuracy"]}


@pytest.fixture
def job(table, tiny_model):
    """Return a job that is ready to train: `job(settings)`."""

    def made(settings):
        given = {"data.source": str(table), "model": str(tiny_model), **settings}
        overrides = [(tuple(key.split(".")), value) for key, value in given.items()]
        return prepare(find_recipe("text-classification", overrides))

    return made


def chosen(settings):
    return {f"training.{key}": value for key, value in settings.items()}


@pytest.mark.parametrize(
    ("settings", "metric", "more"),
    [
        (METRICS, "accuracy", True),
        (LOSSES, "log_loss", False),
        ({**METRICS, "training.metric_for_best_model": "eval_loss"}, "eval_loss", False),
        ({**METRICS, "training.metric_for_best_model": "loss"}, "loss", False),
        ({**METRICS, "training.metric_for_best_model": "eval_log_loss"}, "eval_log_loss", False),
        ({**LOSSES, "training.metric_for_best_model": "accuracy"}, "accuracy", True),
        ({**LOSSES, "training.metric_for_best_model": None}, "log_loss", False),
        ({**LOSSES, "training.greater_is_better": False}, "log_loss", False),
    ],
)
def test_the_better_end_is_that_of_the_metric_that_chooses(job, settings, metric, more):
    found = job(settings).arguments
    assert (found.metric_for_best_model, found.greater_is_better) == (metric, more)
    assert found.load_best_model_at_end


@pytest.mark.parametrize(("metrics", "more"), [(METRICS, True), (LOSSES, False)])
def test_a_schedule_that_watches_the_metric_knows_its_better_end(job, metrics, more):
    plateau = {"training.lr_scheduler_type": "reduce_lr_on_plateau"}
    assert job({**metrics, **plateau}).arguments.lr_scheduler_kwargs["mode"] == (
        "max" if more else "min"
    )
    own = {"training.lr_scheduler_kwargs": {"patience": 2}}
    found = job({**metrics, **plateau, **own}).arguments.lr_scheduler_kwargs
    assert found == {"mode": "max" if more else "min", "patience": 2}


@pytest.mark.parametrize(("metrics", "more"), [(METRICS, False), (LOSSES, True)])
def test_the_wrong_end_is_refused(job, metrics, more):
    with pytest.raises(RecipeError, match="would keep the worst checkpoint: leave it out"):
        job({**metrics, "training.greater_is_better": more})


def test_the_checkpoint_of_the_lowest_loss_is_kept_and_ends_training(table, tiny_model, tmp_path):
    training = {"metric_for_best_model": "eval_loss", "num_train_epochs": 8, "learning_rate": 0.05,
                "early_stopping_patience": 2, "per_device_train_batch_size": 32, "bf16": False,
                "save_total_limit": 8}  # fmt: skip
    run = toolkit.run("text-classification", data=table, model=tiny_model, out=tmp_path / "run",
                      settings=chosen(training))  # fmt: skip
    states = (run.path / "checkpoints").glob("*/trainer_state.json")
    last = max((json.loads(path.read_text()) for path in states), key=lambda s: s["global_step"])
    losses = [log["eval_loss"] for log in last["log_history"] if "eval_loss" in log]
    assert last["best_metric"] == min(losses)
    best = losses.index(min(losses)) + 1
    assert len(losses) in (best + 2, 8)


@pytest.mark.parametrize(
    ("settings", "validation", "saving", "best"),
    [
        ({}, "epoch", "epoch", True),
        ({"save_strategy": "no"}, "epoch", "no", False),
        ({"eval_strategy": "no"}, "no", "no", False),
        ({"eval_strategy": "no", "save_strategy": "epoch"}, "no", "epoch", False),
        ({"save_strategy": "steps", "save_steps": 5}, "steps", "steps", True),
        ({"eval_strategy": "steps"}, "steps", "steps", True),
        ({"eval_strategy": "epoch", "save_strategy": "steps"}, "epoch", "steps", False),
        ({"eval_strategy": "steps", "eval_steps": 4, "save_steps": 6}, "steps", "steps", False),
        ({"save_strategy": "best"}, "epoch", "best", True),
    ],
)
def test_our_default_gives_way_to_what_is_asked_for(job, settings, validation, saving, best):
    found = job(chosen(settings))
    arguments = found.arguments
    assert arguments.eval_strategy == validation
    assert arguments.save_strategy == saving
    assert arguments.load_best_model_at_end is best
    told = [note for note in found.loaded.notes if "weights of the last step are kept" in note]
    assert bool(told) is not best
    if saving == validation == "steps" and best:
        assert arguments.save_steps == arguments.eval_steps


def test_what_the_user_asks_for_is_refused_with_the_key(job):
    with pytest.raises(RecipeError, match="training.load_best_model_at_end: needs a checkpoint at "
                                          "each validation: give save_strategy.*here save_strategy"
                                          "=no, eval_strategy=epoch"):  # fmt: skip
        job(chosen({"save_strategy": "no", "load_best_model_at_end": True}))


@pytest.mark.parametrize("size", [113, 64, 112])
def test_rows_that_make_no_whole_batch(job, size):
    given = {"dataloader_drop_last": True, "per_device_train_batch_size": size, "max_steps": -1}
    if size <= 112:
        assert len(job(chosen(given)).prepared["train"]) == 112
        return
    what = "train has 112 rows, which make no whole batch of 113: leave it out, or set training.per"
    with pytest.raises(RecipeError, match=f"training.dataloader_drop_last: {what}"):
        job(chosen(given))
