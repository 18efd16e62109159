"""How often intervals of fraud detection hold the value that they are about.

python tests/fraud_worlds.py [WORLDS]    prints coverage by metric; 200 worlds take some minutes

A world is another seed of the simulator of card payments: other customers, terminals and frauds.
Its last two weeks are scored by a fixed rule on amount and history, and what an interval should
hold is the mean over all worlds. 95% of the intervals should hold it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

ROWS_OF = 14  # days at the end of a world
SMALL = {"customers": 300, "terminals": 600, "days": 45}
THRESHOLD = 0.5
RESAMPLES = 200


def world(seed: int, **sizes: int) -> tuple[Any, Any, Any]:
    """Return predictions, references and the units (customer, terminal) of a world's last days."""
    from toolkit_plugins.tabular.fraud_detection import features, records
    from toolkit_plugins.tabular.fraud_detection.history import DAY, Windows
    from toolkit_plugins.tabular.fraud_detection.schema import Schema
    from toolkit_plugins.tabular.fraud_detection.simulator import transactions

    from toolkit.data import groups

    schema = Schema("time", "amount", ("customer", "terminal"), (), ("channel",), "fraud")
    table = transactions(seed=seed, **{**SMALL, **sizes})
    rows = features.with_history(table, schema, Windows((7 * DAY, 30 * DAY), 7 * DAY))
    days = np.asarray(rows[features.TIME]) // DAY
    rows = rows.select(np.flatnonzero(days > days.max() - ROWS_OF))
    columns = {name: np.asarray(rows[name], np.float64) for name in (
        "amount", "customer_ratio_30d", "terminal_risk_30d", "terminal_streak")}  # fmt: skip
    odds = (
        0.8 * columns["customer_ratio_30d"] + 6 * columns["terminal_risk_30d"]
        + 0.5 * columns["terminal_streak"].clip(0, 6) + 3 * (columns["amount"] > 220) - 5
    )  # fmt: skip
    found = records.predictions((1 / (1 + np.exp(-odds))).tolist(), THRESHOLD, schema.labels)
    units = groups.of_columns({name: groups.of_rows(rows, name) for name in schema.entities})
    return found, records.references(rows.to_list(), schema, None), units


def metrics() -> dict[str, Any]:
    """Return the metrics whose intervals are tried."""
    from toolkit_plugins.tabular.fraud_detection import metrics as own

    return {
        "average_precision": own.FraudAveragePrecision(labels=["0", "1"]),
        "roc_auc": own.FraudRocAuc(labels=["0", "1"]),
        "recall_at_fpr_0.01": own.RecallAtFalsePositiveRate(0.01),
        "card_precision_20": own.CardPrecision(20),
        "expected_cost": own.ExpectedCost(5.0, 1.0),
    }


def coverage(worlds: int, **sizes: int) -> dict[str, dict[str, float]]:
    """Return metric -> share of the worlds whose interval holds the mean over worlds.

    Once with draws of customers and terminals ("entities"), once with draws of rows ("rows").

    Args:
        sizes: of the simulator.
    """
    scores: dict[str, list[dict[str, Any]]] = {"entities": [], "rows": []}
    for seed in range(worlds):
        predictions, references, units = world(seed, **sizes)
        for way, groups in (("entities", units), ("rows", None)):
            modules = metrics()
            for module in modules.values():
                module.add_batch(predictions=predictions, references=references)
            scores[way].append({
                name: module.compute(resamples=RESAMPLES, seed=seed, groups=groups)
                for name, module in modules.items()
            })  # fmt: skip
    return {way: {name: _held(name, found) for name in found[0]} for way, found in scores.items()}


def _held(name: str, found: list[dict[str, Any]]) -> float:
    own = [scores[name] for scores in found]
    values = [next(iter(score.values())) for score in own]
    ends = np.array([(score["low"], score["high"]) for score in own])
    known = ~np.isnan(ends[:, 0])
    held = (ends[:, 0] <= np.mean(values)) & (np.mean(values) <= ends[:, 1])
    return round(float(held[known].mean()), 3)


def main() -> None:
    """Print the coverage by customers and terminals, and by rows."""
    worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    found = {"worlds": worlds, **coverage(worlds)}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
