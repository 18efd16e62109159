"""Plugins that bring another Trainer: trained, scored, saved and loaded again by `toolkit run`."""

from __future__ import annotations

import json

import pytest
import transformers
from text_rows import FILLERS, WORDS, sentences

import toolkit
from toolkit import registry

PARTS = '''
import datasets
import evaluate


class Settings(toolkit.Options):
    text: toolkit.TextColumn = "text"
    label: toolkit.LabelColumn = "label"


class Exact(evaluate.Metric):
    """The share of texts that are what they should be."""

    def _info(self):
        text = datasets.Value("string")
        features = datasets.Features({"predictions": {"text": text}, "references": text})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        right = [p["text"] == r for p, r in zip(predictions, references)]
        return {"exact": sum(right) / len(right)}
'''
SEQ2SEQ = f"""
from types import SimpleNamespace

import toolkit
from toolkit import pretrained
from transformers import (
    AutoModelForSeq2SeqLM, DataCollatorForSeq2Seq, Seq2SeqTrainer, Seq2SeqTrainingArguments,
)
{PARTS}

class Naming(toolkit.Plugin):
    Options = Settings
    Trainer = Seq2SeqTrainer
    Arguments = Seq2SeqTrainingArguments

    def load_processor(self):
        return pretrained.tokenizer(self.model_path)

    def prepare(self, split, name):
        def encode(rows):
            return dict(self.processor(rows[self.options.text], truncation=True,
                                       text_target=rows.get(self.options.label)))

        return split.map(encode, batched=True, remove_columns=split.column_names)

    def load_model(self):
        return pretrained.model(AutoModelForSeq2SeqLM, self.model_path, self.processor)

    def collator(self):
        return DataCollatorForSeq2Seq(self.processor)

    def infer(self, model, batch):
        loss = model(**batch).loss if "labels" in batch else None
        asked = {{k: batch[k] for k in ("input_ids", "attention_mask")}}
        made = model.generate(**asked, max_new_tokens=4, num_beams=2)
        return SimpleNamespace(loss=loss, texts=made)

    def decode(self, outputs, rows, prepared):
        found = self.processor.batch_decode(outputs.texts, skip_special_tokens=True)
        return [{{"text": text}} for text in found]

    def metrics(self):
        return {{"exact": Exact()}}
"""
SFT = f"""
import toolkit
from toolkit import pretrained
from transformers import AutoModelForCausalLM, DataCollatorForSeq2Seq
from trl import SFTConfig, SFTTrainer
{PARTS}

class Completing(toolkit.Plugin):
    Options = Settings
    Trainer = SFTTrainer
    Arguments = SFTConfig

    def load_processor(self):
        found = pretrained.tokenizer(self.model_path)
        found.padding_side = "left"  # generation goes on at the right
        return found

    def prepare(self, split, name):
        def encode(rows):
            found = dict(self.processor(rows[self.options.text], add_special_tokens=False))
            if name == "train":
                ends = self.processor(rows[self.options.label], add_special_tokens=False)
                last = [ids + [self.processor.sep_token_id] for ids in ends["input_ids"]]
                prompts = found["input_ids"]
                found = {{
                    "input_ids": [a + b for a, b in zip(prompts, last)],
                    "labels": [[-100] * len(a) + b for a, b in zip(prompts, last)],
                }}
                found["attention_mask"] = [[1] * len(ids) for ids in found["input_ids"]]
            return found

        return split.map(encode, batched=True, remove_columns=split.column_names)

    def load_model(self):
        return pretrained.model(AutoModelForCausalLM, self.model_path, self.processor)

    def collator(self):
        return DataCollatorForSeq2Seq(self.processor)

    def infer(self, model, batch):
        made = model.generate(**batch, max_new_tokens=2, do_sample=False,
                              pad_token_id=self.processor.pad_token_id)
        return made[:, batch["input_ids"].shape[1]:]

    def decode(self, outputs, rows, prepared):
        found = self.processor.batch_decode(outputs, skip_special_tokens=True)
        return [{{"text": text}} for text in found]

    def metrics(self):
        return {{"exact": Exact()}}
"""
PAIRS = '''
import datasets
import evaluate
import torch

import toolkit
from sentence_transformers import (
    SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from toolkit import pretrained
from toolkit.training.trainer import build_trainer
from transformers import AutoModel


class PairOptions(toolkit.Options):
    first: toolkit.TextColumn = "first"
    second: toolkit.TextColumn = "second"
    score: toolkit.TargetColumn = "score"


class Distance(evaluate.Metric):
    """The mean distance between two similarities."""

    greater_is_better = False

    def _info(self):
        number = datasets.Value("float64")
        features = datasets.Features({"predictions": {"similarity": number}, "references": number})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        away = [abs(p["similarity"] - r) for p, r in zip(predictions, references)]
        return {"distance": sum(away) / len(away)}


class Pairs(toolkit.Plugin):
    Options = PairOptions
    Trainer = SentenceTransformerTrainer
    Arguments = SentenceTransformerTrainingArguments

    def load_processor(self):
        return pretrained.tokenizer(self.model_path)

    def prepare(self, split, name):
        """Tokens of both texts; and the texts, which the Trainer's own collator takes."""
        def encode(rows):
            both = zip(*(self.processor(rows[c], truncation=True)["input_ids"]
                         for c in (self.options.first, self.options.second)))
            return {"input_ids": [list(pair) for pair in both]}

        return split.map(encode, batched=True)

    def load_model(self):
        return pretrained.model(AutoModel, self.model_path, self.processor)

    def collator(self):
        def collate(rows):
            flat = [{"input_ids": ids} for row in rows for ids in row["input_ids"]]
            return dict(self.processor.pad(flat, return_tensors="pt"))

        return collate

    def infer(self, model, batch):
        mask = batch["attention_mask"][..., None]
        hidden = model(**batch).last_hidden_state
        return (hidden * mask).sum(1) / mask.sum(1)

    def decode(self, outputs, rows, prepared):
        likeness = torch.cosine_similarity(outputs[0::2], outputs[1::2])
        return [{"similarity": value} for value in likeness.tolist()]

    def metrics(self):
        return {"distance": Distance()}

    def trainer(self, **parts):
        first = Transformer(str(self.model_path))
        first.model = parts["model"]
        parts["model"] = SentenceTransformer(modules=[
            first, Pooling(first.get_embedding_dimension(), "mean"),
        ])
        columns = [self.options.first, self.options.second, self.options.score]
        for name in ("train_dataset", "eval_dataset"):
            parts[name] = parts[name].select_columns(columns)
        parts["data_collator"] = None
        del parts["compute_loss_func"]
        return build_trainer(self, loss=CosineSimilarityLoss(parts["model"]), **parts)
'''


