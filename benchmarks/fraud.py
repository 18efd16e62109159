"""Fraud detection on the Handbook's split, and how fast history is built.

python benchmarks/fraud.py              scores beside the baselines and the published ones
python benchmarks/fraud.py features     rows a second and peak memory on 10 million rows
python benchmarks/fraud.py labels       with and without pretraining at 1, 10 and 100 % of labels
                                        (a folder behind it keeps the runs, and goes on with them)

FRAUD_HANDBOOK names the parquet file of transactions (2018-06-17 to 2018-08-14).
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import numpy as np

ROWS = 10_000_000
PUBLISHED = {  # Le Borgne et al. (2022), chapter 3: AP, AUC, card precision at 100
    "logistic": (0.606, 0.871, 0.291),
    "xgboost": (0.639, 0.862, 0.273),
    "random_forest": (0.658, 0.867, 0.287),
}
RECIPE = "fraud-detection/handbook"
# The labelled week, and the week before the test: the labels of that are not known yet.
PRETRAIN = {
    "options.task": "pretrain",
    "data.split.windows.train": ["2018-07-25", "2018-08-08"],
}
SMALL = {"training.per_device_train_batch_size": 64}
# Share of labels, seeds, and the settings of each side: 1% are 6 frauds, 10% are 60.
CURVE: list[tuple[float, int, dict[str, dict[str, Any]]]] = [
    (0.01, 4, {
        "scratch": {**SMALL, "training.max_steps": 400},
        "pretrained": {**SMALL, "training.max_steps": 60, "training.learning_rate": 1.0e-3},
    }),
    (0.1, 2, {
        "scratch": {**SMALL, "training.max_steps": 800},
        "pretrained": {**SMALL, "training.max_steps": 800},
    }),
    (1.0, 1, {
        "scratch": {"training.num_train_epochs": 2},
        "pretrained": {"training.num_train_epochs": 2},
    }),
]  # fmt: skip
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
    """Train on the week, test on the week, beside the baselines."""
    import toolkit

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run = toolkit.run("fraud-detection/handbook", data=transactions(), out=Path(folder) / "run")
        seconds = time.perf_counter() - start
        baselines = {name: values(scores) for name, scores in run.record["baselines"].items()}
        common.say("fraud_handbook", **values(run.metrics["test"]), baselines=baselines,
                   baseline_rows=run.record["baseline_rows"], published=PUBLISHED,
                   seconds=seconds)  # fmt: skip


def features() -> None:
    """Build the history of generated rows."""
    from toolkit_plugins.tabular.fraud_detection import history

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


def with_history(data: Path, folder: Path) -> Path:
    """Return a table of the rows that `labels` needs, with their history: built once for all."""
    import datasets

    from toolkit.recipe.library import find_recipe
    from toolkit.recipe.overrides import overrides
    from toolkit.runner.prepare import prepare

    file = folder / "history.parquet"
    if not file.exists():
        given = overrides(str(data), None, None, (), None)
        given += [(tuple(key.split(".")), value) for key, value in PRETRAIN.items()]
        splits = prepare(find_recipe(RECIPE, given)).loaded.splits
        datasets.concatenate_datasets(list(splits.values())).to_parquet(file)
    return file


def labels(kept: str | None = None) -> None:
    """Fine-tune with few labels, from scratch and from what pretraining has left.

    A seed draws the rows whose label is used and all chances of training; those rows are the same
    with and without pretraining. Settings of each side are the best of the few tried by average
    precision on the validation week (learning rates 1e-3 to 1e-2, 60 to 800 steps); those of 100%
    were not searched.

    Args:
        kept: a folder for the runs; what is finished there is not run again.
    """
    with tempfile.TemporaryDirectory() as fresh:
        folder = Path(kept or fresh)
        folder.mkdir(parents=True, exist_ok=True)
        data = with_history(transactions(), folder)
        common.say("fraud_labels", average_precision=curve(data, folder))


def curve(data: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Return scores with and without pretraining for each share of labels."""
    import toolkit

    def run(name: str, **given: Any) -> Any:
        given["settings"]["training.eval_strategy"] = "no"
        return toolkit.run(RECIPE, data=data, out=folder / name, resume=True, **given)

    before = run("pretrained", settings={**PRETRAIN, "training.num_train_epochs": 1})
    found: dict[str, dict[str, Any]] = {}
    for share, seeds, sides in CURVE:
        scores: dict[str, list[float]] = {}
        for name, settings in sides.items():
            model = before.path / "model" if name == "pretrained" else None
            scores[name] = [
                run(f"{name}-{share}-{seed}", model=model, seed=seed, settings={
                    **settings, "options.label_share": share,
                    "report.metrics": ["average_precision"],
                    # A day is enough for a threshold, which this score does not hang on.
                    "data.split.windows.validation": ["2018-07-24", "2018-07-25"],
                }).metrics["test"]["average_precision"]["value"]
                for seed in range(seeds)
            ]  # fmt: skip
        gain = np.subtract(scores["pretrained"], scores["scratch"])
        found[f"{share:.0%}"] = {
            **{name: [round(float(v), 3) for v in values] for name, values in scores.items()},
            "gain": round(float(gain.mean()), 3),
            "standard_error": round(float(gain.std(ddof=1) / seeds**0.5), 3) if seeds > 1 else None,
        }
    return found


if __name__ == "__main__":
    common.quiet()
    name, *rest = sys.argv[1:] or ["handbook"]
    {"handbook": handbook, "features": features, "labels": labels}[name](*rest)
