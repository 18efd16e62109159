"""Question answering against a stock Trainer with run_qa.py's settings, side by side.

    python benchmarks/question_answering.py [ROWS] [EPOCHS] [TEST_ROWS]

Trained on the first part of SQuAD 1.1's train, scored on XQuAD-en; SQUAD names the folder of
v1.1_train_head.jsonl and xquad_en.jsonl. stock: windows padded to 384 tokens, stride 128, fp32,
batches of 12, learning rate 3e-5 falling to 0, and the search of run_qa.py for answers (20 best
starts and ends). toolkit: `toolkit run question-answering` with the default recipe's settings.
Goals: F1 not lower by more than 0.01, 1.5 times as fast (inputs, training and prediction), and
1,000 questions a second from logits to answers. All of ROWS (4,370) takes stock half an hour an
epoch on two cores.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import torch
import transformers
from common import DATA, MODEL, quiet, say
from toolkit_plugins.text.question_answering import metrics

import toolkit
from toolkit.evaluation.batches import records
from toolkit.models.find import find_model
from toolkit.runs.predictor import load_predictor

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 600
EPOCHS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
TEST_ROWS = int(sys.argv[3]) if len(sys.argv) > 3 else 240
VALIDATION = 24  # rows that toolkit takes out of train; it does not train on them
LENGTH, STRIDE, LONGEST, BEST = 384, 128, 30, 20

quiet()
folder = Path(os.environ.get("SQUAD", DATA / "squad"))
if not folder.is_dir():
    sys.exit(f"SQuAD is not at {folder}; set SQUAD to the folder of its jsonl files")
files = {"train": "v1.1_train_head.jsonl", "test": "xquad_en.jsonl"}
rows = datasets.load_dataset("json", data_files={k: str(folder / v) for k, v in files.items()})
train, test = (
    rows[name].shuffle(seed=0).select(range(min(count, len(rows[name]))))
    for name, count in (("train", ROWS), ("test", TEST_ROWS))
)
found_files = find_model(MODEL)
tokenizer = transformers.AutoTokenizer.from_pretrained(found_files.path)


def f1(predictions: list[Any]) -> float:
    """Return the F1 of answers to the test questions, by the script of SQuAD 1.1."""
    golds = [answers["text"] for answers in test["answers"]]
    module = metrics.load("f1", second=False)
    return float(module.compute(predictions=predictions, references=golds)["f1"])


def windows(batch: dict[str, Any], numbers: list[int], labels: bool) -> dict[str, Any]:
    """Cut and pad as run_qa.py does."""
    found = tokenizer(
        [question.lstrip() for question in batch["question"]], batch["context"],
        truncation="only_second", max_length=LENGTH, stride=STRIDE, padding="max_length",
        return_overflowing_tokens=True, return_offsets_mapping=True,
    )  # fmt: skip
    owners = found.pop("overflow_to_sample_mapping")
    offsets, starts, ends = found.pop("offset_mapping"), [], []
    for place, owner in enumerate(owners):
        inside = [n for n, part in enumerate(found.sequence_ids(place)) if part == 1]
        spans, answers = offsets[place], batch["answers"][owner]
        begin = answers["answer_start"][0]
        end = begin + len(answers["text"][0])
        if not (spans[inside[0]][0] <= begin and spans[inside[-1]][1] >= end):
            starts.append(0)
            ends.append(0)
            continue
        starts.append(max(n for n in inside if spans[n][0] <= begin))
        ends.append(min(n for n in inside if spans[n][1] >= end))
    more = {"start_positions": starts, "end_positions": ends} if labels else {
        "row": [numbers[owner] for owner in owners],
        "offsets": [
            [list(span) if part == 1 else [-1, -1]
             for span, part in zip(spans, found.sequence_ids(place), strict=True)]
            for place, spans in enumerate(offsets)
        ],
    }  # fmt: skip
    return {**found, **more}


def search(start: Any, end: Any, cut: Any) -> list[str]:
    """Return the best span of each question, looked for as run_qa.py does."""
    best: dict[int, tuple[float, str]] = {}
    for place, part in enumerate(cut):
        context, spans = test[part["row"]]["context"], part["offsets"]
        for i in np.argsort(start[place])[: -BEST - 1 : -1].tolist():
            for j in np.argsort(end[place])[: -BEST - 1 : -1].tolist():
                if spans[i][0] < 0 or spans[j][0] < 0 or not i <= j < i + LONGEST:
                    continue
                score = float(start[place, i] + end[place, j])
                if score > best.get(part["row"], (-np.inf, ""))[0]:
                    best[part["row"]] = score, context[spans[i][0] : spans[j][1]]
    return [best.get(row, (0.0, ""))[1] for row in range(len(test))]


def stock() -> tuple[float, float]:
    """Return F1 and seconds of a stock Trainer."""
    transformers.set_seed(42)
    begin = time.perf_counter()
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(
        found_files.path, dtype="float32"
    )
    shared = {"batched": True, "with_indices": True, "remove_columns": train.column_names}
    encoded = train.map(windows, fn_kwargs={"labels": True}, **shared)
    cut = test.map(windows, fn_kwargs={"labels": False}, **shared)
    with tempfile.TemporaryDirectory() as out:
        trainer = transformers.Trainer(
            model=model,
            args=transformers.TrainingArguments(
                out, per_device_train_batch_size=12, num_train_epochs=EPOCHS, learning_rate=3e-5,
                save_strategy="no", report_to="none", disable_tqdm=True,
                use_cpu=not torch.accelerator.is_available(),
            ),
            train_dataset=encoded,
        )  # fmt: skip
        trainer.train()
        start, end = trainer.predict(cut.remove_columns(["row", "offsets"])).predictions[:2]
    answers = search(start, end, cut)
    return f1(answers), time.perf_counter() - begin


def ours() -> tuple[float, float, float]:
    """Return F1 and seconds of the toolkit, and questions a second from logits to answers."""
    with tempfile.TemporaryDirectory() as out:
        place = Path(out)
        train.to_json(place / "train.jsonl")
        test.to_json(place / "test.jsonl")
        run = toolkit.run(
            "question-answering",
            data=place,
            out=place / "run",
            settings={"training.num_train_epochs": EPOCHS, "training.eval_strategy": "no",
                      "data.split.validation": VALIDATION, "options.max_length": LENGTH,
                      "options.doc_stride": STRIDE, "options.max_answer_length": LONGEST,
                      "training.per_device_train_batch_size": 12},
        )  # fmt: skip
        phases = run.record["speed"]["phases"]
        seconds = sum(phases[name] for name in ("model", "prepare", "train", "score"))
        return run.metrics["test"]["f1"]["value"], seconds, from_logits(run.path)


def from_logits(path: Path) -> float:
    """Return questions a second, given their logits."""
    plugin = load_predictor(path).plugin
    parts = records(plugin.prepare(test, "test"), range(len(test)))
    raw = test.to_list()
    shape = len(parts), max(part["length"] for part in parts)
    logits = SimpleNamespace(start_logits=torch.randn(shape), end_logits=torch.randn(shape))
    begin = time.perf_counter()
    kept = plugin.reduce_chunk(logits, parts)
    plugin.decode(
        [[one] for one in kept], [raw[part["chunk_of"]] for part in parts], [[p] for p in parts]
    )
    return len(parts) / (time.perf_counter() - begin)


our_f1, our_seconds, decoded = ours()
stock_f1, stock_seconds = stock()
say(
    "question_answering",
    ratio=stock_seconds / our_seconds,
    goal=1.5,
    f1={"stock": round(stock_f1, 4), "toolkit": round(our_f1, 4)},
    seconds={"stock": round(stock_seconds, 1), "toolkit": round(our_seconds, 1)},
    answers_per_second=round(decoded),
    goal_answers_per_second=1000,
    rows=len(train),
    test_rows=len(test),
    epochs=EPOCHS,
)
