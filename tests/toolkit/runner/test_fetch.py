"""What `fetch` brings from a Hub, and that a run then asks nobody for anything."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from text_rows import sentences

from toolkit.cli.main import outcome
from toolkit.testing import network


@pytest.fixture(scope="module")
def hub(tmp_path_factory, tiny_model):
    """A Hub on the loopback interface with one model and one data set; yields its address."""
    folder = tmp_path_factory.mktemp("hub")
    shutil.copytree(tiny_model, folder / "models/acme/tiny")
    things = folder / "datasets/acme/things"
    things.mkdir(parents=True)
    rows = "\n".join(f"{text},{label}" for text, label in sentences(120))
    (things / "train.csv").write_text(f"text,label\n{rows}\n")
    stand_in = [sys.executable, str(Path(__file__).parents[2] / "hub_stand_in.py")]
    server = subprocess.Popen([*stand_in, str(folder)], stdout=subprocess.PIPE, text=True)
    yield server.stdout.readline().strip()
    server.kill()
    server.communicate()


@pytest.fixture
def command(tmp_path):
    """Return a function that runs `toolkit ...` with caches of its own, and with or without a Hub.

    It returns the exit code, what was printed, and what was printed as an error.
    """

    def run(*arguments, address=None):
        environment = dict(os.environ if address else network.without(tmp_path / "site"))
        environment["HF_HOME"] = str(tmp_path / "hf")
        environment.pop("HF_HUB_OFFLINE")
        environment |= {"HF_ENDPOINT": address} if address else {}
        asked = [sys.executable, "-m", "toolkit", *map(str, arguments)]
        done = subprocess.run(
            asked, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
        )
        return done.returncode, done.stdout, done.stderr

    return run


ASKED = [
    "text-classification", "--model", "acme/tiny", "--set", "data.source=hub:acme/things",
    "--set", "training={max_steps: 2, per_device_train_batch_size: 8}",
]  # fmt: skip


@pytest.mark.slow
def test_what_is_fetched_runs_without_a_network(hub, command, tmp_path):
    code, said, error = command("fetch", *ASKED, address=hub)
    assert code == 0, error
    assert "model: acme/tiny@" in said
    last = said.splitlines()[-1]
    assert last.startswith("without a network: toolkit run text-classification --model acme/tiny")
    code, _, error = command("run", *ASKED, "--offline", "--out", tmp_path / "run")
    assert code == 0, error
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["status"] == "finished"
    assert record["model"]["source"] == "cache"
    assert f"acme/tiny@{record['model']['revision']}" in said


@pytest.mark.nightly
def test_a_folder_of_all_that_is_needed_can_be_taken_elsewhere(hub, command, tmp_path):
    code, _, error = command("fetch", *ASKED, "--to", "here", address=hub)
    assert code == 0, error
    shutil.rmtree(tmp_path / "hf")
    (tmp_path / "here").rename(tmp_path / "there")
    code, _, error = command("run", "there/recipe.yaml", "--offline", "--out", "run")
    assert code == 0, error
    values = yaml.safe_load((tmp_path / "there/recipe.yaml").read_text())
    assert values["model"] == "./model"
    assert values["data"]["source"] == {"train": "data/train.parquet"}
    code, _, error = command("fetch", *ASKED, "--to", "there", address=hub)
    assert code == 2
    assert "--to there is not empty" in error


def test_offline_says_at_once_what_is_missing(command):
    code, _, error = command("run", *ASKED, "--offline")
    assert code == 2
    assert "model 'acme/tiny' cannot be had" in error or "hub:acme/things" in error
    assert "Traceback" not in error


def test_local_files_are_copied_with_their_splits(tmp_path, table, tiny_model):
    other = tmp_path / "more" / table.name
    other.parent.mkdir()
    shutil.copy(table, other)
    source = {"train": [str(table), str(other)], "test": str(table)}
    recipe = {"scenario": "text-classification", "model": str(tiny_model),
              "data": {"source": source}}  # fmt: skip
    (tmp_path / "mine.yaml").write_text(json.dumps(recipe))
    to = tmp_path / "to"
    assert outcome(["fetch", str(tmp_path / "mine.yaml"), "--to", str(to)]) == 0
    found = yaml.safe_load((to / "recipe.yaml").read_text())["data"]["source"]
    assert sum(map(len, (found["train"], [found["test"]]))) == 3
    for name in [*found["train"], found["test"]]:
        assert (to / name).read_bytes() == table.read_bytes()
    assert len(set(found["train"])) == 2
    assert outcome(["check", str(to / "recipe.yaml"), "--no-estimate", "--offline"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["text-classificatoin"], "Did you mean 'text-classification'?"),
        (["text-classification", "--data", "nowhere.csv"], "there is no such file"),
        (["text-classification", "--model", "no/where"], "model 'no/where' cannot be had"),
    ],
)
def test_what_cannot_be_fetched_is_named(capsys, arguments, message):
    assert outcome(["fetch", *arguments]) == 2
    assert message in capsys.readouterr().err
