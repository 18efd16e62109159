"""What a training step costs besides the model: milliseconds of a step, toolkit against stock.

    python benchmarks/step_overhead.py [STEPS] [TIMES]

The model is a BERT of one layer and 16 dimensions; batches have 8 short texts. stock: a Trainer
with DataCollatorWithPadding and its own defaults. Sides take turns, and the fastest turn of each
counts. overhead: a step without forward and backward, which are measured alone on batches ready
made, in the precision and attention of each side: on CPUs with bf16 the toolkit computes in it, for
which such a model is too small. Goals: half of stock's, and 3 ms a step.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # nothing here is worth a second thread

import torch
import transformers
from common import quiet, say

import toolkit
from toolkit.training.cpu import cheap_dropout
from toolkit.utils import hardware

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
TIMES = int(sys.argv[2]) if len(sys.argv) > 2 else 3
BATCH = 8
WORDS = [
    "order",
    "parcel",
    "refund",
    "card",
    "late",
    "broken",
    "invoice",
    "change",
    "login",
    "password",
]
CLASSES = ["billing", "delivery"]
BF16 = {"bf16": True} if torch.cuda.is_available() else {}


def texts(count: int) -> list[dict[str, str]]:
    """Return so many short texts, of 4 to 9 words, with their class."""
    random = torch.Generator().manual_seed(0)
    draw = lambda high: int(torch.randint(high, (1,), generator=random))  # noqa: E731 - a dice
    return [{"text": " ".join(WORDS[draw(len(WORDS))] for _ in range(4 + draw(6))),
             "label": CLASSES[row % 2]} for row in range(count)]  # fmt: skip


def model_folder(folder: Path) -> Path:
    """Write the model of nothing, with its tokenizer."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64,
    )  # fmt: skip
    transformers.BertForMaskedLM(config).save_pretrained(folder)
    return folder


def new_model(model: Path) -> Any:
    """Return a classifier upon the model of nothing."""
    transformers.set_seed(42)
    return transformers.AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)


def stock(model: Path, encoded: Any, tokenizer: Any) -> float:
    """Return the seconds of a step of a stock Trainer."""
    with tempfile.TemporaryDirectory() as out:
        trainer = transformers.Trainer(
            model=new_model(model),
            args=transformers.TrainingArguments(
                out, per_device_train_batch_size=BATCH, max_steps=STEPS, save_strategy="no",
                report_to="none", disable_tqdm=True, use_cpu=not torch.accelerator.is_available(),
                **BF16,
            ),
            train_dataset=encoded,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
        )  # fmt: skip
        return float(trainer.train().metrics["train_runtime"]) / STEPS


def alone(model: Path, encoded: Any, tokenizer: Any, as_toolkit: bool) -> float:
    """Return the seconds of forward and backward, on batches that are ready made."""
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    net = new_model(model).train().to(device)
    if as_toolkit and device.type == "cpu":
        net.set_attn_implementation("eager")
    collate = transformers.DataCollatorWithPadding(tokenizer)
    batches = [collate(encoded[i : i + BATCH]).to(device) for i in range(0, len(encoded), BATCH)]
    wrapped = torch.autocast(device.type, torch.bfloat16, enabled=bool(BF16) or (as_toolkit and
                             hardware.bf16_supported()))  # fmt: skip
    start = time.perf_counter()
    with cheap_dropout(device.type) if as_toolkit else nullcontext():
        for step in range(STEPS):
            with wrapped:
                loss = net(**batches[step % len(batches)]).loss
            loss.backward()
            net.zero_grad()
    return (time.perf_counter() - start) / STEPS


def ours(model: Path, data: Path, out: Path) -> float:
    """Return the seconds of a step of `toolkit run`."""
    settings = {
        "training.per_device_train_batch_size": BATCH,
        "training.max_steps": STEPS,
        "training.eval_strategy": "no",
        "training.save_strategy": "no",
        "training.load_best_model_at_end": False,
    }
    run = toolkit.run("text-classification", data=data, model=model, out=out, settings=settings)
    return BATCH / float(run.record["speed"]["train_samples_per_second"])


if __name__ == "__main__":
    import datasets

    quiet()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "model").mkdir()
        (place / "data").mkdir()
        model = model_folder(place / "model")
        rows = datasets.Dataset.from_list(texts(4000))
        rows.to_csv(place / "data" / "train.csv", index=False)
        datasets.Dataset.from_list(texts(40)).to_csv(place / "data" / "test.csv", index=False)
        tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        encoded = rows.map(lambda batch: tokenizer(batch["text"]), batched=True)
        encoded = encoded.map(lambda row: {"labels": CLASSES.index(row["label"])})
        encoded = encoded.remove_columns(["text", "label"])
        taken: dict[str, list[float]] = {
            name: [] for name in ("stock", "toolkit", "model of stock", "model of toolkit")
        }
        for turn in range(TIMES):
            taken["stock"].append(stock(model, encoded, tokenizer))
            taken["toolkit"].append(ours(model, place / "data", place / f"run-{turn}"))
            taken["model of stock"].append(alone(model, encoded, tokenizer, False))
            taken["model of toolkit"].append(alone(model, encoded, tokenizer, True))
    ms = {name: round(1000 * min(seconds), 3) for name, seconds in taken.items()}
    overhead = {name: ms[name] - ms[f"model of {name}"] for name in ("stock", "toolkit")}
    say(
        "step_overhead",
        ratio=ms["toolkit"] / ms["stock"],
        goals=[0.5, 3.0],
        ratio_overhead=overhead["toolkit"] / overhead["stock"],
        milliseconds=ms,
        steps=STEPS,
    )
