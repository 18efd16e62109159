"""Runs and predictions on a Ray cluster: as in one process, and as if no worker had been lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import cluster_stand_in
import psutil
import pytest
import safetensors.torch
import torch
import transformers
from text_rows import csv_of, sentences, tiny_bert

from toolkit.cli.main import outcome
from toolkit.errors import DataError, UserError
from toolkit.recipe.library import find_recipe
from toolkit.recipe.overrides import overrides
from toolkit.runner.on_ray import files
from toolkit.runner.on_ray.cluster import Cluster
from toolkit.runner.on_ray.files import HERE, pack, unpack
from toolkit.runner.on_ray.inputs import Inputs
from toolkit.runner.on_ray.spec import RaySpec
from toolkit.runner.on_ray.store import Store
from toolkit.training.checkpoints import MANIFEST

LIMIT = 1200  # seconds: what takes longer hangs
TOOLKIT = [sys.executable, "-P", "-m", "toolkit"]
TRAINING = {
    "bf16": False, "max_steps": 60, "logging_steps": 1, "eval_strategy": "no",
    "save_strategy": "steps", "save_steps": 5, "save_total_limit": 20, "learning_rate": 5e-3,
    "train_sampling_strategy": "sequential",
}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "2"], "--workers is for --on ray"),
        (["--on", "spark"], "'spark' is neither ray nor ray://HOST:PORT"),
        (["--on", "ray", "--processes", "2"], "--on ray has its own --workers"),
        (["--on", "ray", "--workers", "0"], "at least one is needed"),
        (["--on", "ray", "--cpus-per-worker", "0"], "more than 0 are needed"),
        (["--on", "ray", "--gpus-per-worker", "0.5"], "each rank of a run has one GPU"),
        (["--on", "ray", "--restarts", "-1"], "0 or more"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options, message, capsys):
    assert outcome(["run", "text-classification", *options]) == 2
    assert message in capsys.readouterr().err


def test_without_ray_the_extra_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    out = ["--out", str(tmp_path / "run")]
    assert outcome(["run", "text-classification", "--on", "ray", *out]) == 2
    assert "pip install 'finetune-toolkit[cluster]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("on", ["ray", "ray://127.0.0.1:9"])
def test_an_address_where_nothing_answers(on, monkeypatch, socket_enabled, tmp_path, capsys):
    pytest.importorskip("ray", reason="extra `cluster` is not installed")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    words = ["run", "text-classification", "--on", on, "--out", str(tmp_path / "run")]
    assert outcome(words) == 2
    assert "no Ray cluster at" in capsys.readouterr().err


def machines(*sizes):
    """A cluster of nodes with these processors and GPUs."""
    nodes = [{"NodeID": str(number), "NodeManagerAddress": f"10.0.0.{number}", "Alive": True,
              "Resources": {"CPU": cpus, "GPU": gpus}}
             for number, (cpus, gpus) in enumerate(sizes)]  # fmt: skip
    return Cluster(SimpleNamespace(nodes=lambda: nodes), "10.0.0.0:6379")


@pytest.mark.parametrize(
    ("sizes", "asked", "found"),
    [
        ([(8.0, 0.0)], RaySpec(), (1, 8, 0)),
        ([(8.0, 0.0)], RaySpec(workers=3), (3, 2, 0)),
        ([(8.0, 2.0), (4.0, 1.0)], RaySpec(), (3, 4, 1)),
        ([(8.0, 1.0)], RaySpec(workers=4, gpus=0.25), (4, 2, 0.25)),
        ([(8.0, 1.0)], RaySpec(workers=2, gpus=0.0, cpus=1), (2, 1, 0)),
    ],
)
def test_workers_get_their_share(sizes, asked, found):
    sized = machines(*sizes).sized(asked)
    assert (sized.workers, sized.cpus, sized.gpus) == found


def test_what_a_cluster_lacks_is_said_with_what_it_has():
    with pytest.raises(UserError, match="8 processors and 1 GPUs on 1 node.*room for 1"):
        machines((8.0, 1.0)).sized(RaySpec(workers=2))


def test_what_nodes_do_not_see_is_sent(tmp_path, monkeypatch):
    monkeypatch.setattr(files.tempfile, "gettempdir", lambda: str(tmp_path / "node"))
    (tmp_path / "node").mkdir()
    rows, model = tmp_path / "rows.csv", tiny_bert(tmp_path / "model")
    rows.write_text(csv_of(sentences(30)))
    changes = overrides(str(rows), str(model), None, (), None)
    named = Inputs.of(find_recipe("text-classification", changes))
    place = unpack(named.bundle())
    there = find_recipe(str(place / "recipe.yaml"))
    assert there.name == "text-classification"
    recipe = there.checked()
    assert Path(recipe.data.source).read_text() == rows.read_text()
    assert {path.name for path in (place / "model").iterdir()} == {
        path.name for path in model.iterdir()
    }
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps({"source": recipe.data.source}))
    named.name_originals(tmp_path / "run", str(place))
    assert json.loads((tmp_path / "run" / "run.json").read_text()) == {"source": str(rows)}


def test_what_is_too_large_is_not_sent(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST", 10)
    (tmp_path / "rows.csv").write_text("x" * 11)
    with pytest.raises(DataError, match="put them on a path that all see"):
        pack({"rows.csv": tmp_path / "rows.csv"}, {"a": HERE})


def checkpoint(folder, step, complete=True):
    place = folder / "checkpoints" / f"checkpoint-{step}"
    place.mkdir(parents=True)
    (place / "model.safetensors").write_bytes(bytes([step]))
    if complete:
        (place / MANIFEST).write_text("{}")


def test_a_storage_holds_what_is_complete(tmp_path):
    run, store = tmp_path / "run", Store(f"file://{tmp_path}/storage/run")
    store.require_writable()
    checkpoint(run, 1)
    checkpoint(run, 2, complete=False)
    (run / "run.json").write_text("first")
    (run / "run.lock").write_text("held")
    store.push(run)
    (run / "run.json").write_text("second")
    (run / "checkpoints" / "checkpoint-2" / MANIFEST).write_text("{}")
    copy = tmp_path / "copy"
    assert Store(store.url).pull(copy)
    held = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    of = "checkpoints/checkpoint-1"
    assert held == {f"{of}/model.safetensors", f"{of}/{MANIFEST}", "run.json"}
    store.push(run)
    for path in sorted((run / "checkpoints" / "checkpoint-1").iterdir()):
        path.unlink()
    store.push(run)
    assert Store(store.url).pull(copy)
    assert (copy / "run.json").read_text() == "second"
    assert (copy / "checkpoints" / "checkpoint-2" / MANIFEST).exists()
    assert not (copy / "checkpoints" / "checkpoint-1").exists()


RANK = """
import os
from types import SimpleNamespace as Of
from toolkit.errors import UserError
from toolkit.runner.same_inputs import require_same_inputs
from toolkit.utils import distributed

