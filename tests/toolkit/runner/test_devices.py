"""Several processes, several machines, too little memory: on CPU, with gloo, for real."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import torch
import transformers
from accelerate.data_loader import BatchSamplerShard
from text_rows import sentences

import toolkit
from toolkit.cli.main import outcome
from toolkit.training.sampler import LengthGroupedBatches

LIMIT = 300  # seconds: what takes longer hangs
TOOLKIT = [sys.executable, "-m", "toolkit"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "toolkit"]


@pytest.fixture(scope="module")
def still_model(tiny_model, tmp_path_factory):
    """The tiny model without dropout, which draws other masks for other shapes of batches."""
    folder = tmp_path_factory.mktemp("models") / "still"
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    transformers.AutoModel.from_pretrained(tiny_model, **still).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    """107 rows to train on and 33 to test, so that batches do not divide among two processes.

    Of two processes with batches of four the second has none of the last three rows.
    """
    folder = tmp_path_factory.mktemp("splits")
    rows = sentences(162)
    for name, part in {"train": rows[:107], "dev": rows[112:129], "test": rows[129:]}.items():
        lines = "\n".join(f"{text},{label}" for text, label in part)
        (folder / f"{name}.csv").write_text(f"text,label\n{lines}\n")
    return folder


@pytest.fixture
def command(splits, still_model):
    """Return the arguments of `toolkit run` with these settings."""

    def make(out, *more, **training):
        training = {"bf16": False, "max_steps": 3, **training}
        settings = [f"training.{key}={json.dumps(value)}" for key, value in training.items()]
        return [
            "run", "text-classification", "--data", str(splits), "--model", str(still_model),
            "--out", str(out), *(part for text in settings for part in ("--set", text)), *more,
        ]  # fmt: skip

    return make


def execute(arguments, **environment):
    return subprocess.run(
        arguments, capture_output=True, text=True, timeout=LIMIT, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


def record(folder):
    return json.loads((folder / "run.json").read_text())


def lines(folder):
    text = (folder / "predictions.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def curve(folder, key):
    """The values that Trainer logged, by step."""
    last = max((folder / "checkpoints").glob("checkpoint-*"), key=lambda p: p.stat().st_mtime)
    history = json.loads((last / "trainer_state.json").read_text())["log_history"]
    return [entry[key] for entry in history if key in entry]


@pytest.fixture(scope="module")
def pair(tmp_path_factory, splits, still_model):
    """The same steps of 16 rows in one process, and in two that each take 2 x 4 rows."""
    folder = tmp_path_factory.mktemp("pair")
    settings = {
        "bf16": False, "num_train_epochs": 3, "logging_steps": 1, "save_total_limit": 9,
        "per_device_eval_batch_size": 8, "train_sampling_strategy": "sequential",
        "learning_rate": 5e-3,
    }  # fmt: skip
    one = {**settings, "per_device_train_batch_size": 16}
    two = {**settings, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}
    common = {"data": splits, "model": still_model}
    toolkit.run("text-classification", out=folder / "one", settings={"training": one}, **common)
    done = execute(
        [*TOOLKIT, "run", "text-classification", "--data", str(splits), "--model",
         str(still_model), "--out", str(folder / "two"), "--processes", "2",
         "--set", f"training={json.dumps(two)}"]
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.mark.slow
def test_two_processes_train_as_one_does(pair):
    folder, _ = pair
    for key, tolerance in (("loss", 1e-4), ("grad_norm", 1e-3), ("eval_loss", 1e-4)):
        one, two = curve(folder / "one", key), curve(folder / "two", key)
        assert len(one) == (3 if key == "eval_loss" else 21)
        # Neither multiplied by two processes nor by two accumulated batches.
        assert two == pytest.approx(one, rel=tolerance), key
    assert curve(folder / "one", "eval_accuracy") == curve(folder / "two", "eval_accuracy")


@pytest.mark.slow
def test_each_test_row_is_predicted_once_and_in_order(pair):
    folder, _ = pair
    one, two = lines(folder / "one"), lines(folder / "two")
    assert [line["row"] for line in two] == list(range(33))
    assert [line["reference"] for line in two] == [line["reference"] for line in one]
    for a, b in zip(one, two, strict=True):
        assert b["prediction"]["scores"] == pytest.approx(a["prediction"]["scores"], abs=1e-4)
    assert record(folder / "two")["reload"] == {"compared": 33, "different": 0}


@pytest.mark.slow
def test_one_process_writes_and_prints(pair):
    folder, done = pair
    one, two = (
        sorted(str(p.relative_to(folder / name)).partition(".tfevents")[0]  # then time and process
               for p in (folder / name).rglob("*") if not p.name.startswith("rng_state"))
        for name in ("one", "two")
    )  # fmt: skip
    assert one == two
    assert done.stdout.count("\nscoring\n") == 1
    assert done.stdout.count("reload: 33 predictions compared, 0 different") == 1
    assert len(done.stderr.splitlines()) == 1  # what is run
    found = record(folder / "two")
    assert found["status"] == "finished"
    assert found["devices"]["processes"] == 2
    assert found["devices"]["batch"] == {
        "per_device": 4, "max_tokens": None, "accumulated": 2, "rows_per_step": 16, "reduced": [],
    }  # fmt: skip
    assert "devices: 2 processes on cpu, 16 rows a step" in done.stdout


@pytest.mark.slow
def test_a_mistake_is_told_once(tmp_path, command):
    out = tmp_path / "out"
    done = execute([*TOOLKIT, *command(out, "--processes", "2", "--set", "options.label=labl")])
    assert done.returncode == 2
    assert done.stderr.count("there is no column 'labl'. Did you mean 'label'") == 1
    assert len(done.stderr.strip().splitlines()) == 2  # what is run, and what is wrong
    assert not out.exists()


@pytest.mark.slow
def test_a_killed_process_ends_the_run(tmp_path, command):
    out = tmp_path / "out"
    arguments = command(out, "--processes", "2", max_steps=100_000, eval_strategy="no")
    run = subprocess.Popen(
        [*TOOLKIT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        start = time.monotonic()
        while not (out / "run.json").exists() and time.monotonic() - start < LIMIT:
            time.sleep(0.2)
        time.sleep(2)
        children = psutil.Process(run.pid).children(recursive=True)
        victim = next(child for child in children if child.environ().get("RANK") == "1")
        victim.send_signal(signal.SIGKILL)
        start = time.monotonic()
        error = run.communicate(timeout=60)[1]
    finally:
        run.kill()
    assert time.monotonic() - start < 40
    assert run.returncode == 1
    assert error.strip().splitlines()[1:] == [
        "Failed: rank 1 was ended from outside by SIGKILL; that is what happens when memory runs "
        "out"
    ]
    assert record(out)["status"] == "failed"
    assert "SIGKILL" in record(out)["error"]
    assert not (out / "run.lock").exists()
    assert not any(child.is_running() for child in children)


RANK = """
import os
import torch
from toolkit.utils import distributed, distributed_errors
from toolkit.errors import UserError

