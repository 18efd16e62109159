"""Columns that methods add get past collators that know nothing of them; nested labels, too."""

from __future__ import annotations

import random

import pytest
import torch
import transformers
from safetensors.torch import load_file

import toolkit
from toolkit.errors import RecipeError, TrainingError

COLOURS = """
import torch
from transformers import AutoModelForImageClassification

from toolkit import LabelColumn, ListColumn, Options, Plugin, pretrained
from toolkit.data import ClassLabels
from toolkit.evaluation import metrics
from toolkit.training.trainer import build_trainer


class ColourOptions(Options):
    pixels: ListColumn = "pixels"
    label: LabelColumn = "label"
    collator: str = "own"


class Colours(Plugin[ColourOptions]):
    Options = ColourOptions

    @property
    def labels(self):
        if self.data is None:
            return ClassLabels.saved(self.model_path)
        return ClassLabels.of(self.data["train"], self.options.label)

    def prepare(self, split, name):
        found = split.select_columns(["pixels"]).rename_column("pixels", "pixel_values")
        if "label" in split.column_names:
            found = found.add_column("labels", self.labels.ids(split["label"]))
        return found

    def collator(self):
        def collate(rows):
            batch = {"pixel_values": torch.tensor([row["pixel_values"] for row in rows])}
            if "labels" in rows[0]:
                batch["labels"] = torch.tensor([row["labels"] for row in rows])
            return batch

        return None if self.options.collator == "default" else collate

    def trainer(self, **parts):
        if self.options.collator != "in the trainer":
            return None
        return build_trainer(self, **{**parts, "data_collator": self.collator()})

    def load_model(self):
        auto = AutoModelForImageClassification
        return pretrained.model(auto, self.model_path, **self.labels.head)

    def decode(self, outputs, rows, prepared):
        return self.labels.predictions(outputs.logits.softmax(-1).tolist())

    def metrics(self):
        return {"accuracy": metrics.load("accuracy", labels=self.labels.names)}
"""
VIT = {"model_type": "vit", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
       "intermediate_size": 16, "image_size": 4, "patch_size": 2}  # fmt: skip


def pixels(rng, label):
    shades = [rng.random() + (channel == label) for channel in range(3)]
    return [[[shade] * 4] * 4 for shade in shades]


@pytest.fixture
def colours(scenario, tmp_path):
    rng = random.Random(0)
    rows = [{"pixels": pixels(rng, n % 3), "label": "rgb"[n % 3]} for n in range(60)]
    recipe = scenario("colours", COLOURS, "Colours", rows, model={"from_config": VIT},
                      training={"num_train_epochs": 2, "learning_rate": 0.01})  # fmt: skip

    def go(out, **settings):
        run = toolkit.run(recipe, out=tmp_path / out, settings=settings)
        return run, load_file(run.path / "model" / "model.safetensors")

    return go


def test_distill_has_its_teacher_whatever_the_collator(colours):
    teacher, _ = colours("teacher", seed=3, **{"data.split.seed": 42})
    distill = {"method": {"name": "distill", "teacher": str(teacher.path), "alpha": 1.0}}
    _, plain = colours("full")
    _, own = colours("own", **distill)
    _, default = colours("default", **distill, **{"options.collator": "default"})
    name = "classifier.weight"
    assert not torch.allclose(own[name], plain[name], atol=1e-3)
    assert all(torch.equal(own[name], default[name]) for name in own)


def test_a_trainer_that_loses_the_teacher_is_told(colours):
    teacher, _ = colours("teacher")
    distill = {"method": {"name": "distill", "teacher": str(teacher.path)}}
    with pytest.raises(TrainingError, match="lost the column 'teacher_logits'"):
        colours("out", **distill, **{"options.collator": "in the trainer"})


WORDS = """
import numpy as np
from datasets import Features, Value
from transformers import AutoModelForTokenClassification, DataCollatorForTokenClassification

from toolkit import ListColumn, ListTargetColumn, Options, Plugin, pretrained
from toolkit.evaluation.metrics.base import RowMetric

NAMES = ["word", "name"]


class WordOptions(Options):
    tokens: ListColumn = "tokens"
    tags: ListTargetColumn = "tags"


class Words(Plugin[WordOptions]):
    Options = WordOptions

    def load_processor(self):
        return pretrained.tokenizer(self.model_path)

    def prepare(self, split, name):
        def encode(rows):
            found = self.processor(rows["tokens"], is_split_into_words=True, truncation=True)
            if "tags" in rows:
                found["labels"] = [
                    [-100 if n is None else NAMES.index(tags[n]) for n in found.word_ids(row)]
                    for row, tags in enumerate(rows["tags"])
                ]
            return found

        return split.map(encode, batched=True, remove_columns=split.column_names)

    def collator(self):
        return DataCollatorForTokenClassification(self.processor)

    def load_model(self):
        return pretrained.model(AutoModelForTokenClassification, self.model_path, num_labels=2)

    def decode(self, outputs, rows, prepared):
        found = []
        for logits, row in zip(outputs.logits.argmax(-1).tolist(), rows, strict=True):
            found.append({"tags": [NAMES[tag] for tag in logits[1 : 1 + len(row["tokens"])]]})
        return found

    def references(self, rows):
        return [row["tags"] for row in rows]

    def metrics(self):
        return {"share": Share()}


class Share(RowMetric):
    def stored(self):
        tags = [Value("string")]
        return Features({"predictions": {"tags": tags}, "references": tags})

    def rows(self, predictions, references):
        found = zip(predictions.to_pylist(), references.to_pylist(), strict=True)
        return np.array([np.mean([a == b for a, b in zip(p["tags"], r)]) for p, r in found])
"""


