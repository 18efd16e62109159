"""Rows that are prepared in several parts: trained by part, predicted and scored by row."""

import json
import os
import sys

import numpy as np
import pytest
from datasets import Dataset

import toolkit
from toolkit.errors import ToolkitError
from toolkit.evaluation import chunks
from toolkit.recipe.library import find_recipe
from toolkit.runner.estimating.estimate import estimate
from toolkit.runner.prepare import prepare

PLUGIN = '''
from transformers import AutoModelForSequenceClassification

from toolkit import Column, Options, Plugin, InputColumn, pretrained
from toolkit.evaluation import metrics
from typing import Annotated


class LineOptions(Options):
    numbers: InputColumn = "numbers"
    high: Annotated[str, Column("target", may_be_empty=True)] = "high"


class Lines(Plugin[LineOptions]):
    """Does a list of numbers hold a high one? It is read two at a time."""

    Options = LineOptions

    def prepare(self, split, name):
        def encode(batch, places):
            found = {"input_ids": [], "chunk_of": [], "at": [], "length": []}
            for place, numbers in zip(places, batch["numbers"]):
                for at in range(0, len(numbers) if numbers[0] >= 0 else 0, 2):
                    found["input_ids"].append((numbers[at:at + 2] * 2)[:2])
                    found["chunk_of"].append(place)
                    found["at"].append(at)
                    found["length"].append(2)
            if "high" in batch:
                found["labels"] = [int(max(ids) > 5) for ids in found["input_ids"]]
            return found

        return split.map(encode, batched=True, with_indices=True,
                         remove_columns=split.column_names)

    def load_model(self):
        return pretrained.model(AutoModelForSequenceClassification, self.model_path, num_labels=2)

    def reduce_chunk(self, outputs, parts):
        chances = outputs.logits.softmax(-1)[:, 1].tolist()
        return [(part["at"], p) for part, p in zip(parts, chances)]

    def decode(self, outputs, rows, prepared):
        for kept, row in zip(outputs, rows):
            # All parts of the row, in their order.
            assert [at for at, _ in kept] == list(range(0, len(row["numbers"]), 2))
        best = [max(p for _, p in kept) for kept in outputs]
        return [{"label": str(int(p > 0.5)), "score": p} for p in best]

    def references(self, rows):
        return [str(row["high"] or 0) for row in rows]

    def metrics(self):
        return {"accuracy": metrics.load("accuracy", labels=["0", "1"])}
'''
SCRATCH = {
    "model_type": "bert", "vocab_size": 8, "hidden_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 8,
}  # fmt: skip


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """The scenario as an installed package, and a recipe for it."""
    site = tmp_path / "site"
    info = site / "lines-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "number_lines.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lines\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[toolkit.plugins]\nlines = number_lines:Lines\n")
    monkeypatch.syspath_prepend(site)
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))  # of the fresh process, too
    rng = np.random.default_rng(0)
    rows = [{"numbers": rng.integers(0, 7, rng.integers(1, 10)).tolist()} for _ in range(200)]
    for row in rows:
        row["high"] = 1 if max(row["numbers"]) > 5 else None  # which says: no
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    recipe = {
        "scenario": "lines",
        "model": {"from_config": SCRATCH},
        "data": {"source": "rows.jsonl"},
        "training": {"num_train_epochs": 8, "learning_rate": 0.01,
                     "per_device_train_batch_size": 8},
    }  # fmt: skip
    (tmp_path / "lines.yaml").write_text(json.dumps(recipe))  # JSON is YAML
    yield tmp_path / "lines.yaml"
    sys.modules.pop("number_lines", None)


def test_parts_are_trained_and_rows_are_predicted(lines, tmp_path, monkeypatch):
    monkeypatch.setattr("toolkit.evaluation.predicting.WINDOW", 20)  # rows in several windows
    run = toolkit.run(str(lines), out=tmp_path / "run")
    record = run.record
    assert sum(record["data"]["rows"].values()) == 200  # those without a value, too
    assert record["data"]["skipped"] == {}
    predicted = (run.path / "predictions.jsonl").read_text().splitlines()
    assert len(predicted) == record["data"]["rows"]["test"]
    assert run.metrics["test"]["accuracy"]["value"] > 0.95
    assert record["reload"] == {"compared": len(predicted), "different": 0}
    found = run.predict([{"numbers": [0, 1, 2, 3, 6]}, {"numbers": [1]}, {"numbers": [6]}])
    assert [p["label"] for p in found] == ["1", "0", "1"]


def test_a_run_of_parts_is_estimated(lines):
    job = prepare(find_recipe(str(lines)))
    found = estimate(job)
    assert found.steps == 8 * -(-len(job.prepared["train"]) // 8)
    assert found.total_seconds > 0


def test_every_row_needs_a_part(lines):
    path = lines.parent / "rows.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("\n".join(json.dumps({**row, "numbers": [-1]}) for row in rows[:1] + rows[1:]))
    with pytest.raises(ToolkitError, match="0 rows for .*: it must keep every row, in order"):
        prepare(find_recipe(str(lines)))


def test_bounds_windows_and_choices_of_rows():
    raw = Dataset.from_dict({"text": list("abcd")})
    made = Dataset.from_dict({"chunk_of": [0, 0, 1, 2, 2, 2, 3], "x": list(range(7))})
    assert chunks.bounds(made, 4).tolist() == [0, 2, 3, 6, 7]
    assert list(chunks.windows(chunks.bounds(made, 4), 3)) == [(0, 2), (2, 3), (3, 4)]
    assert list(chunks.windows(chunks.bounds(made, 4), 1)) == [(0, 1), (1, 2), (2, 3), (3, 4)]
    some, chosen = chunks.select(raw, made, [2, 0])
    assert some["text"][:] == ["c", "a"]
    assert chosen["x"][:] == [3, 4, 5, 0, 1]
    assert chosen["chunk_of"][:] == [0, 0, 0, 1, 1]
    plain = Dataset.from_dict({"x": [1, 2, 3]})
    assert list(chunks.windows(chunks.bounds(plain, 3), 2)) == [(0, 2), (2, 3)]
    for rows in ([0, 2, 3], [1, 2, 3], [0, 1, 0, 2, 3], [0, 1, 2]):
        with pytest.raises(ValueError, match="for 4"):
            chunks.bounds(Dataset.from_dict({"chunk_of": rows}), 4)