distributed.join()
assert distributed.size() == 3 and distributed.is_main() == (os.environ["RANK"] == "0")
assert distributed.broadcast_object(distributed.rank()) == 0
expected = [0, 1, 2] if distributed.is_main() else None
assert distributed.gather_object(distributed.rank()) == expected
with distributed_errors.local_main_process_first():
    torch.manual_seed(distributed.rank())
    layer = torch.nn.Linear(2, 2)
distributed.broadcast_weights(layer)
weights = distributed.gather_object(layer.weight.tolist())
assert weights is None or weights[0] == weights[1] == weights[2]
for failing in (0, 2):
    try:
        with distributed_errors.raise_on_all_ranks():
            with distributed_errors.local_main_process_first():
                if distributed.rank() == failing:
                    raise UserError(f"wrong on {failing}")
            with distributed_errors.local_main_process_first():
                raise AssertionError("all have heard of it before")
    except UserError as error:
        print(error)
    distributed.barrier()
"""


def test_what_one_rank_raises_all_raise(tmp_path, socket_enabled):
    (tmp_path / "rank.py").write_text(RANK)
    common = {**os.environ, "WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1",
              "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, str(tmp_path / "rank.py")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(3)
    ]  # fmt: skip
    for process in processes:
        said, wrong = process.communicate(timeout=LIMIT)
        assert (said, process.returncode) == ("wrong on 0\nwrong on 2\n", 0), wrong


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("rows", [64, 70])
def test_each_rank_gets_batches_of_like_length(rows):
    lengths = np.random.default_rng(0).integers(5, 100, rows)
    shards = []
    for rank in range(2):
        torch.rand(rank)  # what a rank draws besides must not move the order
        sampler = LengthGroupedBatches(lengths, 16, seed=1)
        batches = torch.utils.data.BatchSampler(sampler, 8, drop_last=False)
        shards.append(list(BatchSamplerShard(batches, num_processes=2, process_index=rank)))
    assert len(shards[0]) == len(shards[1]) == -(-rows // 16)
    for one, two in list(zip(*shards, strict=True))[: rows // 16]:
        assert np.ptp(lengths[one + two]) < 40
    seen = [row for shard in shards for batch in shard for row in batch]
    assert set(seen) == set(range(rows))
    # accelerate completes the last step of an epoch with rows of its first.
    assert len(seen) == -(-rows // 16) * 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--processes", "0"], "at least one is needed"),
        (["--nodes", "2"], "needs --node-rank"),
        (["--node-rank", "1"], "need --nodes"),
        (["--nodes", "2", "--node-rank", "2", "--rendezvous", "a:1"], "it goes from 0 to 1"),
        (["--nodes", "2", "--node-rank", "1", "--rendezvous", "a"], "write it as HOST:PORT"),
    ],
)
def test_numbers_that_do_not_fit_are_told(arguments, message, capsys):
    assert outcome(["run", "text-classification", *arguments]) == 2
    assert message in capsys.readouterr().err


GREEDY = """
import re
import resource
import torch
from toolkit_plugins.text.classification.plugin import TextClassification


