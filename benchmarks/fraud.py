"""Fraud detection on the Handbook's split, and how fast history is built.

python benchmarks/fraud.py              scores beside the floors and the published ones
python benchmarks/fraud.py features     rows a second and peak memory on 10 million rows
python benchmarks/fraud.py labels       with and without pretraining at 1, 10 and 100 % of labels

FRAUD_HANDBOOK names the parquet file of transactions (2018-06-17 to 2018-08-14).
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import common
import numpy as np

ROWS = 10_000_000
PUBLISHED = {  # Le Borgne et al. (2022), chapter 3: AP, AUC, card precision at 100
    "logistic": (0.606, 0.871, 0.291),
    "xgboost": (0.639, 0.862, 0.273),
    "random_forest": (0.658, 0.867, 0.287),
}
NAMES = ("average_precision", "roc_auc", "card_precision_100")


def transactions() -> Path:
    """Return the file of transactions; end the script where it is absent."""
    usual = common.DATA / "fraud_handbook_sim" / "history_0617_0814.parquet"
    path = Path(os.environ.get("FRAUD_HANDBOOK", usual))
    if not path.is_file():
        sys.exit(f"the Handbook's transactions are not at {path}; set FRAUD_HANDBOOK to the file")
    return path


def values(scores: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the values of the metrics that are published, rounded."""
    return {name: round(scores[name]["value"], 4) for name in NAMES}


def handbook() -> None:
    """Train on the week, test on the week, beside the floors."""
    import toolkit

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run = toolkit.run("fraud-detection/handbook", data=transactions(), out=Path(folder) / "run")
        seconds = time.perf_counter() - start
        floors = {name: values(scores) for name, scores in run.record["floors"].items()}
        common.say("fraud_handbook", **values(run.metrics["test"]), floors=floors,
                   floor_rows=run.record["floor_rows"], published=PUBLISHED,
                   seconds=seconds)  # fmt: skip


def features() -> None:
    """Build the history of generated rows."""
    from toolkit_plugins.fraud_detection import history

    rng = np.random.default_rng(0)
    times = np.sort(rng.integers(0, 180 * history.DAY, ROWS))
    amounts = rng.gamma(2.0, 30.0, ROWS)
    frauds = (rng.random(ROWS) < 0.01).astype(np.int8)
    entities = {"card": rng.integers(0, 200_000, ROWS), "terminal": rng.integers(0, 50_000, ROWS)}
    day = history.DAY
    windows = history.Windows((day, 7 * day, 30 * day), 7 * day)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, columns = time.perf_counter(), 0
    for _ in history.features(times, amounts, frauds, entities, windows):
        columns += 1
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    common.say("fraud_features", rows=ROWS, columns=columns, rows_per_second=ROWS / seconds,
               input_mb=before / 1024, peak_mb=after / 1024)  # fmt: skip


def labels() -> None:
    """Fine-tune with few labels, from scratch and from what pretraining has left."""
    import toolkit

    recipe, data = "fraud-detection/handbook", transactions()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        pretrained = toolkit.run(
            recipe, data=data, out=Path(folder) / "pretrained",
            settings={"options.task": "pretrain", "training.num_train_epochs": 1,
                      "data.split.windows.train": ["2018-06-24", "2018-07-18"]},
        )  # fmt: skip
        for share in (0.01, 0.1, 1.0):
            for name, model in (("scratch", None), ("pretrained", pretrained.path / "model")):
                run = toolkit.run(
                    recipe, data=data, model=model, out=Path(folder) / f"{name}-{share}",
                    settings={"options.label_share": share, "training.num_train_epochs": 4,
                              "report.metrics": ["average_precision"]},
                )  # fmt: skip
                score = run.metrics["test"]["average_precision"]
                found[f"{name} {share:.0%}"] = [
                    round(score[key], 3) for key in ("value", "low", "high")
                ]
    common.say("fraud_labels", average_precision=found)


if __name__ == "__main__":
    common.quiet()
    {"handbook": handbook, "features": features, "labels": labels}[
        sys.argv[1] if len(sys.argv) > 1 else "handbook"
    ]()
