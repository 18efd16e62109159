"""toolkit push: what reaches the Hub, what never does, and what is said when it fails.

huggingface_hub itself speaks to a stand-in of the Hub on the loopback interface.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import huggingface_hub
import pytest
import yaml
from hub_to_push import TOKEN
from PIL import Image, PngImagePlugin
from text_rows import sentences

import toolkit
from toolkit.cli.main import outcome
from toolkit.deployment import publishing
from toolkit.deployment.publishing.paths import LocalPaths
from toolkit.errors import UserError
from toolkit.runs.writer import RunWriter

pytestmark = pytest.mark.enable_socket  # of the loopback interface
SECRET = "zqxsecret"  # stands in every row, in every column but the label


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_model):
    """A finished run whose rows hold the secret, with slices and a contact sheet of them."""
    home = tmp_path_factory.mktemp("ann smith")
    model = shutil.copytree(tiny_model, home / "pretrained")
    rows = [f"{text} {SECRET}{place},{label},{SECRET} {'mail' if place % 2 else 'phone'}"
            for place, (text, label) in enumerate(sentences(120))]  # fmt: skip
    (home / "things.csv").write_text("text,label,channel\n" + "\n".join(rows) + "\n")
    settings = {"max_steps": 2, "per_device_train_batch_size": 8, "report_to": "none"}
    assert outcome([
        "run", "text-classification", "--quiet", "--data", str(home / "things.csv"),
        "--model", str(model), "--out", str(home / "run"), "--set", "report.slices=[channel]",
        "--set", f"training={json.dumps(settings)}",
    ]) == 0  # fmt: skip
    (home / "run/figures").mkdir()
    words = PngImagePlugin.PngInfo()
    words.add_text("rows", SECRET)
    Image.new("RGB", (8, 8)).save(home / "run/figures/sheet.png", pnginfo=words)
    RunWriter.add(home / "run", figures={"sheet": "figures/sheet.png"})
    return home / "run"


@pytest.fixture
def run(trained, tmp_path):
    """A copy of that run, to be pushed or spoiled."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def light(run):
    """The same without predictions: no report is drawn, which takes the most time of a push."""
    (run / "predictions.jsonl").unlink()
    return run


def files(hub, name):
    """Return path -> bytes of a repository, but for what the Hub has put there itself."""
    place = hub.place(name)
    return {p.relative_to(place).as_posix(): p.read_bytes() for p in place.rglob("*")
            if p.is_file() and p.name != ".gitattributes"}  # fmt: skip


def listed(said):
    """Return path -> bytes as `push` has listed them."""
    return {path: int(size.replace(",", "")) for size, path in
            re.findall(r"^ *([\d,]+)  (?!bytes in)(\S+)", said, re.M)}  # fmt: skip


READ_BACK = """
import json, sys
import transformers
transformers.utils.logging.disable_progress_bar()
model = transformers.AutoModelForSequenceClassification.from_pretrained("acme/things").eval()
processor = transformers.AutoTokenizer.from_pretrained("acme/things")
texts = json.load(sys.stdin)
logits = model(**processor(texts, return_tensors="pt", padding=True, truncation=True)).logits
names = [model.config.id2label[int(place)] for place in logits.argmax(-1)]
print(json.dumps([names, logits.softmax(-1).max(-1).values.tolist()]))
"""

HERE = """
import json, sys
import toolkit
found = toolkit.load_run("run").predict([{"text": text} for text in json.load(sys.stdin)])
print(json.dumps([[p["label"] for p in found], [p["score"] for p in found]]))
"""


@pytest.fixture
def python(hub, tmp_path):
    """Return a function that runs Python in a process of its own, as a user of that Hub has it."""
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1",
                   "HF_HOME": str(tmp_path / "hf")}  # fmt: skip
    del environment["HF_HUB_OFFLINE"]

    def run(*arguments, words=None):
        return subprocess.run([sys.executable, *arguments], capture_output=True, text=True,
                              check=False, env=environment, cwd=tmp_path, input=words)  # fmt: skip

    return run