def installed(site, tmp_path, name, text, rows, **recipe):
    """Install a package of one scenario; return a recipe of it with such rows."""
    target = f"{name}_module:{name.title()}"
    site.add(f"{name}-dist", {registry.GROUP: {name: target}}, {f"{name}_module.py": text})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / f"{name}.yaml"
    path.write_text(json.dumps({"scenario": name, "data": {"source": "rows.jsonl"}, **recipe}))
    return str(path)


def answers():
    return [{"text": text, "label": label} for text, label in sentences(160)]


def with_tokenizer(folder, model):
    """Save a model beside a tokenizer of the words of `sentences`, and of their labels."""
    model.save_pretrained(folder)
    words = [*FILLERS, *(word for group in WORDS.values() for word in group), *WORDS]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(words)]
    transformers.BertTokenizer(
        vocab={word: place for place, word in enumerate(vocabulary)}, model_max_length=32
    ).save_pretrained(folder)
    return str(folder)


SIZES = {"vocab_size": 48, "max_position_embeddings": 32}
IDS = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}


def test_seq2seq_trainer_with_generated_answers(site, tmp_path):
    transformers.set_seed(0)
    config = transformers.T5Config(
        vocab_size=48, d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2, dropout_rate=0.0,
        pad_token_id=0, eos_token_id=3, decoder_start_token_id=0,
    )  # fmt: skip
    model = with_tokenizer(tmp_path / "t5", transformers.T5ForConditionalGeneration(config))
    recipe = installed(
        site, tmp_path, "naming", SEQ2SEQ, answers(), model=model,
        training={"num_train_epochs": 8, "learning_rate": 0.01, "per_device_train_batch_size": 16,
                  "predict_with_generate": True},
    )  # fmt: skip
    run = toolkit.run(recipe, out=tmp_path / "run")
    assert run.metrics["test"]["exact"]["value"] > 0.8
    assert run.record["reload"] == {"compared": 32, "different": 0}
    loaded = transformers.T5ForConditionalGeneration.from_pretrained(run.path / "model")
    assert loaded.generation_config.eos_token_id == 3
    assert run.predict([{"text": "the old hammer"}])[0]["text"] in WORDS


@pytest.mark.filterwarnings(
    # trl sets it for everybody, and transformers warns of the name.
    "ignore:.gradient_checkpointing. is deprecated:FutureWarning"
)
def test_trl_sft_trainer(site, tmp_path):
    pytest.importorskip("trl", reason="trl is not installed: pip install trl")
    transformers.set_seed(0)
    config = transformers.LlamaConfig(
        **SIZES, **IDS, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, initializer_range=0.2,
    )  # fmt: skip
    model = with_tokenizer(tmp_path / "llama", transformers.LlamaForCausalLM(config))
    recipe = installed(
        site, tmp_path, "completing", SFT, answers(), model=model,
        training={"num_train_epochs": 10, "learning_rate": 0.01, "per_device_train_batch_size": 16},
    )  # fmt: skip
    run = toolkit.run(recipe, out=tmp_path / "run")
    assert run.metrics["test"]["exact"]["value"] > 0.6
    assert run.record["reload"] == {"compared": 32, "different": 0}
    assert run.predict([{"text": "the old hammer"}])[0]["text"] in WORDS


def test_sentence_transformer_trainer_around_the_plugins_model(site, tmp_path, tiny_model):
    pytest.importorskip(
        "sentence_transformers",
        reason="sentence-transformers is not installed: pip install sentence-transformers",
    )
    words = [(word, kind) for kind, group in WORDS.items() for word in group]
    rows = [{"first": a, "second": f"my {b}", "score": float(one == other)}
            for a, one in words for b, other in words]  # fmt: skip
    recipe = installed(
        site, tmp_path, "pairs", PAIRS, rows, model=str(tiny_model),
        training={"num_train_epochs": 5, "learning_rate": 0.005, "per_device_train_batch_size": 16},
    )  # fmt: skip
    run = toolkit.run(recipe, out=tmp_path / "run")
    assert run.metrics["test"]["distance"]["value"] < 0.4
    assert run.record["reload"]["different"] == 0
    saved = transformers.AutoModel.from_pretrained(run.path / "model")
    assert type(saved) is transformers.BertModel
    before = transformers.AutoModel.from_pretrained(tiny_model)
    moved = [(a != b).any() for a, b in zip(saved.parameters(), before.parameters(), strict=True)]
    assert any(moved)
    (same, other) = run.predict([{"first": "saw", "second": "my drill"},
                                 {"first": "saw", "second": "my crow"}])  # fmt: skip
    assert same["similarity"] > other["similarity"]
