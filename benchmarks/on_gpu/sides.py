"""What `gpu.py` compares the toolkit with: loops in plain torch, the stock Trainer, pipelines."""

from __future__ import annotations

import csv
import gc
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch
import transformers

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
RATE = 5e-5
Given, Found = ParamSpec("Given"), TypeVar("Found")


@dataclass(frozen=True)
class Pace:
    """Rows a second, and the bytes that were allocated at the peak (0 without a GPU)."""

    rows: float
    memory: int


def wait() -> float:
    """Return the time at which the GPU has done all that it was given."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def free() -> None:
    """Give back what is no longer used, and count the peak of memory from now on."""
    gc.collect()  # a Trainer and its model hold each other
    if DEVICE == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def alone(measure: Callable[Given, Found]) -> Callable[Given, Found]:
    """Measure with a GPU that no earlier side uses, and leave none of it to what comes next."""

    @wraps(measure)
    def measured(*given: Given.args, **named: Given.kwargs) -> Found:
        free()
        try:
            return measure(*given, **named)
        finally:
            free()

    return measured


def peak_memory() -> int:
    """Return the most bytes of the GPU that were in use since `free`; 0 without one."""
    return torch.cuda.max_memory_allocated() if DEVICE == "cuda" else 0


@dataclass(frozen=True)
class TextRows:
    """Training rows, token ids and class numbers, and the tokenizer that pads them."""

    rows: list[dict[str, Any]]
    tokenizer: Any

    @classmethod
    def read(cls, path: Path, model: Path, most: int) -> TextRows:
        """Tokenize a csv file of `text` and `label`, cut at `most` tokens."""
        made = transformers.AutoTokenizer.from_pretrained(model)
        numbers = transformers.AutoConfig.from_pretrained(model).label2id
        with path.open(encoding="utf-8", newline="") as file:
            given = list(csv.DictReader(file))
        ids = made([row["text"] for row in given], truncation=True, max_length=most)["input_ids"]
        rows = [
            {
                "input_ids": tokens,
                "attention_mask": [1] * len(tokens),
                "labels": numbers[row["label"]],
            }
            for tokens, row in zip(ids, given, strict=True)
        ]
        return cls(rows, made)

    @property
    def tokens(self) -> float:
        """Tokens of a row, on average, without padding."""
        return sum(len(row["input_ids"]) for row in self.rows) / len(self.rows)


def classifier(folder: Path) -> Any:
    """Load a text model as it was saved, in fp32."""
    transformers.set_seed(42)
    auto = transformers.AutoModelForSequenceClassification
    return auto.from_pretrained(folder, dtype="float32").to(DEVICE)


@alone
def raw_loop(folder: Path, train: TextRows, batch: int, steps: int) -> Pace:
    """Train in a loop of plain torch: bf16 autocast, fused AdamW, batches waiting on the device.

    Rows are sorted by length; the steps that are measured are spread evenly over all batches.
    """
    order = sorted(train.rows, key=lambda row: len(row["input_ids"]))
    starts = torch.arange(0, len(order) - batch + 1, batch)
    few = min(steps, len(starts))
    places = starts[torch.linspace(0, len(starts) - 1, few).round().long()].tolist()
    collate = transformers.DataCollatorWithPadding(train.tokenizer, pad_to_multiple_of=8)
    batches = [collate(order[place : place + batch]).to(DEVICE) for place in places]
    model = classifier(folder).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)

    def step(inputs: Any) -> None:
        with torch.autocast(DEVICE, torch.bfloat16):
            loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for inputs in (batches[-1], *batches[:3], batches[-1]):
        step(inputs)
    mixed = torch.randperm(few, generator=torch.Generator().manual_seed(0)).tolist()
    start = wait()
    for place in mixed:
        step(batches[place])
    return Pace(few * batch / (wait() - start), peak_memory())


class Stopwatch(transformers.TrainerCallback):
    """Times the steps after the first few."""

    def __init__(self, warm: int) -> None:
        self.warm = warm
        self.seconds = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start after the warm-up; stop at the last step."""
        if state.global_step == self.warm:
            self.seconds = -wait()
        elif state.global_step == state.max_steps:
            self.seconds += wait()


def stock(model: Any, rows: Any, batch: int, steps: int, warm: int = 5, **named: Any) -> Pace:
    """Train with transformers' Trainer and its defaults.

    Args:
        named: `bf16`, and other fields of TrainingArguments; `data_collator` goes to the Trainer.
    """
    collate, watch = named.pop("data_collator", None), Stopwatch(warm)
    with tempfile.TemporaryDirectory() as out:
        arguments = transformers.TrainingArguments(
            out, per_device_train_batch_size=batch, max_steps=warm + steps, learning_rate=RATE,
            save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=DEVICE == "cpu",
            **named,
        )  # fmt: skip
        trainer = transformers.Trainer(model=model, args=arguments, train_dataset=rows,
                                       data_collator=collate, callbacks=[watch])  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return Pace(steps * batch / watch.seconds, peak_memory())


@alone
def stock_texts(folder: Path, train: TextRows, batch: int, steps: int, bf16: bool) -> Pace:
    """Train a text model with the stock Trainer, padded to the longest row of a batch."""
    return stock(classifier(folder), train.rows, batch, steps, bf16=bf16,
                 data_collator=transformers.DataCollatorWithPadding(train.tokenizer))  # fmt: skip


@alone
def stock_pictures(folder: Path, pictures: Path, batch: int, steps: int, cache: Path) -> Pace:
    """Train a picture model with the stock Trainer: files decoded when a batch is made, bf16."""
    import datasets

    files = {"train": str(pictures / "train" / "**")}
    rows = datasets.load_dataset("imagefolder", cache_dir=str(cache), data_files=files)["train"]
    processor: Any = transformers.AutoImageProcessor.from_pretrained(folder)

    def changed(found: dict[str, Any]) -> dict[str, Any]:
        images = [image.convert("RGB") for image in found["image"]]
        pixels = processor(images, return_tensors="pt")["pixel_values"]
        return {"pixel_values": pixels, "labels": found["label"]}

    transformers.set_seed(42)
    auto: Any = transformers.AutoModelForImageClassification
    model = auto.from_pretrained(folder, dtype="float32")
    return stock(model, rows.with_transform(changed), batch, steps, bf16=True,
                 remove_unused_columns=False)  # fmt: skip


@alone
def pipeline_rate(model: Path, texts: list[str], batch: int, most: int) -> float:
    """Return texts a second of `transformers.pipeline`, after a warm-up."""
    pipe: Any = transformers.pipeline("text-classification", model=str(model), truncation=True,
                                      max_length=most, device=DEVICE)  # fmt: skip
    pipe(texts[: 2 * batch], batch_size=batch)
    start = wait()
    if batch == 1:
        for text in texts:
            pipe(text)
    else:
        pipe(texts, batch_size=batch)
    return len(texts) / (wait() - start)
