"""Trackers: files and stores of TensorBoard and MLflow as their own packages read them back."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest
from text_rows import sentences

import toolkit
from toolkit.cli.main import outcome
from toolkit.testing.interruptions import alone, killed
from toolkit.training import trackers, tracking

SETTINGS = {"num_train_epochs": 2, "learning_rate": 2e-3, "logging_steps": 1}


def arguments(folder, model, **training):
    lines = "".join(f"{text},{label}\n" for text, label in sentences(150))
    (folder / "rows.csv").write_text("text,label\n" + lines)
    return [
        "text-classification", "--quiet", "--data", str(folder / "rows.csv"), "--model", str(model),
        "--set", "report.metrics=[accuracy]",
        "--set", f"training={json.dumps({**SETTINGS, **training})}",
    ]  # fmt: skip


def events(folder):
    """Return tag -> {step: value}, and what stands as text."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder)).Reload()
    tags = read.Tags()
    scalars = {tag: [(e.step, e.value) for e in read.Scalars(tag)] for tag in tags["scalars"]}
    return scalars, {tag.split("/")[0] for tag in tags["tensors"]}


@pytest.fixture(scope="module")
def followed(tmp_path_factory, tiny_model):
    """A run that names no tracker."""
    pytest.importorskip("tensorboard", reason="tensorboard (extra `trackers`) is not installed")
    folder = tmp_path_factory.mktemp("tensorboard")
    asked = arguments(folder, tiny_model)
    assert outcome(["run", *asked, "--out", str(folder / "out")]) == 0
    return toolkit.load_run(folder / "out")


def test_tensorboard_has_training_scores_and_baselines_where_it_is_installed(followed):
    record = followed.record
    scalars, texts = events(followed.path / "logs")
    steps = record["speed"]["steps"]
    assert [step for step, _ in scalars["train/loss"]] == list(range(1, steps + 1))
    assert len(scalars["eval/accuracy"]) == 2
    for part, name in (("test", "accuracy"), ("baselines/majority", "accuracy")):
        score = record["metrics"]["test"] if part == "test" else record["baselines"]["majority"]
        for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            ((step, value),) = scalars[f"{part}/{name}{suffix}"]
            assert (step, value) == (steps, pytest.approx(score[name][key]))
    assert {"summary", "facts"} <= texts
    assert record["trackers"]["tensorboard"] == {"folder": "logs"}
    assert not (followed.path / "checkpoints").exists()


def test_the_scores_of_a_record_have_names():
    score = {"value": 0.5, "low": 0.25, "high": None}
    record = {
        "metrics": {"test": {"f1": score}},
        "baselines": {"majority": {"f1": {"value": None}}},
    }
    assert tracking.scores(record) == {"test/f1": 0.5, "test/f1_low": 0.25}


@pytest.mark.parametrize(
    ("name", "package"),
    [("comet_ml", "comet-ml"), ("clearml", "clearml"), ("mlflow", "'finetune-toolkit[trackers]'")],
)
def test_a_tracker_that_is_not_installed_is_told_with_its_package(
    table, tiny_model, capsys, name, package
):
    if importlib.util.find_spec(name.removesuffix("_ml")):
        pytest.skip(f"{package} is installed")
    assert outcome(["run", "text-classification", "--data", str(table), "--model", str(tiny_model),
                    "--set", f"training.report_to={name}"]) == 2  # fmt: skip
    said = capsys.readouterr().err
    assert f"{name} is not installed: pip install {package}" in said
    assert len(said.partition("Error: ")[2].strip().splitlines()) == 1


def test_nothing_is_logged_where_nothing_is_asked_for(table, tiny_model):
    from toolkit.recipe.library import find_recipe
    from toolkit.runner.prepare import prepare

    for value in ("none", None):
        job = prepare(find_recipe("text-classification", [
            (("data", "source"), str(table)), (("model",), str(tiny_model)),
            (("training", "report_to"), value),
        ]))  # fmt: skip
        assert job.arguments.report_to == []


def gone(target):
    """A tracker whose service is no longer there when the run is done."""

    def log(final):
        raise ConnectionError("nobody answers\nat all")

    yield {"folder": target.logs.name}, log


