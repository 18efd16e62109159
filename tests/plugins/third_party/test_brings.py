"""One package with all of it: model class, offline model, rows, options, baseline, recipe."""

from __future__ import annotations

import hashlib
import json
import sys

import pytest

import toolkit
from toolkit.cli.main import outcome
from toolkit.errors import UserError
from toolkit.evaluation import run_metrics
from toolkit.registry import GROUP

MODULE = '''
from pathlib import Path

import datasets
import torch
from pydantic import Field
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from toolkit import Options, Plugin, InputColumn, TargetColumn, pretrained
from toolkit.evaluation import metrics
from toolkit import Baseline, BaselineResult
from toolkit.models import Mirror


class SumConfig(PreTrainedConfig):
    model_type = "their-sum"


class SumModel(PreTrainedModel):
    """Is the sum of two numbers above nought?"""

    config_class = SumConfig
    base_model_prefix = "body"

    def __init__(self, config):
        super().__init__(config)
        self.body = torch.nn.Linear(2, 2)
        self.post_init()

    def forward(self, numbers, labels=None):
        logits = self.body(numbers)
        loss = None if labels is None else torch.nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


AutoConfig.register("their-sum", SumConfig)
AutoModel.register(SumConfig, SumModel)


class SumOptions(Options):
    first: InputColumn = "first"
    second: InputColumn = "second"
    above: TargetColumn = "above"
    scale: float = Field(1.0, gt=0, description="what numbers are divided by")


class Nought(Baseline):
    name = "always_nought"

    def run(self, data, seconds):
        rows = data.test_order
        found = [{"label": "0", "scores": {"0": 1.0, "1": 0.0}} for _ in rows]
        return BaselineResult(found, rows, 0)


class Sums(Plugin):
    Options = SumOptions

    def prepare(self, split, name):
        def encode(rows):
            pairs = zip(rows[self.options.first], rows[self.options.second])
            found = {"numbers": [[a / self.options.scale, b / self.options.scale]
                                 for a, b in pairs]}
            if self.options.above in rows:
                found["labels"] = rows[self.options.above]
            return found

        return split.map(encode, batched=True, remove_columns=split.column_names)

    def load_model(self):
        return pretrained.model(AutoModel, self.model_path)

    def decode(self, outputs, rows, prepared):
        return [{"label": str(int(b > a)), "scores": {"0": a, "1": b}}
                for a, b in outputs.logits.softmax(-1).tolist()]

    def references(self, rows):
        return [str(row[self.options.above]) for row in rows]

    def metrics(self):
        return {"accuracy": metrics.load("accuracy", labels=["0", "1"])}

    def baselines(self):
        return [Nought()]


def numbers(count=200):
    rows = [{"first": float(n * 7 % 23 - 11), "second": float(n * 5 % 19 - 9) + n / 1000}
            for n in range(count)]
    return datasets.Dataset.from_list(
        [row | {"above": int(row["first"] + row["second"] > 0)} for row in rows]
    )


def mirror():
    folder = Path(__file__).parent / "model"
    return Mirror(folder, {"model.safetensors": (folder / "sha256").read_text()})
'''
RECIPE = """# toolkit run sums
scenario: sums
description: Is a sum above nought?
model: their/sum
data: {source: "plugin:their-numbers?count=240"}
options: {scale: 10}
training: {num_train_epochs: 8, learning_rate: 0.05, per_device_train_batch_size: 16}
"""


@pytest.fixture
def package(site):
    """The package, with its model saved inside."""
    site.add(
        "sums-dist",
        {GROUP: {"sums": "their_sums:Sums"},
         "toolkit.data": {"their-numbers": "their_sums:numbers"},
         "toolkit.models": {"their/sum": "their_sums:mirror"}},
        {"their_sums/__init__.py": MODULE, "their_sums/recipes/sums/default.yaml": RECIPE},
    )  # fmt: skip
    import their_sums

    folder = site.folder / "their_sums" / "model"
    their_sums.SumModel(their_sums.SumConfig()).save_pretrained(folder)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "sha256").write_text(hashlib.sha256(weights).hexdigest())
    yield site
    from transformers import AutoModel

    # What the module has registered outlives it otherwise.
    AutoModel._model_mapping._extra_content.pop(their_sums.SumConfig, None)
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    CONFIG_MAPPING._extra_content.pop("their-sum", None)


def test_all_that_a_package_brings_makes_one_run(package, tmp_path):
    run = toolkit.run("sums", out=tmp_path / "run")
    assert run.record["model"]["source"] == "mirror"
    assert run.record["data"]["source"] == "plugin:their-numbers?count=240"
    assert run.metrics["test"]["accuracy"]["value"] > 0.8
    baseline = run.record["baselines"]["always_nought"]["accuracy"]["value"]
    assert baseline < run.metrics["test"]["accuracy"]["value"]
    assert run.record["reload"] == {"compared": run.record["data"]["rows"]["test"], "different": 0}
    saved = json.loads((run.path / "model" / "config.json").read_text())
    assert saved["architectures"] == ["SumModel"]
    found = run.predict([{"first": 9.0, "second": 5.0}, {"first": -9.0, "second": -5.0}])
    assert [prediction["label"] for prediction in found] == ["1", "0"]


def test_its_options_are_checked_and_shown(package, capsys):
    assert outcome(["show", "sums"]) == 0
    assert "scale: what numbers are divided by (setting, default 1.0)" in capsys.readouterr().out
    assert outcome(["check", "sums", "--set", "options.scale=0"]) == 2
    assert "options.scale" in capsys.readouterr().err


def test_a_model_that_is_not_what_it_promises_is_refused(package):
    (package.folder / "their_sums" / "model" / "sha256").write_text("0" * 64)
    with pytest.raises(UserError, match="is not what it promises"):
        toolkit.run("sums")


def test_it_is_named_by_what_it_brings(package, capsys):
    sys.modules.pop("their_sums")
    assert outcome(["list"]) == 0
    shown = capsys.readouterr().out
    assert "sums (from sums-dist)\n      Is a sum above nought?" in shown
    assert "their_sums" not in sys.modules
    assert run_metrics.names() == []
