"""A run as a trial: its end, its resumption as a whole run, and the reasons of its failure."""

from __future__ import annotations

import pytest

from toolkit.errors import BatchSizeError, UserError
from toolkit.recipe.library import find_recipe
from toolkit.recipe.overrides import parse_override
from toolkit.runner.run import run
from toolkit.runner.sweeping.engine import Task
from toolkit.runner.sweeping.worker import do, reason_of
from toolkit.runner.trial import Trial
from toolkit.runs.folder import Run


class Watcher:
    """Hears of a trial; lets it go on until `stop` validations."""

    def __init__(self, stop=99):
        self.about, self.told, self.stop = None, [], stop

    def begun(self, about):
        self.about = about

    def goes_on(self, validation):
        self.told.append(validation)
        return len(self.told) < self.stop


@pytest.fixture
def recipe(asked):
    """Return the tiny recipe with settings."""

    def changed(*settings):
        given = [word for word in asked if "=" in word]
        paths = [f"data.source={asked[3]}", f"model={asked[5]}"]
        return find_recipe(asked[0], [parse_override(text) for text in (*paths, *given, *settings)])

    return changed


def test_a_trial_that_stopped_early_trains_no_further_as_a_whole_run(recipe, tmp_path):
    draft = recipe("training.early_stopping_patience=1", "training.learning_rate=1e-9")
    watcher = Watcher()
    done = run(draft, tmp_path / "run", trial=Trial("loss", watcher.goes_on, watcher.begun))
    assert (done.status, watcher.about["metric"]) == ("validated", "loss")
    assert watcher.about["greater_is_better"] is False
    steps = [validation.step for validation in watcher.told]
    assert len(steps) == 2  # of four epochs
    assert done.record["trial"]["score"] == min(validation.value for validation in watcher.told)
    scores, score = done.metrics["validation"], done.record["trial"]["score"]

    whole = run(draft, tmp_path / "run", resume=True)
    assert whole.status == "finished"
    assert whole.record["speed"]["steps"] == steps[-1]
    assert whole.metrics["validation"] == scores
    assert whole.record["trial"]["score"] == score
    assert whole.record["speed"]["train_seconds"] >= done.record["speed"]["train_seconds"]
    assert whole.record["resumed"] == []


def test_a_trial_is_stopped_and_its_folder_is_small(recipe, tmp_path):
    watcher = Watcher(stop=2)
    folder = tmp_path / "run"
    ended = do(Task("r", recipe().values, str(folder), None), watcher)
    assert ended.state == "pruned"
    assert len(watcher.told) == 2
    assert Run(folder).status == "pruned"
    assert not (folder / "checkpoints").exists()
    assert not list(folder.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("settings", "metric", "reason", "said"),
    [
        (["training.learning_rate=1e30", "training.max_grad_norm=0"], None, "diverged",
         "learning_rate"),
        (["method={name: partial, blocks: 9}"], None, "refused", "9 last blocks"),
        ([], "acuracy", "refused", "Did you mean 'accuracy'?"),
    ],
)  # fmt: skip
def test_a_trial_says_why_it_failed(recipe, tmp_path, settings, metric, reason, said):
    ended = do(Task("r", recipe(*settings).values, str(tmp_path / "run"), metric), Watcher())
    assert (ended.state, ended.reason) == ("failed", reason)
    assert said in ended.error


def test_want_of_memory_is_told_from_other_failures():
    assert reason_of(BatchSizeError("a step of one row does not fit", None)) == "memory"
    error = UserError("x")
    error.__cause__ = MemoryError()
    assert reason_of(error) == "memory"
    assert reason_of(ValueError("odd")) == "error"