class Greedy(TextClassification):
    def load_model(self):
        model = super().load_model()
        used = re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (int(used) * 1024 + (1536 << 20), hard))

        def hungry(module, arguments, named):
            if module.training is TRAINING:
                torch.empty(len(named["input_ids"]) * (ROW << 20), dtype=torch.uint8)

        model.register_forward_pre_hook(hungry, with_kwargs=True)
        return model
"""


@pytest.fixture
def greedy(tmp_path):
    """Install a scenario that takes so many MiB per row of a batch; return its environment."""

    def install(row, training=True):
        folder = tmp_path / f"greedy-{row}"
        about = folder / "greedy-1.0.dist-info"
        about.mkdir(parents=True)
        (folder / "greedy.py").write_text(
            GREEDY.replace("ROW", str(row)).replace("TRAINING", str(training))
        )
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: greedy\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("[toolkit.plugins]\ngreedy = greedy:Greedy\n")
        path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
        return {"PYTHONPATH": path}

    return install


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is enforced on Linux")


@pytest.mark.slow
@linux_only
def test_a_step_out_of_memory_is_done_in_smaller_parts(tmp_path, command, greedy):
    asked = {"per_device_train_batch_size": 12, "logging_steps": 1, "save_total_limit": 9}
    short = command(tmp_path / "short", "--set", "scenario=greedy", **asked)
    done = execute([*TOOLKIT, *short], **greedy(200))
    assert done.returncode == 0, done.stderr
    batch = record(tmp_path / "short")["devices"]["batch"]
    assert (batch["per_device"], batch["accumulated"], batch["rows_per_step"]) == (6, 2, 12)
    assert [(step["from"], step["to"]) for step in batch["reduced"]] == [(12, 6)]
    assert "can't allocate memory" in batch["reduced"][0]["reason"]
    told = "out of memory with 12 rows per device at a time: starting again with 6"
    assert done.stdout.count(told) == 2  # when it happens, and in the summary
    # It is the run that the smaller settings give, and its recipe gives it again.
    # In a process of its own as well: last bits hang on what else a process has computed.
    plain = ["--set", "scenario=text-classification", "--out", str(tmp_path / "again")]
    done = execute([*TOOLKIT, "run", str(tmp_path / "short" / "recipe.yaml"), *plain])
    assert done.returncode == 0, done.stderr
    assert record(tmp_path / "again")["devices"]["batch"] == {**batch, "reduced": []}
    assert curve(tmp_path / "short", "loss") == curve(tmp_path / "again", "loss")
    assert lines(tmp_path / "short") == lines(tmp_path / "again")


@pytest.mark.slow
@linux_only
def test_rows_of_a_step_that_do_not_fit_are_divided_by_tokens(tmp_path, command, greedy):
    asked = {"per_device_train_batch_size": "auto", "rows_per_step": 12}
    done = execute([*TOOLKIT, *command(tmp_path / "out", "--set", "scenario=greedy", **asked)],
                   **greedy(200))  # fmt: skip
    assert done.returncode == 0, done.stderr
    batch = record(tmp_path / "out")["devices"]["batch"]
    assert (batch["per_device"], batch["accumulated"], batch["rows_per_step"]) == (12, 1, 12)
    first, *_, last = batch["reduced"]
    assert (first["from"], last["to"]) == (first["to"] * 2, batch["max_tokens"])
    assert f"out of memory with {first['from']} tokens at a time" in done.stdout
    assert f"max_tokens_per_batch: {last['to']}" in (tmp_path / "out" / "recipe.yaml").read_text()


@linux_only
@pytest.mark.slow
def test_one_row_that_does_not_fit_fails_with_advice(tmp_path, command, greedy):
    arguments = command(tmp_path / "out", "--set", "scenario=greedy", per_device_train_batch_size=2)
    done = execute([*TOOLKIT, *arguments], **greedy(4000))
    assert done.returncode == 1
    assert "a step of one row does not fit into memory" in done.stderr
    assert "activation_checkpointing" in done.stderr
    assert record(tmp_path / "out")["status"] == "failed"


@linux_only
@pytest.mark.nightly
def test_validation_out_of_memory_names_the_setting(tmp_path, command, greedy):
    arguments = command(tmp_path / "out", "--set", "scenario=greedy", eval_strategy="steps",
                        eval_steps=1)  # fmt: skip
    done = execute([*TOOLKIT, *arguments], **greedy(200, training=False))
    assert done.returncode == 1
    assert "training.per_device_eval_batch_size=16" in done.stderr
    assert "starting again" not in done.stdout


@linux_only
@pytest.mark.nightly
def test_all_processes_take_the_smaller_batches(tmp_path, command, greedy):
    out = tmp_path / "out"
    arguments = command(out, "--processes", "2", "--set", "scenario=greedy",
                        per_device_train_batch_size=8)  # fmt: skip
    done = execute([*TOOLKIT, *arguments], **greedy(250))
    assert done.returncode == 0, done.stderr
    batch = record(out)["devices"]["batch"]
    assert (batch["per_device"], batch["accumulated"], batch["rows_per_step"]) == (4, 2, 16)
    assert [(step["from"], step["to"]) for step in batch["reduced"]] == [(8, 4)]
    assert done.stdout.count("out of memory with 8 rows") == 2
    assert len(lines(out)) == 33


@pytest.mark.nightly
def test_two_machines_meet_and_stop_in_the_same_epoch(tmp_path, command, socket_enabled):
    meeting = f"127.0.0.1:{free_port()}"
    machines = [
        subprocess.Popen(
            [*TOOLKIT, *command(tmp_path / f"machine-{rank}", "--processes", "1", "--nodes", "2",
                                "--node-rank", str(rank), "--rendezvous", meeting, max_steps=-1,
                                num_train_epochs=30, learning_rate=0.0, early_stopping_patience=2)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [machine.communicate(timeout=LIMIT) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], said
    assert "the run's folder is on the machine with --node-rank 0" in said[1][0]
    found = record(tmp_path / "machine-0")
    assert (found["status"], found["devices"]["processes"]) == ("finished", 2)
    assert found["devices"]["processes_per_machine"] == 1
    assert found["speed"]["epochs"] == 3
    assert not (tmp_path / "machine-1").exists()


@pytest.mark.slow
def test_torchrun_and_accelerate_launch_run_the_same(tmp_path, command):
    small = {"per_device_train_batch_size": 8, "learning_rate": 5e-3}
    one = execute([*TOOLKIT, *command(tmp_path / "one", per_device_train_batch_size=16)])
    assert one.returncode == 0, one.stderr
    done = execute([*TORCHRUN, *command(tmp_path / "torchrun", **small)])
    assert done.returncode == 0, done.stderr
    accelerate = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"]
    two = [*accelerate, "--multi_gpu", "--num_processes", "2", "-m", "toolkit"]
    done = execute([*two, *command(tmp_path / "two", **small)], ACCELERATE_USE_CPU="true")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("reload: 33 predictions compared, 0 different") == 1
    assert lines(tmp_path / "torchrun") == lines(tmp_path / "two")
    assert record(tmp_path / "two")["devices"]["processes"] == 2
    wrong = execute([*TORCHRUN, *command(tmp_path / "x", "--set", "options.label=labl")])
    assert wrong.returncode != 0
    assert wrong.stderr.count("there is no column 'labl'") == 1


@pytest.mark.slow
def test_accelerate_launch_that_starts_one_process_is_told(tmp_path, command):
    launch = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--cpu"]
    done = execute([*launch, "--num_processes", "2", "-m", "toolkit", *command(tmp_path / "out")])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("asked for several processes but has started one") == 2
    notes = record(tmp_path / "out")["devices"]["notes"]
    assert "toolkit run RECIPE --processes N" in notes[0]


@pytest.mark.nightly
def test_the_function_starts_processes_too(tmp_path, splits, still_model):
    script = f"""
import toolkit
run = toolkit.run("text-classification", data={str(splits)!r}, model={str(still_model)!r},
                  out={str(tmp_path / "out")!r}, processes=2,
                  settings={{"training": {{"max_steps": 3}}}})
print(run.status, run.record["devices"]["processes"], len(run.metrics["test"]))
try:
    toolkit.run("text-classification", data="absent.csv", processes=2)
except toolkit.errors.UserError as error:
    print(error)
"""
    done = execute([sys.executable, "-c", script])
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().splitlines()
    assert first == "finished 2 4"
    assert "there is no such file" in second
