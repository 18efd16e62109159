"""What `pooling: mean` gains: against the model's own pooled output, and against a mean beside it.

    python benchmarks/mean_pooling.py [TURNS]

The default recipe's 600 tickets, MiniLM frozen. own: what its standard head reads. beside: the
mean of the tokens, computed outside of the model (which then is no plain one). block: what the head
reads once the block that holds the mean is built in. In turns on one thread: processor seconds of
encoding all rows; then a linear head on each, accuracy over ten splits. Goals: block at least 0.05
above own, not more than 0.01 below beside, and at most 1.25x of beside in time.
"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from common import MODEL, quiet, say
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from toolkit.models import linear_probe
from toolkit.models.find import find_model
from toolkit.models.mean_pooling import add_mean_pooling

TURNS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
TICKETS = Path(__file__).parent.parent / "recipes/text-classification/support-tickets.csv"

quiet()
torch.set_num_threads(1)
with open(TICKETS, encoding="utf-8", newline="") as file:
    rows = sorted(csv.DictReader(file), key=lambda row: -len(row["text"]))
labels = np.array([row["label"] for row in rows])
path = find_model(MODEL).path
tokenizer = transformers.AutoTokenizer.from_pretrained(path)
batches = [
    tokenizer([row["text"] for row in rows[start : start + 64]], padding=True, truncation=True,
              max_length=128, return_tensors="pt")
    for start in range(0, len(rows), 64)
]  # fmt: skip
plain, built = (
    transformers.AutoModelForSequenceClassification.from_pretrained(path, dtype="float32").eval()
    for _ in range(2)
)
add_mean_pooling(built, built.classifier, batches[-1])


def read(model: Any, batch: Any) -> Any:
    """Return what the head reads."""
    with linear_probe.inputs_of(model, model.classifier) as take:
        return torch.stack(take(batch))


def beside(batch: Any) -> Any:
    """Return the mean of the tokens."""
    mask = batch["attention_mask"].unsqueeze(-1).float()
    return (plain.base_model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)


ways = {"own": lambda b: read(plain, b), "beside": beside, "block": lambda b: read(built, b)}
seconds: dict[str, list[float]] = {name: [] for name in ways}
features: dict[str, Any] = {}
with torch.inference_mode():
    for _ in range(TURNS):
        for name, way in ways.items():
            start = time.process_time()
            features[name] = torch.cat([way(batch) for batch in batches]).numpy()
            seconds[name].append(time.process_time() - start)
head = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=100))
splits = StratifiedShuffleSplit(10, test_size=0.2, random_state=0)
scores = {name: cross_val_score(head, x, labels, cv=splits) for name, x in features.items()}
say(
    "mean_pooling",
    accuracy={name: round(float(found.mean()), 4) for name, found in scores.items()},
    gain_over_own=float((scores["block"] - scores["own"]).mean()),
    gain_over_beside=float((scores["block"] - scores["beside"]).mean()),
    time_of_beside=float(np.median(np.divide(seconds["block"], seconds["beside"]))),
    goals={"gain_over_own": 0.05, "gain_over_beside": -0.01, "time_of_beside": 1.25},
)
