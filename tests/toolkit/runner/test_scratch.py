"""Models from scratch: every field of a config, and a tokenizer that is trained once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import transformers
from text_rows import sentences

import toolkit
from toolkit import pretrained
from toolkit.errors import RecipeError
from toolkit.models import scratch
from toolkit.testing import interruptions

T5 = {"model_type": "t5", "vocab_size": 8, "d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1,
      "num_heads": 2}  # fmt: skip


def test_a_config_takes_what_only_generation_reads():
    files = scratch.from_config(
        {**T5, "decoder_start_token_id": 3, "forced_bos_token_id": 5, "num_beams": 4}
    )
    model = pretrained.model(transformers.AutoModelForSeq2SeqLM, files.path)
    known = model.generation_config
    assert (known.decoder_start_token_id, known.forced_bos_token_id, known.num_beams) == (3, 5, 4)
    assert model.config.decoder_start_token_id == 3
    other = scratch.from_config({**T5, "decoder_start_token_id": 3, "num_beams": 2})
    assert other.revision != files.revision


def test_an_unknown_field_still_gets_the_nearest_name():
    with pytest.raises(RecipeError, match="'decoder_start_token_id'"):
        scratch.from_config({**T5, "decoder_start_tokn_id": 3})


TRAIN = """
import hashlib, sys
from toolkit import pretrained
texts = ["a cat sat", "the cat sat on a mat", "a mat"] * 3
made = pretrained.train_tokenizer(texts, vocab_size=275)
print(hashlib.sha256(made.backend_tokenizer.to_str().encode()).hexdigest())
"""


def test_a_tokenizer_knows_every_text_and_is_the_same_in_every_process(tmp_path):
    texts = ["a cat sat", "the cat sat on a mat"] * 3
    made = pretrained.train_tokenizer(texts, vocab_size=300, model_max_length=32)
    made.save_pretrained(tmp_path)
    again = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in ("the cat", "Zürich 東京 🙂"):
        ids = made(text)["input_ids"]
        assert again(text)["input_ids"] == ids
        assert made.decode(ids, skip_special_tokens=True) == text
    assert made("a", "mat").tokens()[0] == "<s>"
    assert (made.pad_token_id, again.model_max_length) == (0, 32)
    found = {subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True,
                            check=True).stdout for _ in range(2)}  # fmt: skip
    assert len(found) == 1


TALES = """
import random
from transformers import AutoModelForSequenceClassification

from toolkit import LabelColumn, Options, Plugin, TextColumn, pretrained
from toolkit.data import ClassLabels
from toolkit.evaluation import metrics


class TaleOptions(Options):
    text: TextColumn = "text"
    label: LabelColumn = "label"


class Tales(Plugin[TaleOptions]):
    Options = TaleOptions

    @property
    def labels(self):
        if self.data is None:
            return ClassLabels.saved(self.model_path)
        return ClassLabels.of(self.data["train"], "label")

    def load_processor(self):
        if not pretrained.is_scratch(self.model_path):
            return pretrained.tokenizer(self.model_path)
        texts = self.data["train"]["text"]
        texts = random.SystemRandom().sample(texts, 9)  # another one each time
        return pretrained.train_tokenizer(texts, vocab_size=290)

    def prepare(self, split, name):
        def encode(rows):
            found = self.processor(rows["text"])
            if "label" in rows:
                found["labels"] = self.labels.ids(rows["label"])
            return found

        return split.map(encode, batched=True, remove_columns=split.column_names)

    def load_model(self):
        auto = AutoModelForSequenceClassification
        return pretrained.model(auto, self.model_path, self.processor, **self.labels.head)

    def decode(self, outputs, rows, prepared):
        return self.labels.predictions(outputs.logits.softmax(-1).tolist())

    def metrics(self):
        return {"accuracy": metrics.load("accuracy", labels=self.labels.names)}
"""
BERT = {"model_type": "bert", "vocab_size": 300, "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 8}  # fmt: skip


def test_a_resumed_run_has_the_tokenizer_that_it_began_with(scenario, tmp_path):
    rows = [{"text": text, "label": label} for text, label in sentences(60)]
    recipe = scenario("tales", TALES, "Tales", rows, model={"from_config": BERT},
                      training={"num_train_epochs": 3})  # fmt: skip
    arguments = [recipe, "--quiet", "--out", str(tmp_path / "run")]
    # In the second epoch, so that there is a checkpoint to go on from.
    assert interruptions.killed("step", 3, arguments) < 0
    began = json.loads((tmp_path / "run" / "processor" / "tokenizer.json").read_text())
    run = toolkit.run(recipe, out=tmp_path / "run", resume=True)
    assert run.record["resumed"][0]["step"] == 2
    assert json.loads((run.path / "model" / "tokenizer.json").read_text()) == began
    assert not (run.path / "processor").exists()
