"""A plugin's mistake ends a run before it trains, and names hook, file and line."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
import torch
from plain_torch import CODE, RECIPE, ROWS

import toolkit
from toolkit.cli.main import outcome
from toolkit.errors import HookError
from toolkit.recipe import library
from toolkit.runner import prepare


@pytest.fixture
def broken(scenario):
    """A function that installs the scenario with another text in the place of one of its own."""

    def install(old, new):
        assert old in CODE
        return scenario("lines", CODE.replace(old, new, 1), "Lines", ROWS, **RECIPE)

    return install


def line_of(code, text):
    return 1 + code[: code.index(text)].count("\n")


HOOKS = [
    ("centred = row", "return {}[1] or row", "prepare"),
    ("torch.tensor([row[name]", "torch.tensor([row['z']", "collator"),
    ("for y in outputs[\"y\"].tolist()", "for y in outputs['z'].tolist()", "decode"),
    ("return [f\"{row['x']}", "return [f\"{row['z']}", "show"),
    ("[[prediction[\"y\"]] for", "[[prediction['z']] for", "tables"),
    ("points = [(float(n), p[\"y\"])", "points = [(float(n), p['z'])", "figures"),
    ("return Line(width=1)", "return Line(with_=1)", "load_model"),
    ("return {\"mean\": np.mean(self.data[\"train\"][\"x\"])}", "return {'mean': self.nothing}",
     "training_statistics"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "hook"), HOOKS)
def test_what_a_hook_raises_names_it_with_file_and_line(broken, tmp_path, old, new, hook):
    recipe = broken(old, new)
    with pytest.raises(HookError) as found:
        toolkit.run(recipe, out=tmp_path / "run")
    where = rf"Lines\.{hook} fails in \S*site/lines.py, line {line_of(CODE, old)}: "
    assert re.match(where, str(found.value))
    assert not (tmp_path / "run").exists()


GIVEN = [
    ("self.layer = nn", "self.config = {}; self.layer = nn",
     "Lines.load_model gave a model whose config is dict, not a PreTrainedConfig, nor None"),
    ("found[\"loss\"] = ", "_ = ",
     "Lines.loss gave None, and Line gives y for a batch of x, labels: no loss to train with"),
    ("** 2).mean()", "* float('nan')).mean()", "the loss of 3 training rows is nan"),
    ("return [{\"y\": y} for", "return [{'y': y, 'all': [torch.ones(2)]} for",
     "Lines.decode gave what is no JSON: prediction['all'][0] is Tensor"),
    ("return [{\"y\": y} for", "return [{'y': {1: y}} for",
     "decode gave what is no JSON: prediction['y'] has the key 1"),
    ("return [{\"y\": y} for y in outputs[\"y\"].tolist()]", "return outputs['y'].tolist()",
     "decode gave float, not a dict"),
    ("[\"y\"].tolist()]", "['y'].tolist()[:1]]", "decode gave 1 predictions for 3 rows"),
    ("    def show(", "    def same(self, a, b):\n        return a is not b\n\n    def show(",
     "Lines.same gave no True for {'y': "),
    ("abs(p[\"y\"] - r)", "abs(p['z'] - r)",
     "metrics: error does not take what lines predicts: KeyError: 'z' (a prediction is {'y': "),
    ("for name in rows[0]}", "for name in [*rows[0], 'scale']}",
     "Lines.collator asks for 'scale', a column that `prepare` gave but that does not reach it: "
     "Line.forward does not name it"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), GIVEN)
def test_what_a_hook_gives_is_checked_in_check_as_in_run(broken, capsys, old, new, message):
    assert outcome(["check", broken(old, new), "--no-estimate"]) == 1
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_baseline_that_fails_is_a_note(broken):
    job = prepare.prepare(library.find_recipe(broken('data.train["y"]', "data.train['z']")))
    found = r"a baseline fails on few rows before training: Lines fails in \S*lines.py, line 29: "
    assert any(re.match(found, note) for note in job.loaded.notes)


def test_what_fails_on_few_rows_alone_is_let_pass(broken, tmp_path):
    """Of three rows a metric or table may make nothing."""
    recipe = broken('[[prediction["y"]] for', "[[len(few)] for few in [[*pairs][5]]] or [[0] for")
    assert outcome(["check", recipe, "--no-estimate"]) == 0


def test_users_errors_of_a_hook_pass_unchanged(broken, capsys):
    odd = "__import__('toolkit').errors.DataError"
    recipe = broken("centred = row", f"raise {odd}('the rows are odd')\n            centred = row")
    assert outcome(["check", recipe]) == 2
    assert capsys.readouterr().err == "Error: the rows are odd\n"


def test_a_run_is_what_it_is_without_rehearsal(broken, tmp_path, monkeypatch):
    """To the bit, although the plugin draws at random while it is rehearsed."""
    draws = "torch.rand(3), np.random.rand(3), __import__('random').random()"
    recipe = broken('        return [{"y": y}', f'        {draws}\n        return [{{"y": y}}')
    states = []
    for rehearse in (prepare.rehearse, lambda *_: []):
        monkeypatch.setattr(prepare, "rehearse", rehearse)
        prepare.prepare(library.find_recipe(recipe))
        states.append((torch.rand(1).item(), np.random.rand(), random.random()))
    assert states[0] == states[1]


def test_what_fails_after_training_is_blamed_too(broken, tmp_path):
    late = "if len(rows) > 5:\n            raise IndexError('late')\n        return [{'y': y} for"
    recipe = broken('return [{"y": y} for', late)
    with pytest.raises(HookError, match=r"Lines\.decode fails in .*lines.py, line \d+: IndexError"):
        toolkit.run(recipe, out=tmp_path / "run", settings={"training.eval_strategy": "no"})
    assert "Lines.decode fails" in toolkit.load_run(tmp_path / "run").record["error"]
