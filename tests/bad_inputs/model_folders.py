"""Folders and names of models that cannot be loaded, or must not be."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bad_inputs.case import GOOD, Case, fifo, folder, link

COMMAND = ("check", "text-classification", "--no-estimate", "--data", "things.csv", "--model")


def model(name: str, change: Callable[[Path], None], place: str, *says: str,
          apart: bool = False) -> Case:  # fmt: skip
    """Return a case of a folder `m`: a copy of the tiny model, changed."""
    files = {"things.csv": GOOD, "m": copied(change)}
    return Case(name, (*COMMAND, "./m"), place, says, files, apart=apart)


def named(name: str, model_id: str, place: str, *says: str) -> Case:
    """Return a case of a model's name."""
    return Case(name, (*COMMAND, model_id), place, says, {"things.csv": GOOD})


def copied(change: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return what copies the tiny model (which the test puts beside) and changes it."""

    def make(path: Path) -> None:
        shutil.copytree((path.parent / ".model").resolve(), path)
        change(path)

    return make


def put(name: str, content: str | bytes | Callable[[Path], None]) -> Callable[[Path], None]:
    """Return what replaces a file of the folder."""

    def make(path: Path) -> None:
        (path / name).unlink(missing_ok=True)
        if callable(content):
            content(path / name)
        else:
            raw = content.encode() if isinstance(content, str) else content
            (path / name).write_bytes(raw)

    return make


def without(*names: str) -> Callable[[Path], None]:
    """Return what removes files of the folder."""

    def make(path: Path) -> None:
        for name in names:
            (path / name).unlink()

    return make


def config(**values: Any) -> Callable[[Path], None]:
    """Return what changes fields of config.json."""
    return changed("config.json", **values)


def changed(name: str, **values: Any) -> Callable[[Path], None]:
    """Return what changes fields of a file of JSON."""

    def make(path: Path) -> None:
        file = path / name
        found = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**found, **values}))

    return make


def cut(share: float) -> Callable[[Path], None]:
    """Return what leaves a share of the weights' bytes."""

    def make(path: Path) -> None:
        raw = (path / "model.safetensors").read_bytes()
        (path / "model.safetensors").write_bytes(raw[: int(len(raw) * share)])

    return make


def header(length: int) -> Callable[[Path], None]:
    """Return what says another length of the weights' header."""

    def make(path: Path) -> None:
        raw = (path / "model.safetensors").read_bytes()
        (path / "model.safetensors").write_bytes(struct.pack("<Q", length) + raw[8:])

    return make


def both(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return what makes several changes."""

    def make(path: Path) -> None:
        for change in changes:
            change(path)

    return make


def indexed(path: Path) -> None:
    """Let an index name weights outside of the folder."""
    (path / "model.safetensors").rename(path.parent / "outside.safetensors")
    put("model-1.safetensors", b"")(path)
    index = {"weight_map": {"a": "../outside.safetensors", "b": "model-1.safetensors"}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))


WEIGHTS, PICKLE = "model.safetensors", b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n."
EVIL = "open('owned', 'w')\n"

CASES = [
    named("a name that nobody has", "owner/nothing", "owner/nothing", "cannot be had"),
    named("a name with a typo", "sentence-transformers/all-MiniLM-L6-v3", "all-MiniLM-L6-v3",
          "Did you mean 'sentence-transformers/all-MiniLM-L6-v2'"),
    named("an address", "https://huggingface.co/a/b", "https://", "not a model id"),
    named("a name with a space", "my model", "my model", "not a model id"),
    named("a path that climbs", "../../../etc", "etc", "cannot be had"),
    named("a name that breaks the terminal", "a/\x1b[31mb", "\\x1b[31mb", "not a model id"),
    named("a folder without a config", "./sub", "/sub", "cannot be had"),
    named("a file", "things.csv", "things.csv", "cannot be had"),
    named("a name of 5,000 letters", "x" * 5000, "xxxx", "cannot be had"),
    model("nothing in the folder", both(lambda p: shutil.rmtree(p), folder), "/m",
          "config.json is missing"),
    model("only a pickle", both(without(WEIGHTS), put("pytorch_model.bin", PICKLE)), "/m",
          "only pickles (pytorch_model.bin), which can run code", "save_pretrained(FOLDER)"),
    model("pickles of other names", both(without(WEIGHTS), put("a.ckpt", PICKLE),
          put("b.pt", PICKLE)), "/m", "only pickles (a.ckpt, b.pt)"),
    model("a pickle that is named safetensors", put(WEIGHTS, PICKLE), "/m", "cannot be loaded"),
    model("no weights", without(WEIGHTS), "/m", "no safetensors weights"),
    model("weights that are empty", put(WEIGHTS, b""), "/m", "cannot be loaded"),
    model("half of the weights", cut(0.5), "/m", "cannot be loaded"),
    model("weights of eight bytes", cut(0.0001), "/m", "cannot be loaded"),
    model("a header that is too long", header(2**60), "/m", "cannot be loaded"),
    model("a header that is too short", header(4), "/m", "cannot be loaded"),
    model("a header of zero bytes", header(0), "/m", "cannot be loaded"),
    model("weights that are a text", put(WEIGHTS, "version https://git-lfs.github.com/spec/v1\n"),
          "/m", "cannot be loaded"),
    model("weights that are a folder", put(WEIGHTS, folder), "/m", "model.safetensors"),
    model("weights that are a pipe", put(WEIGHTS, fifo), "/m", "model.safetensors"),
    model("weights without an end", put(WEIGHTS, link("/dev/zero")), "/m", "model.safetensors"),
    model("weights that are a link to nothing", put(WEIGHTS, link("gone")), "/m",
          "model.safetensors"),
    model("weights outside of the folder", indexed, "/m", "outside.safetensors"),
    model("an index that is none", both(put("model.safetensors.index.json", "[1"),), "/m",
          "model.safetensors.index.json"),
    model("an index of nothing", put("model.safetensors.index.json", "[]"), "/m",
          "model.safetensors.index.json"),
    model("a config that is empty", put("config.json", ""), "/m", "cannot be loaded"),
    model("a config that is no JSON", put("config.json", "{model_type: bert}"), "/m",
          "cannot be loaded"),
    model("a config that is a list", put("config.json", "[]"), "/m", "cannot be loaded"),
    model("a config that is null", put("config.json", "null"), "/m", "cannot be loaded"),
    model("a config of utf-16", put("config.json", '{"model_type": "bert"}'.encode("utf-16")),
          "/m", "cannot be loaded"),
    model("a config nested too deeply", put("config.json", "[" * 100_000), "/m",
          "cannot be loaded"),
    model("a config that is a folder", put("config.json", folder), "/m", "config.json"),
    model("a config that is a pipe", put("config.json", fifo), "/m", "config.json"),
    model("a config without a type", put("config.json", "{}"), "/m", "cannot be loaded"),
    model("a type that nobody knows", config(model_type="brt"), "/m", "cannot be loaded"),
    model("a type that is a list", config(model_type=["bert"]), "/m", "cannot be loaded"),
    model("a model of pictures", config(model_type="vit"), "/m", "vit"),
    model("sizes of another model", config(hidden_size=64), "/m", "config.json does not fit"),
    model("sizes that cannot be", config(hidden_size=33), "/m", "cannot be loaded"),
    model("sizes that are texts", config(hidden_size="32"), "/m", "cannot be loaded"),
    model("sizes below zero", config(vocab_size=-5), "/m", "cannot be loaded"),
    model("layers without an end", config(num_hidden_layers=400), "/m", "lacks"),
    model("an activation that is none", config(hidden_act="evil"), "/m", "cannot be loaded"),
    model("fewer words than the tokenizer", config(vocab_size=20), "/m", "does not fit"),
    model("code of its own", both(config(model_type="evil", auto_map={
        "AutoConfig": "evil.Config", "AutoModelForSequenceClassification": "evil.Model"}),
        put("evil.py", EVIL)), "/m", "it needs code of its own", "never run here",
        "CONTRIBUTING.md", apart=True),
    model("code of its own from elsewhere", config(model_type="evil", auto_map={
        "AutoConfig": "other/repo--evil.Config"}), "/m", "never run"),
    model("a tokenizer of its own code", both(changed("tokenizer_config.json",
          tokenizer_class="EvilTokenizer", auto_map={"AutoTokenizer": ["evil.T", None]}),
          put("evil.py", EVIL), without("tokenizer.json")), "/m", "tokenizer"),
    model("no tokenizer", without("tokenizer.json", "tokenizer_config.json"), "/m",
          "holds no tokenizer"),
    model("a tokenizer that is no JSON", put("tokenizer.json", "{"), "/m", "cannot be loaded"),
    model("a tokenizer that is a list", put("tokenizer.json", "[]"), "/m", "cannot be loaded"),
    model("a tokenizer config that is a list", put("tokenizer_config.json", "[]"), "/m",
          "cannot be loaded"),
    model("a tokenizer that is a pipe", put("tokenizer.json", fifo), "/m", "tokenizer"),
    model("a kernel of the Hub for attention", config(_attn_implementation="evil/kernel"),
          "/m/config.json", "evil/kernel", "never run"),
    model("a kernel of the Hub for a part", config(
        text_config={"attn_implementation": {"": "evil/kernel@v1:f"}}), "/m/config.json",
        "evil/kernel@v1:f", "never run"),
]  # fmt: skip
