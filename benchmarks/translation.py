"""Translation on Multi30k (English to German) against a stock Seq2SeqTrainer, side by side.

    python benchmarks/translation.py [EPOCHS]

Both train the model of the recipe `translation/multi30k` from scratch, with its tokenizer, on the
same 10,000 pairs, for as many epochs, with the same rows per step, optimizer, schedule and label
smoothing, and translate the test sentences with the same settings. stock: what the example scripts
do: batches of random rows in fp32, padded to the longest, texts generated for 64 rows as they come.
toolkit: `toolkit run`, and `predict` on a run. Goals: 1.5x in training and in generation, and a
BLEU that is at most 1 below stock's.

EPOCHS: of both; the recipe's own if not given. MULTI30K names another folder of the data.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import datasets
import sacrebleu
import transformers
import yaml
from common import DATA, quiet, say

import toolkit

FOLDER = Path(os.environ.get("MULTI30K", DATA / "multi30k_en_de"))
FILES = {"train": "train_first10000", "validation": "val", "test": "test_2016_flickr"}
EPOCHS = {"training.num_train_epochs": float(sys.argv[1])} if len(sys.argv) > 1 else {}
SAME = ("num_train_epochs", "learning_rate", "lr_scheduler_type", "warmup_steps",
        "adam_beta1", "adam_beta2", "adam_epsilon", "weight_decay", "max_grad_norm", "seed",
        "label_smoothing_factor")  # fmt: skip


def pairs(split: str) -> tuple[list[str], list[str]]:
    """Return the sentences of a split, and their translations."""
    lines = (FOLDER / f"{FILES[split]}.jsonl").read_text("utf-8").split("\n")
    rows = [json.loads(line)["translation"] for line in lines if line]
    return [row["en"] for row in rows], [row["de"] for row in rows]


def ours(out: Path) -> dict[str, Any]:
    """Return what a run of the recipe takes and gives."""
    source = {name: str(FOLDER / f"{file}.jsonl") for name, file in FILES.items()}
    run = toolkit.run("translation/multi30k", data=source, out=out, settings=EPOCHS)
    rows = [{"translation": {"en": text}} for text in pairs("test")[0]]
    start = time.perf_counter()
    run.predict(rows)
    return {
        "trained": run.record["speed"]["train_samples_per_second"],
        "generated": len(rows) / (time.perf_counter() - start),
        "bleu": run.record["metrics"]["test"]["bleu"]["value"],
        "seconds": run.record["speed"]["total_seconds"],
        "settings": yaml.safe_load((out / "recipe.yaml").read_text("utf-8"))["training"],
    }


def stock(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what a Seq2SeqTrainer takes and gives, from the same config and tokenizer."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    settings = {"warmup_steps": 0.1, **settings}  # as the toolkit has it, if a recipe says nothing
    transformers.set_seed(42)
    model = transformers.AutoModelForSeq2SeqLM.from_config(config)
    model.generation_config = transformers.GenerationConfig.from_pretrained(folder)

    def encoded(split: str) -> datasets.Dataset:
        sources, targets = pairs(split)
        found = tokenizer(sources, text_target=targets)
        return datasets.Dataset.from_dict({k: found[k] for k in ("input_ids", "labels")})

    with tempfile.TemporaryDirectory() as out:
        trainer = transformers.Seq2SeqTrainer(
            model=model,
            args=transformers.Seq2SeqTrainingArguments(
                out, save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True,
                predict_with_generate=True, per_device_eval_batch_size=64,
                per_device_train_batch_size=settings["per_device_train_batch_size"],
                **{name: settings[name] for name in SAME if settings.get(name) is not None},
            ),
            train_dataset=encoded("train"),
            data_collator=transformers.DataCollatorForSeq2Seq(tokenizer, model),
            processing_class=tokenizer,
        )  # fmt: skip
        done = trainer.train()
        test = encoded("test")
        start = time.perf_counter()
        found = trainer.predict(test).predictions
        taken = time.perf_counter() - start
    found[found < 0] = tokenizer.pad_token_id
    texts = tokenizer.batch_decode(found, skip_special_tokens=True)
    return {
        "trained": done.metrics["train_samples_per_second"],
        "generated": len(texts) / taken,
        "bleu": sacrebleu.corpus_bleu(texts, [pairs("test")[1]]).score,
    }


quiet()
with tempfile.TemporaryDirectory() as place:
    one = ours(Path(place) / "run")
    other = stock(Path(place) / "run" / "model", one.pop("settings"))
say(
    "translation",
    ratio=one["trained"] / other["trained"],
    ratio_generation=one["generated"] / other["generated"],
    goals=[1.5, 1.5],
    bleu={"stock": round(other["bleu"], 2), "toolkit": round(one["bleu"], 2)},
    rows_per_second={
        f"{name}_{what}": round(found[what], 1)
        for name, found in (("stock", other), ("toolkit", one))
        for what in ("trained", "generated")
    },
    run_seconds=round(one["seconds"], 1),
)