def test_what_is_pushed_is_read_back_by_from_pretrained_and_predicts_the_same(trained, hub, python):
    done = python("-m", "toolkit", "push", str(trained), "acme/things")
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert TOKEN not in done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"{hub.address}/acme/things (private, ")
    assert listed(done.stdout) == {p: len(c) for p, c in files(hub, "acme/things").items()}
    assert len(hub.commits) == 1
    assert "PUT" in {request.split()[0] for request in hub.requests}  # weights go by LFS

    texts = [text for text, _ in sentences(20)]
    read = python("-c", READ_BACK, words=json.dumps(texts))
    assert read.returncode == 0, read.stderr
    names, scores = json.loads(read.stdout)
    here = toolkit.load_run(trained).predict([{"text": text} for text in texts])
    assert names == [p["label"] for p in here]
    assert scores == pytest.approx([p["score"] for p in here], abs=1e-5)


@pytest.mark.slow
def test_an_adapter_of_a_model_of_the_hub_is_read_back_by_the_lines_of_its_card(
    hub, python, table, tiny_model
):
    hub.create("acme/tiny", private=False)
    shutil.copytree(tiny_model, hub.place("acme/tiny"), dirs_exist_ok=True)
    settings = "training={max_steps: 20, per_device_train_batch_size: 8, learning_rate: 0.01}"
    done = python("-m", "toolkit", "run", "text-classification", "--quiet", "--data", str(table),
                  "--model", "acme/tiny", "--method", "lora", "--out", "run",
                  "--set", settings)  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = python("-m", "toolkit", "push", "run", "acme/things")
    assert done.returncode == 0, done.stderr
    assert "others cannot load the adapter" not in done.stdout
    card = files(hub, "acme/things")["README.md"].decode()
    usage = re.search(r"```python\n(.*?)```", card, re.S)[1]
    assert "'acme/tiny', revision=" in usage
    rest = READ_BACK[READ_BACK.index("processor = ") :]
    texts = json.dumps([text for text, _ in sentences(20)])
    said = []
    for script in (f"import json, sys\n{usage}\n{rest}", HERE):
        done = python("-c", script, words=texts)
        assert done.returncode == 0, done.stderr
        said.append(json.loads(done.stdout))
    assert said[0][0] == said[1][0]
    assert said[0][1] == pytest.approx(said[1][1], abs=1e-5)