distributed.join()
for rows, model in (("a", "m"), ("a" if os.environ["RANK"] == "0" else "b", "m")):
    try:
        require_same_inputs(Of(loaded=Of(fingerprint=rows), files=Of(id="tiny", revision=model)))
        print("the same")
    except UserError as error:
        print(str(error).replace(str(error).split()[3], "HERE").partition(" than")[0])
"""


def test_a_rank_that_has_read_other_rows_is_named(tmp_path, socket_enabled):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        subprocess.Popen([sys.executable, "-c", RANK], stdout=subprocess.PIPE, text=True,
                         env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]  # fmt: skip
    for rank in ranks:
        said = rank.communicate(timeout=LIMIT)[0].splitlines()
        assert said == ["the same", "rank 1 on HERE has other rows"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Rows, and the tiny model without dropout, which draws other masks in other batches."""
    folder = tmp_path_factory.mktemp("on-ray")
    tiny_bert(folder / "tiny")
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    transformers.AutoModel.from_pretrained(folder / "tiny", **still).save_pretrained(
        folder / "still"
    )
    transformers.AutoTokenizer.from_pretrained(folder / "tiny").save_pretrained(folder / "still")
    lines = "\n".join(f"{text},{label}" for text, label in sentences(160))
    (folder / "rows.csv").write_text(f"text,label\n{lines}\n")
    return folder


def command(data, out, *more, **training):
    given = {**TRAINING, "per_device_train_batch_size": 4, **training}
    return ["run", "text-classification", "--data", str(data / "rows.csv"), "--model",
            str(data / "still"), "--out", str(out), "--set", f"training={json.dumps(given)}",
            *more]  # fmt: skip


