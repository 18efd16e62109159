"""`toolkit eject` for a scenario of another package, which brings a template beside its module."""

from __future__ import annotations

import json
import os
import sys

import pytest
from test_ejecting import assert_readable

import toolkit
from toolkit.cli.main import outcome
from toolkit.testing import ejected

PLUGIN = """
from transformers import AutoModelForSequenceClassification

from toolkit import InputColumn, Options, Plugin, TargetColumn, pretrained
from toolkit.evaluation import metrics


class CrowdOptions(Options):
    mates: InputColumn = "mates"
    crowded: TargetColumn = "crowded"


class Crowds(Plugin[CrowdOptions]):
    Options = CrowdOptions

    def prepare(self, split, name):
        def encode(rows):
            return {"input_ids": [[n, n, n] for n in rows["mates"]], "labels": rows["crowded"]}

        return split.map(encode, batched=True, remove_columns=split.column_names)

    def load_model(self):
        auto = AutoModelForSequenceClassification
        return pretrained.model(auto, self.model_path, num_labels=2)

    def decode(self, outputs, rows):
        limit = self.calibration.get("limit", 2.0)
        return [{"label": str(int(p >= limit))} for p in outputs.logits.softmax(-1)[:, 1].tolist()]

    def references(self, rows):
        return [str(row["crowded"]) for row in rows]

    def metrics(self):
        return {"accuracy": metrics.load("accuracy", labels=["0", "1"])}

    def calibrate(self, predictions):
        return {"limit": 0.4}
"""
TEMPLATE = """
{% extends "script.py.jinja" %}
{% block imports %}
from transformers import AutoModelForSequenceClassification
{% endblock %}
{% block constants %}
{{ constants({"MATES": options.mates, "CROWDED": options.crowded}) }}
{% endblock %}
{% block prepare %}
def prepare(rows, processor):
    \"\"\"Return how many share a house, as tokens.\"\"\"
    ids = [[n, n, n] for n in rows[MATES]]
    return datasets.Dataset.from_dict({"input_ids": ids, "labels": rows[CROWDED]})
{% endblock %}
{% block model %}
def load_model(processor):
    \"\"\"Return a model without any training.\"\"\"
    config = AutoConfig.for_model(**CONFIG, num_labels=2)
    return AutoModelForSequenceClassification.from_config(config)
{% endblock %}
{% block scores %}
def said(outputs):
    \"\"\"Return how likely a house is crowded.\"\"\"
    return outputs.logits.softmax(-1)[:, 1]


def scores(found, inputs, chosen=None):
    \"\"\"Return the share that is right.\"\"\"
    predicted = found.numpy() >= (2.0 if chosen is None else chosen["limit"])
    return {"accuracy": metrics.accuracy_score(inputs["labels"], predicted.astype(int))}
{% endblock %}
"""
CALIBRATION = """{% block calibration %}
def calibrate(found, inputs):
    \"\"\"Return from where on a house is crowded.\"\"\"
    return {"limit": 0.4}
{% endblock %}
"""
SCRATCH = {
    "model_type": "bert", "vocab_size": 8, "hidden_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 8,
}  # fmt: skip


@pytest.fixture
def crowds(tmp_path, monkeypatch):
    """The scenario as an installed package, with a template that lacks a block; its recipe."""
    site = tmp_path / "site"
    info = site / "crowds-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "crowds.py").write_text(PLUGIN)
    (site / "crowds.script.py.jinja").write_text(TEMPLATE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crowds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[toolkit.plugins]\ncrowds = crowds:Crowds\n")
    monkeypatch.syspath_prepend(site)
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))  # of the fresh process, too
    rows = [{"mates": 2 + 4 * (n % 2), "crowded": n % 2} for n in range(80)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    recipe = {
        "scenario": "crowds",
        "model": {"from_config": SCRATCH},
        "data": {"source": "rows.jsonl", "split": {"stratify": True}},
        "training": {"num_train_epochs": 3, "learning_rate": 0.01},
    }
    (tmp_path / "crowds.yaml").write_text(json.dumps(recipe))  # JSON is YAML
    yield tmp_path / "crowds.yaml"
    sys.modules.pop("crowds", None)


def test_a_template_that_leaves_something_out(crowds, tmp_path, capsys):
    assert outcome(["eject", str(crowds)]) == 2
    said = capsys.readouterr()
    assert "has a hook calibrate, and its script no block calibration" in said.err
    template = tmp_path / "site" / "crowds.script.py.jinja"
    wrong = TEMPLATE.replace("[n, n, n]", "[n, n]") + CALIBRATION
    template.write_text(wrong)
    assert outcome(["eject", str(crowds)]) == 2
    said = capsys.readouterr()
    assert "the script makes other input_ids of train" in said.err
    assert not said.out
    template.write_text(
        "{% extends 'script.py.jinja' %}{% block model %}{{ nothing }}{% endblock %}"
    )
    assert outcome(["eject", str(crowds)]) == 2
    assert (
        "crowds.script.py.jinja: UndefinedError: 'nothing' is undefined" in capsys.readouterr().err
    )
    template.write_text(TEMPLATE + CALIBRATION.replace("0.4", "unheard"))
    assert outcome(["eject", str(crowds)]) == 1
    assert "uses names that nothing gives: unheard" in capsys.readouterr().err


@pytest.mark.slow
def test_its_script_ends_as_its_run_does(crowds, tmp_path):
    template = tmp_path / "site" / "crowds.script.py.jinja"
    template.write_text(TEMPLATE + CALIBRATION)
    script = tmp_path / "script.py"
    assert outcome(["eject", str(crowds), "-o", str(script)]) == 0
    assert_readable(script.read_text(), tmp_path)
    done = ejected.process([str(script), str(tmp_path / "alone")])
    assert done.returncode == 0, done.stderr
    run = toolkit.run(str(crowds), out=tmp_path / "run")
    ejected.assert_same_end(tmp_path / "alone", run.path)