def test_a_tracker_that_fails_in_the_end_takes_nothing_away(
    tmp_path, tiny_model, monkeypatch, capsys
):
    pytest.importorskip("tensorboard", reason="tensorboard (extra `trackers`) is not installed")
    monkeypatch.setitem(trackers.KINDS, "tensorboard", gone)
    asked = [part for part in arguments(tmp_path, tiny_model) if part != "--quiet"]
    assert outcome(["run", *asked, "--out", str(tmp_path / "out")]) == 0
    assert "tensorboard did not take the final scores: ConnectionError: nobody answers" in " ".join(
        capsys.readouterr().out.split()
    )
    record = toolkit.load_run(tmp_path / "out").record
    assert record["status"] == "finished"
    assert record["trackers"]["tensorboard"]["error"] == "ConnectionError: nobody answers"


@pytest.mark.slow
def test_a_resumed_run_goes_on_in_the_same_events(tmp_path, tiny_model, followed):
    asked = arguments(tmp_path, tiny_model)
    out = tmp_path / "out"
    assert killed("step", 6, [*asked, "--out", str(out)]) < 0
    assert alone([*asked, "--out", str(out), "--resume"]).returncode == 0
    before, after = events(followed.path / "logs")[0], events(out / "logs")[0]
    assert after["train/loss"] == before["train/loss"]
    assert after["test/accuracy"] == before["test/accuracy"]


MLFLOW = """
import json, sys
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
run = mlflow.get_run(sys.argv[2])
client = mlflow.MlflowClient()
losses = [m.step for m in client.get_metric_history(sys.argv[2], "loss")]
print(json.dumps({
    "status": run.info.status, "name": run.info.run_name, "losses": sorted(set(losses)),
    "metrics": run.data.metrics, "params": run.data.params,
    "files": [item.path for item in client.list_artifacts(sys.argv[2])],
    "runs": len(mlflow.search_runs(search_all_experiments=True, output_format="list")),
}))
"""


def mlflow_of(record):
    """Read a run of MLflow in a process of its own: its imports warn of what is theirs to mend."""
    found = record["trackers"]["mlflow"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MLFLOW, found["uri"], found["run_id"]],
        capture_output=True, text=True, check=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def needs_mlflow(tmp_path, monkeypatch):
    """Start in a folder of its own, where MLflow can keep a store."""
    for needed in ("mlflow", "sqlalchemy", "alembic"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} (extra `trackers`) is not installed")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.mark.slow
def test_mlflow_has_scores_params_and_files_and_a_resumed_run_is_the_same_run(
    tmp_path, tiny_model, needs_mlflow
):
    asked = arguments(tmp_path, tiny_model, report_to=["mlflow"])
    out = tmp_path / "out"
    assert killed("step", 6, [*asked, "--out", str(out)]) < 0
    begun = json.loads((out / "run.json").read_text())["trackers"]["mlflow"]["run_id"]
    assert alone([*asked, "--out", str(out), "--resume"]).returncode == 0
    record = json.loads((out / "run.json").read_text())
    assert record["trackers"]["mlflow"]["run_id"] == begun
    found = mlflow_of(record)
    assert (found["status"], found["runs"]) == ("FINISHED", 1)
    assert found["losses"] == list(range(1, record["speed"]["steps"] + 1))
    score = record["metrics"]["test"]["accuracy"]
    for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
        assert found["metrics"][f"test/accuracy{suffix}"] == pytest.approx(score[key])
    majority = record["baselines"]["majority"]["accuracy"]["value"]
    assert found["metrics"]["baselines/majority/accuracy"] == pytest.approx(majority)
    assert found["params"]["toolkit.model"] == str(tiny_model)
    assert {"report.html", "README.md", "recipe.yaml"} <= set(found["files"])
    assert record["trackers"]["mlflow"]["uri"] == f"sqlite:///{needs_mlflow}/runs/mlflow.db"


@pytest.mark.slow
def test_runs_of_one_place_are_in_one_store_and_a_resumed_run_stays_in_its_own(
    tmp_path, tiny_model, needs_mlflow, monkeypatch
):
    asked = arguments(tmp_path, tiny_model, report_to=["mlflow"], num_train_epochs=1)
    assert alone([*asked, "--out", str(tmp_path / "one")]).returncode == 0
    assert killed("step", 3, [*asked, "--out", str(tmp_path / "two")]) < 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert alone([*asked, "--out", str(tmp_path / "two"), "--resume"]).returncode == 0
    found = [mlflow_of(toolkit.load_run(tmp_path / name).record) for name in ("one", "two")]
    assert [(one["status"], one["runs"]) for one in found] == [("FINISHED", 2)] * 2
    assert not list(elsewhere.iterdir())


