"""A sweep: trials on validation, the best one scored on test once, cut off and resumed."""

from __future__ import annotations

import json
import shutil

import pytest
from sweeps import HereEngine, PretendedEngine

import toolkit
from toolkit.cli.main import outcome
from toolkit.errors import Interrupted, ToolkitError, UserError
from toolkit.recipe.library import find_recipe
from toolkit.reporting.html import sweep as page
from toolkit.runner.sweeping import sweep as searching
from toolkit.runner.sweeping.asked import Options
from toolkit.runner.sweeping.engine import Ended
from toolkit.runner.sweeping.given import from_python
from toolkit.runs.folder import Run
from toolkit.runs.sweep_folder import Sweep

RATES = {"training.learning_rate": "choice(1e-2, 1e-4, 2e-3)"}


@pytest.fixture(scope="module")
def trials_here():
    """Let trials run in this process, which has imported the libraries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "LocalEngine", HereEngine)
        yield


@pytest.fixture(scope="module")
def found(tmp_path_factory, asked, trials_here):
    """A sweep of three learning rates."""
    out = tmp_path_factory.mktemp("sweep") / "out"
    space = "training.learning_rate=choice(1e-2, 1e-4, 2e-3)"
    assert outcome(["sweep", *asked, "--set", space, "--search", "grid", "--out", str(out)]) == 0
    return toolkit.Sweep(out)


def test_trials_are_runs_whose_test_split_is_not_touched(found):
    assert found.status == "finished"
    assert [one["state"] for one in found.trials] == ["validated"] * 3
    assert [one["default"] for one in found.trials] == [True, False, False]
    rates = [one["values"]["training.learning_rate"] for one in found.trials]
    assert rates == [1e-2, 1e-4, 2e-3]
    for one in found.trials:
        run = Run(found.folder_of(one["number"]))
        chosen = one["number"] == found.chosen
        assert run.status == ("finished" if chosen else "validated")
        assert ("test" in run.metrics) == chosen
        assert (run.path / "predictions.jsonl").exists() == chosen
        assert run.metrics["validation"]["accuracy"]["value"] == one["score"]
        assert not (run.path / "checkpoints").exists()
        assert bool(list(run.path.glob("model/*.safetensors"))) == chosen
        assert len(one["evaluations"]) == 4


def test_the_best_by_validation_is_chosen_and_its_run_says_so(found):
    scores = [one["score"] for one in found.trials]
    assert len({*scores}) > 1
    assert scores[found.chosen] == max(scores)
    assert scores.index(max(scores)) == found.chosen
    best = found.best
    assert best.record["picked"]["trials"] == 3
    assert "resumed" not in best.record or best.record["resumed"] == []
    assert best.record["reload"]["different"] == 0
    assert best.record["speed"]["train_samples_per_second"] > 0
    for name in ("README.md", "report.html"):
        assert "picked from 3 by validation" in (best.path / name).read_text()
    assert "picked from 3 by accuracy on validation" in found.report.read_text()
    settings = find_recipe(str(found.best_recipe)).checked().training
    assert (
        settings["learning_rate"] == found.trials[found.chosen]["values"]["training.learning_rate"]
    )


def test_commands_take_the_sweep_for_its_chosen_run(found, tmp_path, capsys):
    (tmp_path / "new.csv").write_text("text\nmy red apple\nthe old saw\n")
    out = tmp_path / "out.csv"
    assert outcome(["predict", str(found.path), str(tmp_path / "new.csv"), "-o", str(out)]) == 0
    assert len(out.read_text().splitlines()) == 3
    assert toolkit.load_run(found.path).path == found.folder_of(found.chosen)
    before = found.report.read_bytes()
    assert outcome(["report", str(found.path)]) == 0
    assert found.report.read_bytes() == before
    capsys.readouterr()
    assert outcome(["runs", str(found.path.parent)]) == 0
    said = capsys.readouterr().out
    assert said.count("finished") == 1
    assert "3 trials: 3 trained to their end; test accuracy 0." in " ".join(said.split())
    assert outcome(["runs", str(found.path)]) == 0
    assert capsys.readouterr().out.count("validated") == 2


def test_trials_are_compared_on_validation_alone(found, capsys):
    folders = [str(found.folder_of(number)) for number in (0, 1)]
    assert outcome(["compare", *folders, "--split", "validation"]) == 0
    assert "training.learning_rate" in capsys.readouterr().out
    assert outcome(["compare", *folders]) == 2
    assert "a trial, scored on validation alone (--split validation)" in capsys.readouterr().err


def test_a_trial_without_weights_says_what_makes_them(found, tmp_path, capsys):
    other = next(one["number"] for one in found.trials if one["number"] != found.chosen)
    with pytest.raises(UserError, match="keeps weights of the chosen one only: toolkit run"):
        toolkit.load_run(found.folder_of(other)).predict("my red apple")


def test_a_finished_sweep_takes_no_further_trials(found, asked, capsys):
    again = ["sweep", *asked, "--set", "training.learning_rate=choice(1e-2, 1e-4, 2e-3)",
             "--search", "grid", "--out", str(found.path), "--resume"]  # fmt: skip
    before = (found.path / "sweep.json").read_bytes()
    assert outcome(again) == 0
    assert (found.path / "sweep.json").read_bytes() == before
    assert outcome([*again, "--trials", "5"]) == 2
    assert "would choose again after that: begin a new sweep" in capsys.readouterr().err


# The rest of it, with engines that only pretend to train.


def rising(training, epoch):
    """Return the score of a trial: best at a learning rate of 1e-3."""
    rate = training["learning_rate"]
    return (1 - abs(rate - 1e-3) / 1e-2) * (1 - 0.5**epoch)


@pytest.fixture
def search(asked, tmp_path, monkeypatch):
    """Return what runs a sweep with a pretending engine."""
    monkeypatch.setattr(page, "write", lambda found: None)  # there are no scores to show
    recipe, settings = asked[0], {"training.learning_rate": 1e-2, "training.num_train_epochs": 2}
    draft = find_recipe(recipe, [(("data", "source"), asked[3]), (("model",), asked[5]),
                                 *((tuple(key.split(".")), value)
                                   for key, value in settings.items())])  # fmt: skip

    def run(engine, space=None, resume=False, **options):
        found, origins = from_python(space or {})
        given = Options(found, origins, **options)
        return searching.run(draft, given, tmp_path / "out", None, resume, engine)

    run.out = tmp_path / "out"
    return run


WIDE = {"training.learning_rate": "loguniform(1e-5, 1e-2)"}


def values(found):
    return [one["values"]["training.learning_rate"] for one in found.trials]


@pytest.mark.parametrize("how", ["random", "tpe"])
def test_a_sweep_that_is_cut_off_goes_on_as_it_would_have(search, tmp_path, how):
    whole = search(PretendedEngine(rising), WIDE, search=how, trials=9, prune="asha")
    shutil.move(search.out, tmp_path / "whole")
    for moment in (0, 3, 8):
        shutil.rmtree(search.out, ignore_errors=True)
        first = PretendedEngine(rising, ends={moment: KeyboardInterrupt("SIGTERM")})
        with pytest.raises(Interrupted, match="go on with: toolkit sweep .*recipe.yaml --out"):
            search(first, WIDE, search=how, trials=9, prune="asha")
        assert Sweep(search.out).status == "interrupted"
        second = PretendedEngine(rising)
        found = search(second, resume=True)  # all else is as it was
        assert values(found) == values(whole)
        assert [one["state"] for one in found.trials] == [one["state"] for one in whole.trials]
        assert found.chosen == whole.chosen
        begun = [number for number, _ in (*first.ran, *second.ran)]
        assert begun == [*range(moment + 1), *range(moment, 9), found.chosen]


def test_what_a_killed_sweep_had_not_written_is_taken_over(search):
    """Its trial had ended, or was decided to stop, when the sweep itself was killed."""
    search(PretendedEngine(rising), WIDE, trials=4, prune="asha")
    record = json.loads((search.out / "sweep.json").read_text())
    score = record["trials"][1]["score"]
    record |= {"status": "running", "chosen": None}
    record["trials"][1] |= {"state": "running", "score": None}
    (search.out / "sweep.json").write_text(json.dumps(record))
    run = search.out / "trial-001" / "run.json"
    run.write_text(json.dumps(json.loads(run.read_text())))
    engine = PretendedEngine(rising)
    found = search(engine, resume=True)
    assert found.trials[1]["score"] == pytest.approx(score)
    assert all(whole for _, whole in engine.ran)  # none was run again


def test_trials_that_fail_are_listed_and_the_sweep_goes_on(search):
    ends = {1: Ended("failed", "memory", "a step of one row does not fit"),
            2: Ended("failed", "diverged", "the loss is nan in step 3")}  # fmt: skip
    found = search(PretendedEngine(rising, ends=ends), WIDE, trials=5)
    assert [one["state"] for one in found.trials] == [
        "validated", "failed", "failed", "validated", "validated"
    ]  # fmt: skip
    assert [one["reason"] for one in found.trials[1:3]] == ["memory", "diverged"]
    assert found.chosen in (0, 3, 4)


def test_a_trial_whose_process_is_killed_is_tried_once_more(search):
    class Killed(PretendedEngine):
        def run(self, task, watcher):
            if task.folder.endswith("001"):
                self.ran.append((1, False))
                return Ended("failed", "killed", "its process was ended from outside by SIGKILL")
            return super().run(task, watcher)

    engine = Killed(rising)
    found = search(engine, WIDE, trials=3)
    assert engine.ran.count((1, False)) == 2
    assert (found.trials[1]["state"], found.trials[1]["attempts"]) == ("failed", 2)


def test_the_same_failure_thrice_in_a_row_ends_the_sweep(search):
    ends = {number: Ended("failed", "error", "no space left") for number in range(1, 9)}
    with pytest.raises(ToolkitError, match="3 trials in a row failed, the last: no space left"):
        search(PretendedEngine(rising, ends=ends), WIDE, trials=9)
    found = Sweep(search.out)
    assert found.status == "failed"
    assert len(found.trials) == 4


def test_wrong_input_in_the_first_trial_ends_the_sweep_and_leaves_nothing(search):
    wrong = Ended("failed", "refused", "x", [("data.source", "has no such column")])
    engine = PretendedEngine(rising, ends={0: wrong})
    with pytest.raises(UserError, match="data.source: has no such column"):
        search(engine, WIDE, trials=3)


def test_a_recipe_outside_the_spaces_is_not_tried(search):
    found = search(PretendedEngine(rising), {"training.learning_rate": "choice(1e-5, 1e-4)"})
    assert values(found) in ([1e-5, 1e-4], [1e-4, 1e-5])
    notes = " ".join(found.record["notes"])
    assert "the recipe's own settings lie outside the spaces" in notes
    assert "all 2 combinations were tried" in notes


def test_the_minutes_are_kept_and_what_was_not_begun_is_told(search, monkeypatch):
    clock = iter(range(0, 100_000, 20))  # each look at the clock is 20 s later
    monkeypatch.setattr(searching.time, "monotonic", lambda: float(next(clock)))
    found = search(PretendedEngine(rising, epochs=1), WIDE, trials=50, minutes=10)
    assert 1 < len(found.trials) < 50
    assert found.chosen is not None
    left = 50 - len(found.trials)
    assert f"{left} of 50 trials were not begun" in " ".join(found.record["notes"])


def test_pruned_trials_are_never_chosen_and_spare_epochs(search):
    found = search(PretendedEngine(rising), WIDE, trials=12, prune="asha")
    states = [one["state"] for one in found.trials]
    assert states.count("pruned") > 3
    assert found.trials[found.chosen]["state"] == "validated"
    assert all(one["steps"] < 90 for one in found.trials if one["state"] == "pruned")


def test_another_sweep_is_not_resumed(search):
    with pytest.raises(Interrupted):
        search(PretendedEngine(rising, ends={2: KeyboardInterrupt()}), WIDE, trials=5)
    with pytest.raises(UserError) as error:
        search(PretendedEngine(rising), {"training.weight_decay": "uniform(0, 0.1)"}, True,
               search="tpe", trials=2)  # fmt: skip
    said = str(error.value)
    assert "--set training.weight_decay: is uniform(0, 0.1), but not searched" in said
    assert "--search: is 'tpe', but 'random'" in said
    assert "--trials: is 2; 3 were begun" in said


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, ["nothing to search: give a space"]),
        ({"training.learning_rte": "uniform(0, 1)"},
         ["space training.learning_rte: is no field of TrainingArguments. "
          "Did you mean 'learning_rate'?"]),
        ({"training.weight_decay": "uniform(-1, 0.1)", "training.num_train_epochs": "choice(two)"},
         ["space training.weight_decay: takes a number from 0, not -1",
          "space training.num_train_epochs: 'two'"]),
        ({"data.split.test": "uniform(0.1, 0.2)", "seed": "int(1, 9)"},
         ["space data.split.test: cannot be searched: data and splits are the same",
          "space seed: cannot be searched"]),
        ({"options.label": ["a", "b"]}, ["options.label: cannot be searched: another target"]),
        ({"options.max_length": "int(0, 9)"}, ["space options.max_length"]),
        ({"method.name": ["full", "lora"], "method.rnk": [1, 2]},
         ["space method.rnk: none of the methods full, lora has it. Did you mean 'rank'?"]),
        ({"method.name": ["full", "lroa"]}, ["there is no method 'lroa'. Did you mean 'lora'?"]),
        ({"training.metric_for_best_model": ["accuracy", "loss"]}, ["--metric NAME"]),
    ],
)  # fmt: skip
def test_spaces_that_do_not_fit_are_refused_before_anything_is_made(search, space, said):
    with pytest.raises(UserError) as error:
        search(PretendedEngine(rising), space)
    for line in said:
        assert line in str(error.value)
    assert not search.out.exists()


def test_a_grid_needs_spaces_that_can_be_counted(search):
    with pytest.raises(UserError, match="a grid cannot list loguniform"):
        search(PretendedEngine(rising), WIDE, search="grid")


def test_ways_that_there_are_not_are_told_together(search):
    with pytest.raises(UserError) as error:
        search(PretendedEngine(rising), WIDE, search="bayes", prune="ash", trials=0, minutes=-1)
    said = str(error.value)
    assert "--search: there is no 'bayes'. Known: random, tpe, grid." in said
    assert "--prune: there is no 'ash'. Did you mean 'asha'?" in said
    assert "--trials: at least 1" in said
    assert "--minutes: takes a number above 0" in said
