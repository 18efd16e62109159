"""What befalls a run, for real: full disks, quotas, killed workers, losses gone mad."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys

import psutil
import pytest
from text_rows import sentences
from toolkit_plugins.text.classification.plugin import TextClassification

import toolkit
from toolkit.cli.main import outcome
from toolkit.testing.interruptions import assert_same_end, undisturbed
from toolkit.training import checkpoints

MOUNT = shutil.which("mount")


@pytest.fixture(scope="module")
def asked(tmp_path_factory, tiny_model):
    """Return a function: settings of training -> the arguments of a small run, but for --out."""
    folder = tmp_path_factory.mktemp("rows")
    rows = "\n".join(f"{text},{label}" for text, label in sentences(120))
    (folder / "rows.csv").write_text(f"text,label\n{rows}\n")

    def arguments(**settings):
        given = {"num_train_epochs": 3, "per_device_train_batch_size": 8, **settings}
        return [
            "text-classification", "--quiet", "--data", str(folder / "rows.csv"),
            "--model", str(tiny_model), "--set", f"training={json.dumps(given)}",
        ]  # fmt: skip

    return arguments


def record(out):
    return json.loads((out / "run.json").read_text())


# The second fills up while the optimizer's state is written, to the last byte.
@pytest.mark.slow
@pytest.mark.parametrize("size", ["400k", "1m"])
def test_a_full_disk_costs_no_more_than_the_last_checkpoint(asked, mounted, tmp_path, capfd, size):
    disk = mounted(f"size={size}")
    out = disk / "run"
    assert undisturbed([*asked(), "--out", str(out)]) == 1
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert "make room, then go on with: toolkit run" in said
    assert record(out)["status"] == "failed"
    assert "make room" in record(out)["error"]
    assert not (out / "run.lock").exists()
    kept = checkpoints.newest(out / "checkpoints")
    assert kept.step >= 11
    assert kept.passed_over == []
    subprocess.run([MOUNT, "-o", "remount,size=16m", str(disk)], check=True)
    assert undisturbed([*asked(), "--out", str(out), "--resume"]) == 0
    assert record(out)["resumed"][0]["step"] == kept.step
    assert undisturbed([*asked(), "--out", str(tmp_path / "whole")]) == 0
    assert_same_end(out, tmp_path / "whole")


@pytest.mark.slow
def test_a_quota_is_told_as_what_it_is(asked, tmp_path):
    """No file may be larger than the model's weights, which the optimizer's state is."""
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000));"
        "from toolkit.cli.main import outcome; sys.exit(outcome(sys.argv[1:]))"
    )
    out = tmp_path / "run"
    done = subprocess.run([sys.executable, "-c", limited, "run", *asked(), "--out", str(out)],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "make room, then go on with" in done.stderr
    assert record(out)["status"] == "failed"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 120_000


def test_a_folder_that_cannot_be_written_is_told_before_training(asked, mounted, capfd):
    out = mounted("ro") / "run"
    assert outcome(["run", *asked(), "--out", str(out)]) == 2
    assert f"--out {out} cannot be written: Read-only file system" in capfd.readouterr().err


@pytest.mark.slow
def test_a_killed_worker_is_told_and_the_run_goes_on(asked, tmp_path):
    out = tmp_path / "run"
    arguments = [*asked(dataloader_num_workers=1, num_train_epochs=40), "--out", str(out)]
    command = [sys.executable, "-m", "toolkit", "run", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list((out / "checkpoints").glob("checkpoint-*")):
        assert process.poll() is None, process.stderr.read()
    workers = []
    while not workers:
        for child in psutil.Process(process.pid).children():
            with_name = [*child.cmdline(), child.name()]
            if not any("resource_tracker" in part for part in with_name):
                workers.append(child.pid)
    os.kill(workers[0], signal.SIGKILL)
    said = process.communicate()[1]
    assert process.returncode == 1, said
    assert "Traceback" not in said
    assert "a process that prepares rows has ended" in said
    assert record(out)["status"] == "failed"
    assert checkpoints.newest(out / "checkpoints").step >= 11


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"learning_rate": 1e30, "logging_steps": 2}, "the loss is nan in step"),
        ({"learning_rate": 1e3, "logging_steps": 1, "optim": "sgd", "max_grad_norm": 1e9},
         "the loss has grown from"),
        ({"learning_rate": 1e30, "logging_strategy": "no"}, "weights are not finite after step 11"),
    ],
)  # fmt: skip
def test_a_loss_gone_mad_ends_the_run_at_the_last_good_checkpoint(asked, tmp_path, settings, said):
    given = {"warmup_steps": 0, "lr_scheduler_type": "constant", "bf16": False, **settings}
    out = tmp_path / "run"
    with pytest.raises(toolkit.errors.TrainingError, match=said) as raised:
        run(asked(**given), out)
    assert "step" in str(raised.value)
    assert "learning_rate" in str(raised.value)
    assert record(out)["status"] == "failed"
    found = checkpoints.newest(out / "checkpoints")
    assert found.path is None or finite(found.path)


def test_the_command_that_goes_on_is_shown_after_an_error_of_a_library(
    asked, tmp_path, capsys, monkeypatch
):
    def raises(*_, **__):
        raise OSError("the cable is out")

    out, arguments = tmp_path / "run", asked(max_steps=2)
    arguments.remove("--quiet")
    with monkeypatch.context() as patched:
        patched.setattr(TextClassification, "calibrate", raises)
        assert outcome(["run", *arguments, "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert "the cable is out" in said.err
    assert f"go on with: toolkit run {out}/recipe.yaml --out {out} --resume" in said.out
    assert outcome(["run", f"{out}/recipe.yaml", "--out", str(out), "--resume"]) == 0

    mad = asked(learning_rate=1e30, logging_steps=1, warmup_steps=0, bf16=False)
    mad.remove("--quiet")
    assert outcome(["run", *mad, "--out", str(tmp_path / "mad")]) == 1
    assert "go on with" not in capsys.readouterr().out  # which would end as it did
    assert outcome(["runs", str(tmp_path)]) == 0
    assert "DivergenceError: the loss is nan in step" in capsys.readouterr().out


@pytest.mark.slow
def test_rows_that_vanish_are_named(asked, tmp_path, capfd):
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\n" + "\n".join(f"{t},{x}" for t, x in sentences(60)))
    out = tmp_path / "run"
    arguments = [*asked(max_steps=40), "--data", str(rows), "--out", str(out)]
    command = [sys.executable, "-m", "toolkit.testing.interruptions", "step", "20", "15"]
    process = subprocess.Popen([*command, "run", *arguments])
    while not (out / "run.json").exists():
        assert process.poll() is None
    rows.unlink()  # what has begun has its rows
    assert process.wait() == 130
    assert outcome(["run", *arguments, "--resume"]) == 2
    assert f"{rows}: there is no such file" in capfd.readouterr().err
    assert record(out)["status"] == "interrupted"


def run(arguments, out):
    """Run in this process, and let what is raised pass."""
    from toolkit.cli.main import cli

    cli.main(["run", *arguments, "--out", str(out)], prog_name="toolkit", standalone_mode=False)


def finite(checkpoint):
    import torch
    from safetensors.torch import load_file

    return all(
        torch.isfinite(w).all() for w in load_file(checkpoint / "model.safetensors").values()
    )
