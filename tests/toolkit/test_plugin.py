"""Hooks beyond the usual: derived columns, choices on validation, figures; models from scratch."""

import json
import os
import sys
from xml.etree import ElementTree

import pytest

import toolkit
from toolkit.cli.main import outcome
from toolkit.recipe import library

PLUGIN = '''
from transformers import AutoModelForSequenceClassification

from toolkit import Curve, InputColumn, Options, Plugin, TargetColumn, pretrained
from toolkit.evaluation import metrics


class CrowdOptions(Options):
    keys: list[InputColumn] = ["house", "street"]
    crowded: TargetColumn = "crowded"


class Crowds(Plugin[CrowdOptions]):
    """Is a house crowded? Its rows say so only together."""

    Options = CrowdOptions

    def add_features(self, rows):
        names = rows[self.options.keys[0]][:]
        return rows.add_column("mates", [names.count(name) for name in names])

    def prepare(self, split, name):
        def encode(rows):
            found = {"input_ids": [[n, n, n] for n in rows["mates"]]}
            if self.options.crowded in rows:
                found["labels"] = rows[self.options.crowded]
            return found

        return split.map(encode, batched=True, remove_columns=split.column_names)

    def load_model(self):
        return pretrained.model(
            AutoModelForSequenceClassification, self.model_path, num_labels=2
        )

    def decode(self, outputs, rows, prepared):
        limit = self.calibration.get("limit", 2.0)
        return [{"label": str(int(p >= limit)), "score": p}
                for p in outputs.logits.softmax(-1)[:, 1].tolist()]

    def references(self, rows):
        return [str(row[self.options.crowded]) for row in rows]

    def metrics(self):
        return {"accuracy": metrics.load("accuracy", labels=["0", "1"])}

    def calibrate(self, predictions):
        assert len(predictions) == len(self.data["validation"])
        scores = sorted(p["score"] for p in predictions)
        return {"limit": (scores[0] + scores[-1]) / 2}

    def figures(self, predictions):
        found = list(predictions)
        assert len(found) == len(self.data["test"])
        points = [(float(place), p["score"]) for place, p in enumerate(found)]
        return {"scores": Curve("Scores <of> test", "row", "score", {"model": points})}
'''
SCRATCH = {
    "model_type": "bert", "vocab_size": 8, "hidden_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 8,
}  # fmt: skip


@pytest.fixture
def crowds(tmp_path, monkeypatch):
    """The scenario as an installed package, and a recipe for it."""
    site = tmp_path / "site"
    info = site / "crowds-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "crowds.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crowds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[toolkit.plugins]\ncrowds = crowds:Crowds\n")
    monkeypatch.syspath_prepend(site)
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))  # of the fresh process, too
    rows = [
        {"house": f"h{n}", "street": "s", "crowded": int(mates == 6)}
        for n in range(30) for mates in [2 if n % 2 else 6] for _ in range(mates)
    ]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    recipe = {
        "scenario": "crowds",
        "model": {"from_config": SCRATCH},
        "data": {"source": "rows.jsonl", "split": {"stratify": True}},
        "training": {"num_train_epochs": 6, "learning_rate": 0.01},
    }
    (tmp_path / "crowds.yaml").write_text(json.dumps(recipe))  # JSON is YAML
    yield tmp_path / "crowds.yaml"
    sys.modules.pop("crowds", None)


def test_what_is_derived_chosen_and_drawn_lasts(crowds, tmp_path):
    run = toolkit.run(str(crowds), out=tmp_path / "run")
    # Only with the rows of all splits together does each row know how many share its house.
    assert run.metrics["test"]["accuracy"]["value"] == 1.0
    assert run.record["reload"]["different"] == 0
    chosen = json.loads((run.path / "model" / "calibration.json").read_text())
    assert 0 < chosen["limit"] < 1
    crowd = [{"house": "x", "street": "s"}] * 6 + [{"house": "y", "street": "s"}] * 2
    assert [p["label"] for p in run.predict(crowd)] == ["1"] * 6 + ["0"] * 2
    assert run.record["figures"] == {"scores": "figures/scores.svg"}
    picture = ElementTree.fromstring((run.path / "figures" / "scores.svg").read_text())  # noqa: S314 - ours
    assert "Scores <of> test" in "".join(picture.itertext())
    points = json.loads((run.path / "figures" / "scores.json").read_text())["lines"]["model"]
    assert len(points) == run.record["data"]["rows"]["test"]


def test_a_model_from_a_config_is_said_to_be_from_scratch(crowds, tmp_path):
    run = toolkit.run(str(crowds), out=tmp_path / "run", settings={"training.max_steps": 1})
    assert run.record["model"]["source"] == "config"
    card = (run.path / "README.md").read_text()
    assert "from scratch" in card
    assert "base_model" not in card
    again = toolkit.run(str(run.path / "recipe.yaml"), out=tmp_path / "again")
    assert again.record["model"] == run.record["model"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["model.from_config.hiden_size=8"], "model.from_config.hiden_size: is no field of "
                                             "BertConfig. Did you mean 'hidden_size'?"),
        (["model.from_config.model_type=bertt"], "model.from_config.model_type: is 'bertt': no "
                                                 "model type. Did you mean 'bert'?"),
        (["model.id=some/model"], "give `id` or `from_config`, one of the two"),
        (["model.revision=main"], "a model from_config has no revision"),
        (["method.name=lora"], "lora builds upon what is pretrained"),
        (["options.keys=[house, road]"], "options.keys.1: there is no column 'road'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_training(crowds, capsys, settings, message):
    arguments = [part for text in settings for part in ("--set", text)]
    assert outcome(["check", str(crowds), *arguments]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("some/model", ("some/model", None)),
        ("{id: some/model}", ("some/model", None)),
        ("{from_config: {hidden_size: 32}}", (None, {**SCRATCH, "hidden_size": 32})),
        ("{from_config: {model_type: vit}}", (None, {"model_type": "vit"})),
    ],
)
def test_a_variant_changes_the_config_or_takes_another_model(crowds, tmp_path, model, found):
    other = tmp_path / "other.yaml"
    other.write_text(f"include: crowds.yaml\nmodel: {model}\n")
    spec = library.find_recipe(str(other)).recipe().model
    assert (spec.id, spec.from_config) == found
