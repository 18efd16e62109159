"""`toolkit eject`: the script that it prints ends with the weights that the run ends with."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest
from conftest import sentences

from toolkit.cli.main import outcome
from toolkit.testing import ejected

SMALL = ["--set", "training.num_train_epochs=2", "--set", "training.learning_rate=3e-3"]


def texts(table, model, *more):
    """Return the arguments of a small run of texts."""
    return ["text-classification", "--data", str(table), "--model", str(model), *SMALL, *more]


def assert_readable(text, folder):
    """A script imports nothing of toolkit, is not long, and linter and formatter leave it."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert not {name for name in names if name.startswith("toolkit")}
    assert all(ast.get_docstring(node) for node in tree.body if isinstance(node, ast.FunctionDef))
    path = folder / "readable.py"
    path.write_text(text, encoding="utf-8")
    for words in (["check"], ["format", "--check"], ["format", "--check", "--line-length", "100"]):
        command = [sys.executable, "-m", "ruff", *words, "--isolated", "--no-cache", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_texts_by_full_fine_tuning(table, tiny_model, tmp_path):
    text = ejected.assert_same(texts(table, tiny_model), tmp_path)
    assert_readable(text, tmp_path)
    assert len(text.splitlines()) < 320


METHODS = {
    "lora": ["--method", "lora"],
    "dora": ["--set", "method={name: dora, rank: 4, base_dropout: true}"],
    "ia3": ["--method", "ia3"],
    "partial": ["--set", "method={name: partial, blocks: 1}"],
    "layerwise": ["--set", "method={name: layerwise, head_factor: 2, embeddings: freeze}"],
    "head": ["--method", "head"],
    "head on the mean": ["--set", "method={name: head, pooling: mean}"],
    "probe": ["--set", "method={name: full, head: probe}"],
}


@pytest.mark.parametrize("method", METHODS)
def test_texts_by_other_methods(method, table, tiny_model, tmp_path):
    text = ejected.assert_same(texts(table, tiny_model, *METHODS[method]), tmp_path)
    assert_readable(text, tmp_path)


def several_labels(folder):
    """Rows of jsonl in two files, with lists of labels, some empty."""
    rows = [{"text": f"{one} {two}", "label": sorted({a, b})[: n % 3]}
            for n, ((one, a), (two, b)) in enumerate(zip(sentences(120), sentences(120, 1)))]  # fmt: skip
    folder.mkdir()
    for name, part in (("train", rows[20:]), ("test", rows[:20])):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, part)))
    return folder


def pairs(folder):
    """Pairs of texts in a table with other names, gaps, marks and line ends."""
    lines = ["Erste;Zweite;Klasse", ";;bird", "the old;;"]
    rows = zip(sentences(120), sentences(120, 1), strict=True)
    lines += [f'"{one}, ""so""\n";{two};{int(a == b)}' for (one, a), (two, b) in rows]
    folder.mkdir()
    path = folder / "pairs.csv"
    path.write_bytes("\r\n".join(lines).encode("utf-16"))
    return path


FORMS = {
    "several labels": (several_labels, ["--set", "options.multi_label=true"]),
    "pairs": (pairs, [
        "--set", "data.encoding=utf-16", "--set", "data.split={stratify: false, seed: 7}",
        "--set", "options={text: Erste, text_pair: second, label: Klasse, class_weights: balanced}",
        "--set", "data.rename={Zweite: second}", "--set", "report.metrics=[f1,log_loss,roc_auc]",
        "--set", "training.label_smoothing_factor=0.1", "--set", "training.eval_strategy=no",
    ]),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_texts_of_other_forms(form, tiny_model, tmp_path):
    make, settings = FORMS[form]
    text = ejected.assert_same(texts(make(tmp_path / "rows"), tiny_model, *settings), tmp_path)
    assert_readable(text, tmp_path)
