"""Permutation importance: what the headline metric loses when a column is shuffled among rows.

Breiman 2001 ("Random Forests"), for any model: Fisher, Rudin & Dominici 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation import run_metrics, scoring
from toolkit.evaluation.batches import records
from toolkit.evaluation.explanations.stopwatch import Stopwatch
from toolkit.evaluation.predicting import predict

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin

REPEATS = 3  # shuffles of a column
FEWEST = 100  # rows that are worth shuffling
TRIED = 500  # rows by which the time is estimated
MOST = 5000  # rows that are shuffled


@dataclass(frozen=True)
class Importance:
    """What a metric loses without each column; positive: it gets worse.

    value: of the rows as they are. rare: of drawn rows, how many are of rare classes, which are
    all kept. columns: name -> loss in each of the shuffles.
    """

    metric: str
    value: float
    rows: int
    rare: int
    columns: Mapping[str, list[float]]


def importance(
    plugin: Plugin[Any],
    model: Any,
    raw: datasets.Dataset,
    batch_size: int,
    seed: int,
    seconds: float = float("inf"),
    repeats: int = REPEATS,
) -> Importance | None:
    """Return the importance of the parts of rows that are whole columns; None if there are none.

    Args:
        raw: labelled rows as the plugin's `prepare` takes them.
        seconds: that it may take; with less than all rows would need, as many rows are drawn,
            those of rare classes first.

    Raises:
        TimeoutError: it would take longer even with few rows.
    """
    name, module = next(iter(run_metrics.modules(plugin).items()), ("", None))
    if module is None or len(raw) < FEWEST:
        return None
    own = _Model(plugin, model, batch_size, name)
    columns = whole_columns(plugin, raw, own.predictions(raw.select([0]))[0])
    if not columns:
        return None
    watch, tried = Stopwatch(), min(len(raw), TRIED)
    own.predictions(raw.select(range(tried)))
    pace = max(watch.seconds() / tried, 1e-9)
    fitting = int(min(seconds / pace / (repeats * len(columns) + 1), MOST))
    if fitting < FEWEST:
        raise TimeoutError(f"{len(columns)} columns need more than {seconds:.0f} s")
    rng = np.random.default_rng(seed)
    chosen, rare = _some(plugin.references(raw.to_list()), fitting, rng)
    rows = raw.select(chosen)
    references = plugin.references(rows.to_list())
    value = own.score(rows, references)
    sign = 1.0 if getattr(module, "greater_is_better", True) else -1.0
    losses: dict[str, list[float]] = {column: [] for column in columns}
    for repeat in range(repeats):
        if repeat >= 2 and watch.seconds() > seconds:  # slower than it seemed
            break
        for column, cells in columns.items():
            shuffled = own.score(_shuffled(rows, cells, rng), references)
            losses[column].append(sign * (value - shuffled))
    return Importance(name, value, len(rows), rare, losses)


@dataclass(frozen=True)
class _Model:
    """A model with the plugin that prepares its rows, and the name of the metric."""

    plugin: Plugin[Any]
    model: Any
    batch_size: int
    metric: str

    def predictions(self, rows: datasets.Dataset) -> list[Any]:
        from toolkit.data.uncached import UncachedDataset

        rows, plugin = UncachedDataset.of(rows), self.plugin
        found = predict(plugin, self.model, rows, plugin.prepare(rows, "predict"),
                        self.batch_size, fast=True, alone=True)  # fmt: skip
        return [prediction for batch in found for prediction in batch.predictions]

    def score(self, rows: datasets.Dataset, references: list[Any]) -> float:
        fresh = {self.metric: run_metrics.modules(self.plugin)[self.metric]}
        found = scoring.score(fresh, [(self.predictions(rows), references)], None)
        return float(found[self.metric]["value"])


def whole_columns(
    plugin: Plugin[Any], raw: datasets.Dataset, prediction: Any
) -> dict[str, list[str]]:
    """Return the parts of a row that are columns as a whole: name -> the columns that hold it.

    prediction: of the first row.
    """
    (row,) = records(raw, [0])
    return {one.part.column: list(one.cells) for one in plugin.occlusions(row, prediction)
            if one.part is not None and one.part.whole}  # fmt: skip


def _some(references: list[Any], count: int, rng: np.random.Generator) -> tuple[Any, int]:
    """Return the numbers of some rows, rising, and how many of them are of rare classes.

    Rare are all classes but the most frequent one, if they fill no more than half of the rows.
    """
    places = np.arange(len(references))
    if len(references) <= count:
        return places, 0
    labels = np.array([str(r.get("label") if isinstance(r, Mapping) else r) for r in references])
    values, counts = np.unique(labels, return_counts=True)
    rare = np.flatnonzero(labels != values[counts.argmax()])
    if len(rare) > count // 2:
        rare = rare[:0]
    rest = rng.choice(np.setdiff1d(places, rare), count - len(rare), replace=False)
    return np.sort(np.concatenate([rare, rest])), len(rare)


def _shuffled(
    rows: datasets.Dataset, columns: list[str], rng: np.random.Generator
) -> datasets.Dataset:
    """Return rows with the cells of some columns, which stay together, dealt out anew."""
    import datasets

    table, order = rows.with_format("arrow")[:], rng.permutation(len(rows))
    for name in columns:
        place = table.column_names.index(name)
        table = table.set_column(place, table.schema.field(name), table[name].take(order))
    return datasets.Dataset(datasets.table.InMemoryTable(table))