ON_RAY = ("--on", "ray", "--workers", "2", "--cpus-per-worker", "1")


def started(arguments, **environment):
    return subprocess.Popen(
        [*TOOLKIT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


@pytest.fixture(scope="module")
def two_workers(data):
    """A run on Ray with two workers, and what it wrote."""
    pytest.importorskip("ray", reason="extra `cluster` is not installed")
    run = started(command(data, data / "two", *ON_RAY))
    said, wrong = run.communicate(timeout=LIMIT)
    assert run.returncode == 0, wrong
    return data / "two", said, wrong


def record(folder):
    return json.loads((folder / "run.json").read_text())


def losses(folder):
    state = json.loads((folder / "checkpoints/checkpoint-60/trainer_state.json").read_text())
    return [entry["loss"] for entry in state["log_history"] if "loss" in entry]


def weights(folder):
    return safetensors.torch.load_file(folder / "model" / "model.safetensors")


@pytest.mark.nightly
def test_two_workers_train_as_one_process(data, two_workers):
    folder, said, wrong = two_workers
    one = data / "one"
    assert outcome([*command(data, one, per_device_train_batch_size=8), "--quiet"]) == 0
    assert len(losses(one)) == 60
    assert losses(folder) == pytest.approx(losses(one), abs=1e-6)
    found = record(folder)
    assert found["status"] == "finished"
    assert found["devices"]["processes"] == 2
    about = found["environment"]["cluster"]
    assert (about["workers"], about["address"], about["lost_workers"]) == (2, "local", 0)
    assert len(about["nodes"]) == 1
    assert said.count("\nscoring\n") == 1
    assert said.count("0 different") == 1
    assert len(wrong.splitlines()) == 1  # what is run; Ray itself says nothing


@pytest.fixture
def unseen(data, tmp_path, monkeypatch, socket_enabled):
    """Workers that see none of this machine's files; return the folder of the node's own."""
    monkeypatch.setattr("toolkit.runner.on_ray.cluster.connected", cluster_stand_in.connected)
    monkeypatch.setattr("toolkit.runner.on_ray.group.placed", cluster_stand_in.placed)
    monkeypatch.setattr(files.tempfile, "gettempdir", lambda: str(tmp_path / "node"))
    (tmp_path / "node").mkdir()
    return tmp_path / "node"


@pytest.mark.nightly
def test_without_a_shared_folder_a_storage_is_needed(data, unseen, tmp_path, capsys):
    assert outcome(command(data, tmp_path / "run", "--on", "ray")) == 2
    said = capsys.readouterr().err
    assert "is not seen by" in said
    assert "--storage" in said


@pytest.mark.nightly
def test_a_run_by_a_storage_ends_here_and_survives_its_worker(data, unseen, tmp_path):
    out = tmp_path / "run"
    storage = ["--on", "ray", "--storage", f"file://{tmp_path}/storage"]
    killed = []

    def kill():
        """End the rank once a checkpoint of it is in the storage."""
        while not any((tmp_path / "storage").rglob(f"checkpoint-*/{MANIFEST}")):
            time.sleep(0.05)
        rank = ranks_of(psutil.Process())["0"]
        killed.append(rank.pid)
        rank.send_signal(signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    assert outcome(command(data, out, *storage, "--quiet", max_steps=2000, save_steps=20)) == 0
    assert killed
    found = record(out)
    assert found["status"] == "finished"
    assert found["resumed"][0]["step"] >= 20
    assert found["data"]["source"] == str(data / "rows.csv")
    assert found["model"]["id"] == str(data / "still")
    assert str(unseen) not in (out / "recipe.yaml").read_text().partition("\n")[2]
    assert (
        outcome(["evaluate", str(out), str(data / "rows.csv"), "--out", str(tmp_path / "e")]) == 0
    )
    assert outcome(command(data, tmp_path / "other" / "run", *storage, "--quiet")) == 2


def ranks_of(process):
    """The processes of a run's ranks, by number."""
    found = {}
    for child in process.children(recursive=True):
        try:
            if "RANK" in (environment := child.environ()):
                found.setdefault(environment["RANK"], child)
        except psutil.Error:
            continue
    return found


def wait_for(path, run):
    start = time.monotonic()
    while not path.exists():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() - start < LIMIT
        time.sleep(0.02)


@pytest.mark.nightly
def test_a_killed_worker_is_replaced_and_the_run_goes_on(data, two_workers):
    run = started(command(data, data / "killed", *ON_RAY))
    try:
        wait_for(data / "killed" / "checkpoints" / "checkpoint-5", run)
        ranks_of(psutil.Process(run.pid))["1"].send_signal(signal.SIGKILL)
        said, wrong = run.communicate(timeout=LIMIT)
    finally:
        run.kill()
    assert run.returncode == 0, wrong
    assert "worker 1 was lost (its process was ended by SIGKILL): restart 1 of 3" in said
    found = record(data / "killed")
    assert found["environment"]["cluster"]["lost_workers"] == 1
    assert found["resumed"][0]["step"] >= 5
    before, after = weights(two_workers[0]), weights(data / "killed")
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.nightly
def test_predictions_are_those_of_one_machine(data, two_workers):
    rows = [{"id": number, "text": text} for number, (text, _) in enumerate(sentences(1200))]
    rows[3]["text"] = rows[700]["text"] = None
    lines = [json.dumps(row) for row in rows]
    lines[500] = "[1, 2]"
    (data / "new.jsonl").write_text("\n".join(lines) + "\n")
    words = ["predict", str(two_workers[0]), str(data / "new.jsonl"), "--quiet", "-o"]
    assert outcome([*words, str(data / "here.jsonl")]) == 0
    run = started([*words, str(data / "there.jsonl"), *ON_RAY])
    said, wrong = run.communicate(timeout=LIMIT)
    assert run.returncode == 0, wrong
    assert "Traceback" not in wrong  # Ray itself logs that an actor's arguments are in its store
    assert "wrote 1,197 rows" in said
    assert "skipped 3 rows" in said
    here, there = (
        [json.loads(line) for line in (data / name).read_text().splitlines()]
        for name in ("here.jsonl", "there.jsonl")
    )
    assert [row["id"] for row in there] == [row["id"] for row in here]
    for one, other in zip(here, there, strict=True):
        assert other["prediction"]["label"] == one["prediction"]["label"]
        assert other["prediction"]["scores"] == pytest.approx(one["prediction"]["scores"], abs=1e-6)
    assert (data / "there.jsonl.rejected.jsonl").read_text() == (
        data / "here.jsonl.rejected.jsonl"
    ).read_text()


@pytest.mark.nightly
def test_ctrl_c_ends_after_the_step_and_can_be_resumed(data, two_workers):
    out = data / "interrupted"
    run = started(command(data, out, *ON_RAY))
    try:
        wait_for(out / "checkpoints" / "checkpoint-5", run)
        run.send_signal(signal.SIGINT)
        wrong = run.communicate(timeout=LIMIT)[1]
    finally:
        run.kill()
    assert run.returncode == 130
    assert "--resume --on ray --workers 2" in wrong
    assert record(out)["status"] == "interrupted"
    run = started(command(data, out, *ON_RAY, "--resume"))
    wrong = run.communicate(timeout=LIMIT)[1]
    assert run.returncode == 0, wrong
    before, after = weights(two_workers[0]), weights(out)
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.nightly
def test_a_lost_node_costs_the_steps_since_the_last_checkpoint(data, two_workers, socket_enabled):
    from ray.cluster_utils import Cluster as Simulated

    simulated = Simulated(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [simulated.add_node(num_cpus=2) for _ in range(2)]
    out = data / "node-lost"
    run = started(command(data, out, *ON_RAY), RAY_ADDRESS=simulated.address)
    try:
        wait_for(out / "checkpoints" / "checkpoint-5", run)
        above = ranks_of(psutil.Process())["0"].parents()
        ours = {node.all_processes["raylet"][0].process.pid: node for node in nodes}
        simulated.remove_node(next(ours[one.pid] for one in above if one.pid in ours),
                              allow_graceful=False)  # fmt: skip
        said, wrong = run.communicate(timeout=LIMIT)
    finally:
        run.kill()
        simulated.shutdown()
    assert run.returncode == 0, wrong
    assert "restart 1 of 3" in said
    assert record(out)["resumed"][0]["step"] >= 5
    before, after = weights(two_workers[0]), weights(out)
    assert all(torch.equal(after[name], value) for name, value in before.items())
