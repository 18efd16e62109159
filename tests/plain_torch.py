"""A stranger's scenario whose model is a plain torch module; tests break one hook after another."""

CODE = """
import torch
from datasets import Features, Value
from huggingface_hub import PyTorchModelHubMixin
from torch import nn

import numpy as np
from toolkit import Curve, NumberColumn, Options, Plugin, Table, TargetColumn
from toolkit.evaluation.metrics.base import RowMetric
from toolkit.plugin_types import Baseline, BaselineResult


class Line(nn.Module, PyTorchModelHubMixin):
    def __init__(self, width: int):
        super().__init__()
        self.layer = nn.Linear(width, 1)

    def forward(self, x, labels=None):
        found = {"y": self.layer(x)[:, 0]}
        if labels is not None:
            found["loss"] = ((found["y"] - labels) ** 2).mean()
        return found


class Mean(Baseline):
    name = "mean"

    def run(self, data, seconds):
        mean = float(np.mean(data.train["y"]))
        places = np.arange(len(data.test))
        return BaselineResult([{"y": mean}] * len(places), places, len(data.train))


class Error(RowMetric):
    greater_is_better = False

    def stored(self):
        number = Value("float64")
        return Features({"predictions": {"y": number}, "references": number})

    def rows(self, predictions, references):
        return np.array([abs(p["y"] - r) for p, r in
                         zip(predictions.to_pylist(), references.to_pylist(), strict=True)])


class LineOptions(Options):
    x: NumberColumn = "x"
    y: TargetColumn = "y"


class Lines(Plugin[LineOptions]):
    Options = LineOptions
    task = "tabular-regression"

    def prepare(self, split, name):
        def encode(row):
            centred = row["x"] - self.mean()
            return {"x": [centred], "scale": 1.0, **({"labels": row["y"]} if "y" in row else {})}

        return split.map(encode, remove_columns=split.column_names)

    def mean(self):
        return self.statistics["mean"]

    def training_statistics(self):
        return {"mean": np.mean(self.data["train"]["x"])}

    def collator(self):
        def collate(rows):
            return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}

        return collate

    def load_model(self):
        return Line(width=1)

    def load_saved(self, dtype):
        return Line.from_pretrained(self.model_path).to(dtype)

    def decode(self, outputs, rows, prepared):
        return [{"y": y} for y in outputs["y"].tolist()]

    def metrics(self):
        return {"error": Error()}

    def baselines(self):
        return [Mean()]

    def show(self, row, prediction, reference):
        return [f"{row['x']} {prediction['y']}"]

    def tables(self, pairs):
        return {"all": Table(["y"], [[prediction["y"]] for prediction, _ in pairs])}

    def figures(self, predictions):
        points = [(float(n), p["y"]) for n, p in enumerate(predictions)]
        return {"line": Curve("Line", "row", "y", {"y": points})}
"""
ROWS = [{"x": n / 10, "y": n / 5} for n in range(60)]
#: Nothing is pretrained; the config is one that transformers accepts.
RECIPE = {
    "model": {"from_config": {"model_type": "bert", "hidden_size": 8, "num_attention_heads": 2}},
    "training": {"num_train_epochs": 30, "learning_rate": 0.3},
}