@pytest.mark.slow
def test_two_runs_that_make_the_store_at_once_are_both_in_it(tmp_path, tiny_model, needs_mlflow):
    asked = arguments(tmp_path, tiny_model, report_to=["mlflow"], num_train_epochs=1)
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    outs = [tmp_path / name for name in ("one", "two")]
    command = [sys.executable, "-W", "ignore", "-m", "toolkit", "run", *asked]
    both = [
        subprocess.Popen([*command, "--out", str(out)], env=environment, cwd=needs_mlflow)
        for out in outs
    ]
    assert [one.wait() for one in both] == [0, 0]
    assert mlflow_of(toolkit.load_run(outs[0]).record)["runs"] == 2


NESTED = """
import json, sys
import mlflow
import toolkit
data, model, out, store = sys.argv[1:]
mlflow.set_tracking_uri(store)
mlflow.set_experiment("mine")
with mlflow.start_run() as outer:
    for rate in (0.001, 0.005):
        toolkit.run("text-classification", data=data, model=model, out=f"{out}/{rate}", settings={
            "training.report_to": "mlflow", "training.num_train_epochs": 1,
            "training.learning_rate": rate, "report.metrics": ["accuracy"]})
        assert mlflow.active_run() is outer
    mlflow.log_param("mine", 1)
runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
print(json.dumps([{
    "outer": outer.info.run_id,
    "experiment": outer.info.experiment_id, "of": run.info.experiment_id,
    "below": run.data.tags.get("mlflow.parentRunId"), "status": run.info.status,
    "rate": run.data.params.get("learning_rate"), "accuracy": run.data.metrics.get("test/accuracy"),
} for run in runs]))
"""


@pytest.mark.slow
def test_runs_within_an_active_run_of_mlflow_have_their_own_parameters_and_scores(
    tmp_path, tiny_model, needs_mlflow
):
    arguments(tmp_path, tiny_model)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NESTED, str(tmp_path / "rows.csv"), str(tiny_model),
         str(tmp_path), f"sqlite:///{tmp_path}/own.db"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Changing param values" not in done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    below = {run["rate"]: run for run in found if run["below"] == run["outer"]}
    assert set(below) == {"0.001", "0.005"}
    for rate, run in below.items():
        record = toolkit.load_run(tmp_path / rate).record
        assert run["accuracy"] == pytest.approx(record["metrics"]["test"]["accuracy"]["value"])
        assert (run["of"], run["status"]) == (run["experiment"], "FINISHED")
    assert not (needs_mlflow / "runs").exists()


@pytest.mark.slow
def test_a_store_that_cannot_be_opened_is_told_before_training(tmp_path, tiny_model, needs_mlflow):
    asked = arguments(tmp_path, tiny_model, report_to=["mlflow"])
    nowhere = {**os.environ, "MLFLOW_TRACKING_URI": "nosuch://place"}
    done = alone([*asked, "--out", str(tmp_path / "out")], nowhere)
    assert done.returncode == 2
    assert "training.report_to: mlflow cannot be opened" in done.stderr
    assert not (tmp_path / "out" / "checkpoints").exists()


TRACKIO = """
import json, sys
from trackio.sqlite_storage import SQLiteStorage
rows = SQLiteStorage.get_logs(sys.argv[1], sys.argv[2])
print(json.dumps([{k: v for k, v in row.items() if isinstance(v, (int, float))} for row in rows]))
"""


@pytest.mark.slow
def test_wandb_stays_offline_and_trackio_has_the_scores(tmp_path, tiny_model):
    pytest.importorskip("wandb", reason="wandb is not installed")
    pytest.importorskip("trackio", reason="trackio is not installed")
    asked = arguments(tmp_path, tiny_model, report_to=["wandb", "trackio"])
    out, environment = tmp_path / "out", {**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio")}
    assert alone([*asked, "--out", str(out)], environment).returncode == 0
    record = json.loads((out / "run.json").read_text())
    assert record["trackers"]["wandb"]["mode"] == "offline"
    identity = record["trackers"]["wandb"]["id"]
    assert list((out / "logs" / "wandb").glob(f"offline-run-*/run-{identity}.wandb"))
    named = record["trackers"]["trackio"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRACKIO, named["project"], named["run"]],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    rows = json.loads(done.stdout.splitlines()[-1])
    assert any("train/loss" in row for row in rows)
    score = record["metrics"]["test"]["accuracy"]["value"]
    assert rows[-1]["test/accuracy"] == pytest.approx(score)
