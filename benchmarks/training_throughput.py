"""Training throughput on Banking77 texts against a stock Trainer, side by side, and the MFU.

    python benchmarks/training_throughput.py [ROWS] [EPOCHS]

run_glue: padded to 128 tokens, fp32, random batches of 32 (what that script and its README do).
stock: the same Trainer with DataCollatorWithPadding. toolkit: `toolkit run` with the settings of
the Banking77 recipe. Goals: 8x and 2.5x, at an accuracy not lower than stock's by 0.005.
MFU is model FLOPs of forward and backward (6 x non-embedding parameters x tokens, without padding;
Kaplan et al. 2020) against the matrix peak (bf16, or fp32 where that is faster) measured in the
same run. Goal: 50%.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import transformers
from common import MODEL, banking77_rows, quiet, say

import toolkit
from toolkit.models.find import find_model
from toolkit.models.structure import training_flops
from toolkit.utils.resources import matrix_peak

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
EPOCHS = int(sys.argv[2]) if len(sys.argv) > 2 else 1
PADDED_ROWS = min(ROWS, 640)  # padded to 128, a row costs eight times as much

quiet()
train, test, names = banking77_rows(ROWS)
files = find_model(MODEL)
tokenizer = transformers.AutoTokenizer.from_pretrained(files.path)


def stock(padded: bool) -> tuple[float, float, int]:
    """Return rows a second, test accuracy and the tokens of one epoch of a stock Trainer."""

    def encode(batch: dict[str, Any]) -> dict[str, Any]:
        found = tokenizer(batch["text"], truncation=True, max_length=128,
                          padding="max_length" if padded else False)  # fmt: skip
        found["labels"] = [names.index(name) for name in batch["category"]]
        return dict(found)

    transformers.set_seed(42)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        files.path, num_labels=len(names), dtype="float32"
    )
    some = train.select(range(PADDED_ROWS)) if padded else train
    encoded = some.map(encode, batched=True, remove_columns=train.column_names)
    encoded_test = test.map(encode, batched=True, remove_columns=train.column_names)
    with tempfile.TemporaryDirectory() as out:
        trainer = transformers.Trainer(
            model=model,
            args=transformers.TrainingArguments(
                out, per_device_train_batch_size=32, num_train_epochs=1 if padded else EPOCHS,
                learning_rate=2e-4, save_strategy="no", report_to="none", disable_tqdm=True,
                use_cpu=not torch.accelerator.is_available(),
            ),
            train_dataset=encoded,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
        )  # fmt: skip
        done = trainer.train()
        accuracy = 0.0
        if not padded:
            logits = trainer.predict(encoded_test)
            accuracy = float((logits.predictions.argmax(-1) == logits.label_ids).mean())
    tokens = sum(map(len, encoded["input_ids"]))
    return done.metrics["train_samples_per_second"], accuracy, tokens


def ours() -> tuple[float, float, float]:
    """Return rows a second (of Trainer, and with fitting the head first) and test accuracy."""
    with tempfile.TemporaryDirectory() as out:
        place = Path(out)
        train.to_csv(place / "train.csv", index=False)
        test.to_csv(place / "test.csv", index=False)
        run = toolkit.run(
            "text-classification/banking77",
            data=place,
            out=place / "run",
            settings={"training.num_train_epochs": EPOCHS, "training.eval_strategy": "no"},
        )
        record = run.record
    speed = record["speed"]
    whole = record["data"]["rows"]["train"] * speed["epochs"] / speed["train_seconds"]
    accuracy = record["metrics"]["test"]["accuracy"]["value"]
    return speed["train_samples_per_second"], whole, accuracy


padded_rate, _, _ = stock(padded=True)
stock_rate, stock_accuracy, tokens = stock(padded=False)
our_rate, our_whole, our_accuracy = ours()
peak = matrix_peak()
work = training_flops(transformers.AutoModel.from_pretrained(files.path)) or 0
say(
    "training_throughput",
    ratio=our_rate / padded_rate,
    ratio_stock=our_rate / stock_rate,
    goals=[8, 2.5],
    rows_per_second={
        "run_glue": padded_rate,
        "stock": stock_rate,
        "toolkit": round(our_rate, 1),
        "toolkit_with_head_fit": round(our_whole, 1),
    },
    accuracy={"stock": round(stock_accuracy, 4), "toolkit": round(our_accuracy, 4)},
    rows=len(train),
    epochs=EPOCHS,
    mfu=work * tokens / len(train) * our_rate / peak,
    peak_gflops=peak / 1e9,
)
