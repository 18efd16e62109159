"""`method: head` against a stock Trainer that trains the same head with the encoder frozen.

    python benchmarks/head_speed.py [ROWS] [EPOCHS]

Both get the same rows of Banking77 and MiniLM with its standard head. stock: encoder frozen,
EPOCHS epochs (10), dynamic padding, fp32, learning rate 1e-2. toolkit: the seconds of the run's
phase "train" with an empty cache of features: encoding, the search for the penalty, the exact
fit. Goals: 25x, accuracy not lower, at least 0.90 on all rows; and with `pooling: mean` at least
0.925.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

cache = tempfile.TemporaryDirectory()
os.environ["HF_DATASETS_CACHE"] = cache.name  # before any library reads it

import torch  # noqa: E402
import transformers  # noqa: E402
from common import MODEL, banking77_rows, quiet, say  # noqa: E402

import toolkit  # noqa: E402
from toolkit.models.find import find_model  # noqa: E402

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
EPOCHS = float(sys.argv[2]) if len(sys.argv) > 2 else 10
RATE = 1e-2

quiet()
train, test, names = banking77_rows(ROWS)
files = find_model(MODEL)


def stock() -> tuple[float, float]:
    """Return the seconds of training and the test accuracy of a stock Trainer."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(files.path)

    def encode(batch: dict[str, Any]) -> dict[str, Any]:
        found = tokenizer(batch["text"], truncation=True, max_length=64)
        return {**found, "labels": [names.index(name) for name in batch["category"]]}

    transformers.set_seed(42)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        files.path, num_labels=len(names), dtype="float32"
    )
    model.base_model.requires_grad_(False)
    columns = train.column_names
    with tempfile.TemporaryDirectory() as out:
        trainer = transformers.Trainer(
            model=model,
            args=transformers.TrainingArguments(
                out, per_device_train_batch_size=32, num_train_epochs=EPOCHS, learning_rate=RATE,
                save_strategy="no", report_to="none", disable_tqdm=True,
                use_cpu=not torch.accelerator.is_available(),
            ),
            train_dataset=train.map(encode, batched=True, remove_columns=columns),
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
        )  # fmt: skip
        done = trainer.train()
        found = trainer.predict(test.map(encode, batched=True, remove_columns=columns))
    accuracy = float((found.predictions.argmax(-1) == found.label_ids).mean())
    return done.metrics["train_runtime"], accuracy


def ours(pooling: str, name: str) -> tuple[float, float, str]:
    """Return the seconds of the phase "train", test accuracy, and where features came from."""
    with tempfile.TemporaryDirectory() as out:
        place = Path(out)
        train.to_csv(place / "train.csv", index=False)
        test.to_csv(place / "test.csv", index=False)
        record = toolkit.run(
            "text-classification",
            data=place,
            out=place / name,
            settings={
                "method": {"name": "head", "pooling": pooling},
                "options": {"text": "text", "label": "category", "max_length": 64},
                "data.split": {"validation": 0.05, "stratify": True},
            },
        ).record
    accuracy = record["metrics"]["test"]["accuracy"]["value"]
    return record["speed"]["phases"]["train"], accuracy, record["method"]["features"]


our_seconds, our_accuracy, _ = ours("model", "first")
again_seconds, _, again = ours("model", "again")
mean_seconds, mean_accuracy, _ = ours("mean", "mean")
stock_seconds, stock_accuracy = stock()
say(
    "head_speed",
    ratio=stock_seconds / our_seconds,
    goal=25,
    seconds={
        "stock": round(stock_seconds, 1),
        "toolkit": round(our_seconds, 2),
        f"toolkit, features {again}": round(again_seconds, 2),
        "toolkit, pooling: mean": round(mean_seconds, 2),
    },
    accuracy={
        "stock": round(stock_accuracy, 4),
        "toolkit": round(our_accuracy, 4),
        "toolkit, pooling: mean": round(mean_accuracy, 4),
    },
    goals={"toolkit": 0.90, "toolkit, pooling: mean": 0.925},
    rows=len(train),
    epochs=EPOCHS,
)
