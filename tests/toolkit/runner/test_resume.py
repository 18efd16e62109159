"""A run that was ended anywhere, and resumed, ends where it would have ended."""

import importlib
import json
import os
import signal
import subprocess
import sys

import pytest
from text_rows import sentences

import toolkit
from toolkit.errors import UserError
from toolkit.testing.interruptions import MOMENTS, assert_same_end, killed, undisturbed
from toolkit.training import checkpoints
from toolkit.utils import locks

METHODS = {"full": [], "lora": ["--method", "lora"], "head": ["--method", "head"]}


@pytest.fixture(scope="module")
def asked(tmp_path_factory, tiny_model):
    """Return a function: method -> the arguments of a small run, but for --out."""
    folder = tmp_path_factory.mktemp("rows")
    lines = "\n".join(f"{text},{label}" for text, label in sentences(120))
    (folder / "rows.csv").write_text(f"text,label\n{lines}\n")
    settings = {"num_train_epochs": 3, "per_device_train_batch_size": 8, "learning_rate": 1e-3}

    def arguments(method="full"):
        return [
            "text-classification", "--quiet", "--data", str(folder / "rows.csv"),
            "--model", str(tiny_model), "--set", f"training={json.dumps(settings)}",
            *METHODS[method],
        ]  # fmt: skip

    return arguments


@pytest.fixture(scope="module")
def whole(asked, tmp_path_factory):
    """Return a function: method -> the folder of a run that nothing disturbed."""
    made = {}

    def get(method="full"):
        if method not in made:
            made[method] = tmp_path_factory.mktemp("whole") / method
            assert undisturbed([*asked(method), "--out", str(made[method])]) == 0
        return made[method]

    return get


def resumed(asked, out, whole):
    """Resume a run, and compare it with the undisturbed one; return what it says of that."""
    assert undisturbed([*asked, "--out", str(out), "--resume"]) == 0
    assert_same_end(out, whole)
    assert not (out / "run.lock").exists()
    assert not (out / "checkpoints").exists()
    return json.loads((out / "run.json").read_text())["resumed"]


def test_killed_in_the_midst_of_an_epoch(asked, whole, tmp_path):
    out = tmp_path / "run"
    assert killed("step", 15, [*asked(), "--out", str(out)]) == -signal.SIGKILL
    assert json.loads((out / "run.json").read_text())["status"] == "running"
    (start,) = resumed(asked(), out, whole())
    assert (start["status"], start["step"], start["passed_over"]) == ("running", 11, [])
    logs = [json.loads((run / "logs" / "history.json").read_text()) for run in (out, whole())]
    steps, losses = ([[line.get(key) for line in log] for log in logs] for key in ("step", "loss"))
    assert steps[0] == steps[1]
    assert losses[0] == losses[1]
    seconds = [line["seconds"] for line in logs[0]]
    assert seconds == sorted(seconds)  # the clock goes on where the checkpoint's stood


@pytest.mark.parametrize("moment", MOMENTS)
def test_every_moment_is_one_of_the_code(moment):
    """The nightly kills would find none, and lose nothing."""
    module, owner, name = MOMENTS[moment]
    place = importlib.import_module(module)
    assert callable(getattr(getattr(place, owner) if owner else place, name))


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("method", "moment", "count", "step"),
    [
        ("full", "step", 3, 0),
        ("full", "evaluation", 2, 11),
        ("full", "checkpoint", 2, 11),
        ("full", "rename", 2, 11),
        ("full", "save", 1, 33),
        ("full", "reload", 1, 33),
        ("lora", "step", 25, 22),
        ("lora", "checkpoint", 1, 0),
        ("head", "evaluation", 1, None),
        ("head", "reload", 1, None),
    ],
)
def test_killed_at_any_moment(asked, whole, tmp_path, method, moment, count, step):
    out = tmp_path / "run"
    assert killed(moment, count, [*asked(method), "--out", str(out)]) == -signal.SIGKILL
    (start,) = resumed(asked(method), out, whole(method))
    assert start.get("step") == step
    if moment in ("checkpoint", "rename"):
        assert any("was not written to its end" in reason for reason in start["passed_over"])