def test_a_head_for_tokens_is_trained_on_features(scenario, tmp_path, tiny_model):
    rng = random.Random(0)
    names = ["robin", "heron", "finch"]
    rows = []
    for _ in range(60):
        tokens = rng.choices(["the", "old", "red", *names], k=rng.randint(3, 8))
        rows.append({"tokens": tokens, "tags": ["name" if t in names else "word" for t in tokens]})
    recipe = scenario("words", WORDS, "Words", rows, model=str(tiny_model), method={"name": "head"},
                      training={"num_train_epochs": 10, "learning_rate": 0.05})  # fmt: skip
    run = toolkit.run(recipe, out=tmp_path / "run")
    assert run.record["method"]["head"] == "trained on features"
    assert run.metrics["test"]["share"]["value"] > 0.95
    before = load_file(tiny_model / "model.safetensors")
    after = load_file(run.path / "model" / "model.safetensors")
    assert all(torch.equal(before[n], after[f"bert.{n}"]) for n in before if "pooler" not in n)


SPOTS = """
import numpy as np
import torch
from datasets import Features, Value
from transformers import AutoModelForObjectDetection

from toolkit import InputColumn, Options, Plugin, TargetColumn, pretrained
from toolkit.evaluation.metrics.base import RowMetric


class SpotOptions(Options):
    pixels: InputColumn = "pixels"
    boxes: TargetColumn = "boxes"


class Spots(Plugin[SpotOptions]):
    Options = SpotOptions

    def prepare(self, split, name):
        found = split.select_columns(["pixels"]).rename_column("pixels", "pixel_values")
        if "boxes" in split.column_names:
            labels = [[{"box": box} for box in boxes] for boxes in split["boxes"]]
            found = found.add_column("labels", labels)
        return found

    def collator(self):
        def collate(rows):
            batch = {"pixel_values": torch.tensor([row["pixel_values"] for row in rows])}
            if "labels" in rows[0]:
                batch["labels"] = [
                    {"boxes": torch.tensor([one["box"] for one in row["labels"]]),
                     "class_labels": torch.zeros(len(row["labels"]), dtype=torch.int64)}
                    for row in rows
                ]
            return batch

        return collate

    def load_model(self):
        return pretrained.model(AutoModelForObjectDetection, self.model_path, num_labels=1,
                                ignore_mismatched_sizes=True)

    def decode(self, outputs, rows, prepared):
        best = outputs.logits[..., 0].argmax(-1).tolist()
        return [{"box": boxes[place]} for boxes, place in zip(outputs.pred_boxes.tolist(), best)]

    def references(self, rows):
        return [row["boxes"][0] for row in rows]

    def metrics(self):
        return {"error": Error()}


class Error(RowMetric):
    greater_is_better = False

    def stored(self):
        box = [Value("float64")]
        return Features({"predictions": {"box": box}, "references": box})

    def rows(self, predictions, references):
        found = zip(predictions.to_pylist(), references.to_pylist(), strict=True)
        return np.array([np.abs(np.subtract(p["box"], r)).mean() for p, r in found])
"""


def test_a_head_for_boxes_is_trained_with_nested_labels(scenario, tmp_path):
    pytest.importorskip("scipy")
    folder = tmp_path / "yolos"
    transformers.set_seed(0)
    config = transformers.YolosConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        image_size=[4, 4], patch_size=2, num_detection_tokens=3,
    )  # fmt: skip
    transformers.YolosForObjectDetection(config).save_pretrained(folder)
    rng = random.Random(0)
    rows = [{"pixels": pixels(rng, n % 3), "boxes": [[0.5, 0.5, 0.2, 0.1 * (1 + n % 3)]]}
            for n in range(40)]  # fmt: skip
    recipe = scenario("spots", SPOTS, "Spots", rows, model=str(folder), method={"name": "head"},
                      training={"num_train_epochs": 3, "learning_rate": 0.01})  # fmt: skip
    run = toolkit.run(recipe, out=tmp_path / "run")
    assert run.record["method"]["head"] == "trained on features"
    before = load_file(folder / "model.safetensors")
    after = load_file(run.path / "model" / "model.safetensors")
    changed = {
        n for n in before if before[n].shape != after[n].shape or not before[n].equal(after[n])
    }
    assert {n.partition(".")[0] for n in changed} == {"class_labels_classifier", "bbox_predictor"}


SUMS = """
from transformers import AutoModelForSeq2SeqLM

from toolkit import LabelColumn, Options, Plugin, TextColumn, pretrained


class SumOptions(Options):
    text: TextColumn = "text"
    sum: LabelColumn = "sum"


class Sums(Plugin[SumOptions]):
    Options = SumOptions

    def prepare(self, split, name):
        return split.map(lambda row: {"input_ids": [2, 3], "labels": [3, 1]})

    def load_model(self):
        return pretrained.model(AutoModelForSeq2SeqLM, self.model_path)
"""


@pytest.mark.parametrize("tied", [True, False])
def test_a_head_on_sequence_to_sequence_is_refused_before_training(scenario, tmp_path, tied):
    config = transformers.T5Config(
        vocab_size=8, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, pad_token_id=0,
        decoder_start_token_id=0, tie_word_embeddings=tied,
    )  # fmt: skip
    transformers.T5ForConditionalGeneration(config).save_pretrained(tmp_path / "t5")
    rows = [{"text": str(n), "sum": str(n)} for n in range(20)]
    recipe = scenario("sums", SUMS, "Sums", rows, model=str(tmp_path / "t5"))
    with pytest.raises(RecipeError, match="head cannot train T5ForConditionalGeneration.*lora"):
        toolkit.run(recipe, out=tmp_path / "run", settings={"method": {"name": "head"}})
    assert not (tmp_path / "run").exists()