def test_no_row_of_data_and_no_path_of_the_machine_is_sent(run, trained, hub, capsys):
    assert SECRET in (run / "report.html").read_text()
    card = (run / "README.md").read_text()
    assert SECRET in card
    (run / "README.md").write_text(f"{card}\n## Whom to ask\n\nann, of {run}\n")
    assert outcome(["push", str(run), "acme/things"]) == 0
    said = capsys.readouterr().out
    received = b"\n".join(hub.sent)
    assert SECRET.encode() not in received
    assert not re.search(rb"ann smith|%s" % str(trained.parent.parent).encode(), received)
    assert str(run).encode() not in received
    found = files(hub, "acme/things")
    assert set(found) == {
        "README.md", "config.json", "model.safetensors", "recipe.yaml", "report.html", "run.json",
        "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert found["model.safetensors"] == (run / "model/model.safetensors").read_bytes()
    assert "not sent: figures/sheet.png: an image, which may show rows of data" in said
    assert f"written as things.csv: {trained.parent / 'things.csv'}" in said
    recipe = yaml.safe_load(found["recipe.yaml"])
    assert (recipe["data"]["source"], recipe["model"]["id"]) == ("things.csv", "pretrained")
    record = json.loads(found["run.json"])
    assert record["metrics"] == toolkit.load_run(run).record["metrics"]
    assert (record["slices"], record["figures"]) == ({}, {})
    card, page = found["README.md"].decode(), found["report.html"].decode()
    assert 'folder = "acme/things"\n' in card
    assert "| test | " in card
    assert card.endswith("\n## Whom to ask\n\nann, of run\n")
    assert "Where does it fail?" in page
    assert "Most confident mistakes" not in page


def test_rows_are_sent_when_they_are_asked_for(run, hub):
    toolkit.load_run(run).push("acme/things", with_data=True)
    found = files(hub, "acme/things")
    assert found["predictions.jsonl"] == (run / "predictions.jsonl").read_bytes()
    assert found["figures/sheet.png"] == (run / "figures/sheet.png").read_bytes()
    for name in ("report.html", "README.md", "run.json", "figures/sheet.png"):
        assert SECRET.encode() in found[name]
    assert not any(b"ann smith" in content for content in found.values())


def test_a_dry_run_shows_what_would_be_sent_and_asks_nobody(light, hub, capsys, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert outcome(["push", str(light), "acme/things", "--public", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert not hub.requests
    assert "to acme/things, public if it has to be made, branch main" in shown
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    assert outcome(["push", str(light), "acme/things", "--public"]) == 0
    assert listed(shown) == hub.commits[0]["added"]
    assert capsys.readouterr().out.startswith(shown.splitlines()[0])
    assert hub.private == {"acme/things": False}


def test_a_branch_a_message_and_a_second_push(light, hub, capsys):
    arguments = ["push", str(light), "ann/things", "--revision", "next/one", "-m", "second try"]
    assert outcome(arguments) == 0
    assert (hub.commits[0]["revision"], hub.commits[0]["summary"]) == ("next/one", "second try")
    assert not files(hub, "ann/things")  # main is as it was
    assert f"{hub.address}/ann/things/tree/next/one (private, " in capsys.readouterr().out
    assert outcome(arguments) == 0
    assert "nothing has changed since the last push" in capsys.readouterr().out
    assert len(hub.commits) == 1
    before = len([r for r in hub.requests if r.startswith("PUT")])
    assert (
        outcome(["push", str(light), "ann/things"]) == 0
    )  # of what is there nothing is sent again
    assert len([r for r in hub.requests if r.startswith("PUT")]) == before
    assert "text-classification: accuracy " in hub.commits[-1]["summary"]


def test_weights_of_an_earlier_push_do_not_stay_beside_the_new_ones(light, hub, capsys):
    hub.create("acme/things", private=True)
    place = hub.place("acme/things")
    for name in ("adapter_config.json", "adapter_model.safetensors", "predictions.jsonl", "my.txt"):
        (place / name).write_text("{}")
    assert outcome(["push", str(light), "acme/things"]) == 0
    gone = {"adapter_config.json", "adapter_model.safetensors", "predictions.jsonl"}
    assert set(hub.commits[0]["deleted"]) == gone
    assert "my.txt" in files(hub, "acme/things")
    assert "removed, as an earlier push had left it: predictions.jsonl" in capsys.readouterr().out


def test_a_public_repository_takes_nothing_that_was_meant_to_be_private(light, hub, capsys):
    hub.create("acme/things", private=False)
    assert outcome(["push", str(light), "acme/things"]) == 2
    assert "acme/things exists and is public" in capsys.readouterr().err
    assert not hub.commits
    assert outcome(["push", str(light), "acme/things", "--public"]) == 0
    hub.private["acme/things"] = True
    assert outcome(["push", str(light), "acme/things", "--public"]) == 0
    assert "note: acme/things is private, and stays private" in capsys.readouterr().out


def fails(capsys, *arguments, code=2):
    """Hold that a push ends with one message, and return it."""
    assert outcome(["push", *map(str, arguments)]) == code
    said = capsys.readouterr().err
    assert said.startswith("Error: " if code == 2 else "Failed: ")
    assert "Traceback" not in said
    assert TOKEN not in said
    return said


def test_a_token_that_is_lacking_wrong_or_may_not_write(light, hub, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN")
    assert "logged in to Hugging Face with `hf auth login`" in fails(capsys, light, "ann/it")
    assert not hub.requests
    monkeypatch.setenv("HF_TOKEN", "hf_" + "b" * 30)
    said = fails(capsys, light, "ann/it")
    assert "The token from HF_TOKEN environment variable is invalid" in said
    assert f"is created at {hub.address}/settings/tokens" in said
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    said = fails(capsys, light, "acma/it")
    assert "That of ann can push to: ann, acme. Did you mean 'acme'?" in said
    hub.tokens[TOKEN] = ("ann", ["ann"])
    hub.fails["/repos/create"] = 403
    said = fails(capsys, light, "ann/it")
    assert f"nothing was published, {hub.address}/ann/it cannot be pushed to: 403 " in said
    assert not hub.commits


def test_a_hub_that_is_out_of_order_or_not_there(light, hub, capsys, monkeypatch):
    hub.fails["whoami"] = 503
    said = fails(capsys, light, "ann/it", code=1)
    assert "503 Service Unavailable" in said
    assert "out of order. Try again later" in said
    hub.fails = {"/lfs/": 403}
    said = fails(capsys, light, "ann/it")
    assert "The repository ann/it was created, and is empty" in said
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "Connection refused. Try again later" in fails(capsys, light, "ann/it", code=1)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "unset the `HF_HUB_OFFLINE` environment variable" in fails(capsys, light, "ann/it")
    assert not hub.commits


def test_a_card_that_the_hub_does_not_take(light, hub, capsys):
    (light / "README.md").write_text("---\nlicense: [\n---\n\n# Mine\n")
    assert "Invalid metadata in README.md" in fails(capsys, light, "ann/it")
    (light / "README.md").write_text(f"# Mine\n\nOf {light}/things.csv\n")
    assert outcome(["push", str(light), "ann/it"]) == 0
    assert "note: Warnings while validating metadata" in capsys.readouterr().out
    assert files(hub, "ann/it")["README.md"] == b"# Mine\n\nOf run/things.csv\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("things", "the owner is missing"),
        ("https://huggingface.co/acme/things", "two names of letters"),
        ("acme/my things", "two names of letters"),
        ("acme/../things", "is not an OWNER/NAME of the Hub"),
    ],
)
def test_all_that_is_wrong_is_said_at_once(light, capsys, name, said):
    RunWriter.add(light, status="interrupted")
    error = fails(capsys, light, name, "--revision", "refs/pr/1", "--dry-run")
    assert said in error
    assert "--revision refs/pr/1: is not a branch name" in error
    assert "is interrupted: only a finished run" in error


def test_links_out_and_what_is_no_part_of_a_model_stay_here(run, tmp_path):
    for name in ("training_args.bin", ".cache.json", "code.py"):
        (run / "model" / name).write_text("{}")
    (run / "checkpoints").mkdir()
    (run / "run.lock").write_text("{}")
    plan = publishing.prepare(toolkit.load_run(run), "acme/things")
    assert set(plan.left_out) == {
        "model/training_args.bin", "model/.cache.json", "model/code.py", "checkpoints/", "logs/",
        "baselines/", "validation/", "run.lock", "predictions.jsonl", "figures/sheet.png",
        "model/known_inputs.npy",
    }  # fmt: skip
    with_data = publishing.prepare(toolkit.load_run(run), "acme/things", with_data=True)
    assert with_data.files["known_inputs.npy"] == run / "model/known_inputs.npy"
    (tmp_path / "elsewhere.json").write_text("{}")
    (run / "model/vocab.json").symlink_to(tmp_path / "elsewhere.json")
    (run / "README.md").unlink()
    (run / "README.md").symlink_to("/etc/hostname")
    with pytest.raises(UserError) as error:
        publishing.prepare(toolkit.load_run(run), "acme/things")
    assert len(error.value.faults) == 2
    assert "is a link that leads out" in str(error.value)


def test_an_adapter_is_sent_as_one(light):
    RunWriter.add(light, model_files={})  # as runs of before have it
    (light / "model/adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "/home/ann smith/bert", "r": 8, "target": "/a/b"})
    )
    plan = publishing.prepare(toolkit.load_run(light), "acme/things")
    sent = json.loads(plan.files["adapter_config.json"])
    assert sent == {"base_model_name_or_path": "bert", "r": 8, "target": "/a/b"}
    assert any("toolkit export RUN --merge" in note for note in plan.notes)
    assert any("others cannot load the adapter" in note for note in plan.notes)


def test_without_predictions_there_is_no_report(light):
    plan = publishing.prepare(toolkit.load_run(light), "acme/things")
    assert "report.html" not in plan.files
    assert "cannot be read" in plan.left_out["report.html"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("trained on /srv/data/ann/rows.csv, and/or 1/2/3", "trained on rows.csv, and/or 1/2/3"),
        ("see https://example.org/a/b/c and hub:acme/things", None),
        ("</p></div> 300 rows/s", None),
        (r"of C:\Users\ann\rows.csv", "of rows.csv"),
        ("file:///srv/ann/rows.csv; sqlite:////srv/ann/x.db", "rows.csv; x.db"),
        ("in ~/secret/rows.csv", "in rows.csv"),
        ("of '/home/ann smith/my rows.csv'", "of 'my rows.csv'"),
        (r"of /data/my\_rows.csv", r"of my\_rows.csv"),
        (f"token {TOKEN}", "token hf_***"),
    ],
)
def test_paths_within_texts(text, left):
    clean = LocalPaths(["/home/ann smith/my rows.csv", "/data/my_rows.csv"])
    assert clean.text(text) == (text if left is None else left)


def test_texts_of_a_recipe_are_shown_before_they_go_out(light, capsys):
    recipe = light / "recipe.yaml"
    recipe.write_text(f"{recipe.read_text()}\ndescription: Tickets of ACME Ltd., see Ann.\n")
    assert outcome(["push", str(light), "acme/things", "--dry-run"]) == 0
    assert "recipe: description: Tickets of ACME Ltd., see Ann." in capsys.readouterr().out
