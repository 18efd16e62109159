"""Time and memory until the first training step on a long csv file, against the least they can be.

    python benchmarks/long_tables.py [ROWS]

Texts of 10 to 15 words and 20 classes, a tiny BERT. least: polars reads the file, and the tokenizer
encodes every text with all cores, 10,000 at a time; nothing is kept. toolkit: `toolkit.run` until
the end of the first step (rows checked, hashed, compared between splits, split, tokenized and
written; the head fitted first), without imports. Memory is what a process has for itself: files
that are mapped are not counted. Goal: at most 1.5 times as long; memory of ROWS rows within 10% of
that of a tenth.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from common import say

CLASSES, PART, LIMIT = 20, 100_000, 64
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in ("ap", "en", "il", "or", "ub", "ate", "ing")
         for c in ("", "a", "er", "o", "is", "um")]  # fmt: skip


def write(path: Path, count: int) -> None:
    """Write so many rows of random words, the first of which tells the class."""
    rng, words = np.random.default_rng(0), pa.array(WORDS)
    schema = pa.schema({"text": pa.string(), "label": pa.string()})
    with pacsv.CSVWriter(path, schema) as out:
        for start in range(0, count, PART):
            lengths = rng.integers(10, 16, min(PART, count - start))
            ends = np.cumsum(lengths)
            places = rng.integers(0, len(WORDS), int(ends[-1]))
            offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
            rows = pa.ListArray.from_arrays(offsets, words.take(pa.array(places)))
            labels = [f"class {place % CLASSES}" for place in places[ends - lengths]]
            out.write_table(pa.table({"text": pc.binary_join(rows, " "), "label": labels}, schema))


def write_model(folder: Path) -> None:
    """Write a BERT of one layer with random weights."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    pieces = [*{word[:3]: 0 for word in WORDS}, *{f"##{w[3:]}": 0 for w in WORDS if w[3:]}]
    letters = [mark + letter for letter in "abcdefghijklmnopqrstuvwxyz" for mark in ("", "##")]
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = list(dict.fromkeys([*marks, *pieces, *letters]))
    tokenizer = BertTokenizer(vocab={piece: place for place, piece in enumerate(vocabulary)})
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=LIMIT,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)


class Spent:
    """Seconds, seconds of the processor and peak memory since it was made."""

    def __init__(self) -> None:
        self.peak, self.before = 0, self.now()
        self.begin = time.perf_counter(), time.process_time()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, self.now())
            time.sleep(0.02)

    @staticmethod
    def now() -> int:
        """Return the MiB that the process has for itself."""
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) >> 10

    def tell(self) -> None:
        """Print them, and end the process: nothing after counts."""
        ends = time.perf_counter(), time.process_time()
        wall, processor = (end - begin for end, begin in zip(ends, self.begin, strict=True))
        print(json.dumps({"seconds": wall, "processor": processor, "mib": self.peak,
                          "added_mib": self.peak - self.before}), flush=True)  # fmt: skip
        os._exit(0)


def least(table: Path, model: Path) -> None:
    """Read and tokenize, and no more."""
    import polars
    from transformers import AutoTokenizer

    backend: Any = AutoTokenizer.from_pretrained(model).backend_tokenizer
    backend.enable_truncation(LIMIT)
    spent = Spent()
    texts = polars.read_csv(table)["text"]
    for start in range(0, len(texts), 10_000):
        backend.encode_batch_fast(texts[start : start + 10_000].to_list())
    spent.tell()


def first_step(table: Path, model: Path) -> None:
    """Run the toolkit until a step is done."""
    import datasets
    import transformers

    import toolkit
    from toolkit.runner.prepare import import_libraries

    import_libraries()

    class First(transformers.TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            spent.tell()

    transformers.trainer.DEFAULT_CALLBACKS.append(First)
    with tempfile.TemporaryDirectory(dir=table.parent) as folder:
        os.environ["HF_DATASETS_CACHE"] = datasets.config.HF_DATASETS_CACHE = f"{folder}/cache"
        spent = Spent()
        toolkit.run("text-classification", data=table, model=model, out=Path(folder) / "run",
                    settings={"options.text": "text", "options.label": "label"})  # fmt: skip


def measured(part: str, table: Path, model: Path) -> Any:
    """Return what a process of its own says of one of both."""
    command = [sys.executable, __file__, part, str(table), str(model)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(rows: int) -> None:
    """Print both, side by side."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder / "model")
        sides: dict[str, Any] = {}
        for count in (rows // 10, rows):
            table = folder / f"{count}.csv"
            write(table, count)
            sides = {part: measured(part, table, folder / "model") for part in PARTS}
            if count < rows:
                few = sides["first_step"]
    ours, other = sides["first_step"], sides["least"]
    say("long_tables", ratio=ours["seconds"] / other["seconds"], goal=1.5, rows=rows,
        ratio_processor=ours["processor"] / other["processor"],
        seconds={name: round(side["seconds"], 1) for name, side in sides.items()},
        mib={rows // 10: few["mib"], rows: ours["mib"]}, memory_ratio=ours["mib"] / few["mib"],
        added_mib={rows // 10: few["added_mib"], rows: ours["added_mib"]})  # fmt: skip


PARTS = {"least": least, "first_step": first_step}
if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in PARTS:
        PARTS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