@pytest.mark.parametrize("step", [14, pytest.param(22, marks=pytest.mark.nightly)])
def test_a_signal_ends_it_after_the_step_with_a_checkpoint(asked, whole, tmp_path, capfd, step):
    out = tmp_path / "run"
    code = killed("step", step, [*asked(), "--out", str(out)], signal.SIGTERM)
    assert code == 130
    said = capfd.readouterr().err
    assert f"interrupted: SIGTERM after step {step}; go on with: toolkit run" in said
    record = json.loads((out / "run.json").read_text())
    assert (record["status"], record["error"]) == ("interrupted", f"SIGTERM after step {step}")
    assert not (out / "run.lock").exists()
    (start,) = resumed(asked(), out, whole())
    assert start["step"] == step


def test_a_second_signal_and_one_outside_training_stop_at_once(asked, tmp_path):
    out = tmp_path / "run"
    assert killed("reload", 1, [*asked(), "--out", str(out)], signal.SIGINT) == 130
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "interrupted"
    assert (out / "predictions.jsonl").exists()


def test_a_damaged_checkpoint_is_named_and_passed_over(asked, whole, tmp_path):
    out = tmp_path / "run"
    killed("step", 30, [*asked(), "--out", str(out)])
    found = checkpoints.newest(out / "checkpoints")
    assert found.step == 22
    weights = found.path / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    again = checkpoints.newest(out / "checkpoints")
    assert again.passed_over == ["checkpoint-22: model.safetensors is damaged"]
    weights.write_bytes(content[:100])
    assert "has 100 bytes of" in checkpoints.fault(found.path)
    weights.unlink()
    assert checkpoints.fault(found.path) == "model.safetensors is missing"
    (start,) = resumed(asked(), out, whole())
    assert start["step"] == again.step < 22
    assert start["passed_over"] == ["checkpoint-22: model.safetensors is missing"]


def test_what_is_finished_is_not_run_again(asked, whole):
    before = (whole() / "run.json").read_bytes()
    assert undisturbed([*asked(), "--out", str(whole()), "--resume"]) == 0
    assert (whole() / "run.json").read_bytes() == before


def test_another_recipe_is_not_taken_up(asked, table, tiny_model, tmp_path):
    settings = {"training": {"max_steps": 2}}
    toolkit.run("text-classification", data=table, model=tiny_model, out=tmp_path / "made",
                settings=settings)  # fmt: skip
    made = tmp_path / "made"
    record = json.loads((made / "run.json").read_text())
    (made / "run.json").write_text(json.dumps({**record, "status": "failed"}))
    with pytest.raises(UserError) as wrong:
        toolkit.run("text-classification", data=table, model=tiny_model, out=made, resume=True,
                    seed=7, settings={"training": {"max_steps": 3}})  # fmt: skip
    places = {fault.where for fault in wrong.value.faults}
    assert places == {"seed", "training.max_steps"}
    table.write_text(table.read_text() + "one more apple,fruit\n")
    with pytest.raises(UserError, match="the rows have changed since the start"):
        toolkit.run("text-classification", data=table, model=tiny_model, out=made, resume=True,
                    settings=settings)  # fmt: skip
    assert json.loads((made / "run.json").read_text())["status"] == "failed"
    with pytest.raises(UserError, match=r"a run that is failed: --resume goes on with it"):
        toolkit.run("text-classification", data=table, model=tiny_model, out=made)


HOLDER = """
import sys
from pathlib import Path
from toolkit.utils import locks
locks.acquire(Path(sys.argv[1]))
print("held", flush=True)
input()
"""


def test_a_folder_has_one_writer_and_a_killed_one_leaves_nothing_behind(tmp_path):
    lock = tmp_path / locks.NAME
    locks.acquire(tmp_path)
    with pytest.raises(UserError, match=f"written by another process .{os.getpid()}."):
        locks.acquire(tmp_path)
    locks.release(tmp_path)
    assert list(tmp_path.iterdir()) == []
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert holder.stdout.readline() == b"held\n"
    for look in (locks.acquire, locks.refuse_held):
        with pytest.raises(UserError, match=f"written by another process .{holder.pid}."):
            look(tmp_path)
    holder.kill()
    holder.communicate()
    assert lock.exists()
    locks.refuse_held(tmp_path)
    locks.acquire(tmp_path)
    locks.release(tmp_path)
    lock.write_text("half")
    locks.acquire(tmp_path)
    locks.release(tmp_path)
    lock.write_text("1\nelsewhere\n")  # a machine that was taken away
    locks.acquire(tmp_path)
    assert lock.read_text().startswith(f"{os.getpid()}\n")
    locks.release(tmp_path)
