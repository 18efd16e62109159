"""The rows that a report shows, kept in the run's folder: their texts shortened, images small.

For predictions of classes: the most confident mistakes and the least certain rows. For others: the
rows with the worst score, and the first ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from toolkit.reporting.formatting import cut
from toolkit.reporting.images import small_image
from toolkit.reporting.shown import Part, stored
from toolkit.reporting.stored import read_stored
from toolkit.runs.folder import read_predictions
from toolkit.utils.files import write_atomically

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin
    from toolkit.reporting.prediction_arrays import PredictionArrays

FILE = Path("logs", "examples.json")  # within a run's folder
EACH = 12  # rows of a kind
COLUMNS = 8
LONGEST = 600  # characters of a cell
SCORED = 1000  # rows of which each is scored alone


def choose(reading: PredictionArrays) -> dict[str, list[int]]:
    """Return kind -> test rows, of predictions of classes; {} of any other."""
    one, several = reading.one, reading.several
    surest: Any
    if one is not None:
        wrong, unsure = np.flatnonzero(~one.right), one.best - one.second
        surest = one.given[wrong] if reading.has_scores else np.zeros(len(wrong))
    elif several is not None:
        wrong, unsure = np.flatnonzero(several.wrong), several.nearest
        surest = (several.worst if reading.has_scores else several.wrong)[wrong]
    else:
        return {}
    kinds = {"mistakes": wrong[np.argsort(-surest, kind="stable")][:EACH].tolist()}
    if reading.has_scores:
        kinds["uncertain"] = np.argsort(unsure, kind="stable")[:EACH].tolist()
    return kinds


def write_examples(
    plugin: Plugin[Any], split: datasets.Dataset, run: Path, reading: PredictionArrays
) -> None:
    """Write the rows that the report shows, with what the model reads of them.

    Args:
        split: the rows of the test split, as read.
        run: the folder of the run.
    """
    kinds = choose(reading)
    found: dict[str, Any] = {"kinds": kinds, "scores": {}}
    if reading.classes is None:
        kinds["worst"], about = _worst(plugin, run)
        found |= about
        kinds["first"] = list(range(min(EACH, reading.rows)))
    wanted = sorted({row for rows in kinds.values() for row in rows})
    lines = _lines(run / "predictions.jsonl", set(wanted))
    found["rows"] = {
        str(row): {"cells": cells, "shown": shown, **line}
        for row, cells, shown, line in zip(
            wanted,
            _cells(plugin, split, wanted),
            _shown(plugin, split, run, wanted),
            lines,
            strict=True,
        )
    }
    (run / FILE).parent.mkdir(exist_ok=True)
    write_atomically(run / FILE, json.dumps(found, default=str) + "\n")


class StoredExamples(BaseModel):
    """What `write_examples` wrote; empty if there is none.

    kinds: kind -> rows. rows: row -> its cells, prediction and reference. scores: row -> its value
    of `metric`, of the worst of the first `scored_rows`; `least` of these have the worst value.
    """

    class Row(BaseModel):
        cells: dict[str, str | dict[str, str]] = {}
        prediction: str = ""
        reference: str = ""
        shown: list[Part] = []

    kinds: dict[str, list[int]] = {}
    rows: dict[str, Row] = {}
    scores: dict[str, float] = {}
    metric: str = ""
    scored_rows: int = 0
    least: int = 0


def read_examples(run: Path) -> StoredExamples:
    """Return what `write_examples` wrote into a run's folder.

    Raises:
        UserError: the file is damaged.
    """
    return read_stored(run / FILE, StoredExamples)


def _worst(plugin: Plugin[Any], run: Path) -> tuple[list[int], dict[str, Any]]:
    """Return the rows with the worst first metric, and what `StoredExamples` says of them."""
    from toolkit.evaluation import run_metrics
    from toolkit.evaluation.scoring import by_row

    name, module = next(iter(run_metrics.modules(plugin).items()), (None, None))
    batches = read_predictions(run / "predictions.jsonl")
    rows = list(islice((row for batch in batches for row in zip(*batch, strict=True)), SCORED))
    if module is None or not rows:
        return [], {}
    predictions, references = map(list, zip(*rows, strict=True))
    values = by_row(module, predictions, references)
    if values is None or np.isnan(values).all() or np.nanmin(values) == np.nanmax(values):
        return [], {}
    sign = 1.0 if getattr(module, "greater_is_better", True) else -1.0
    ranked = np.where(np.isnan(values), np.inf, sign * values)
    order = np.lexsort((-np.array([_confidence(row) for row in predictions]), ranked))
    # A row as good as any is none of the worst.
    worst = [int(row) for row in order[:EACH] if ranked[row] < np.nanmax(sign * values)]
    scores = {str(row): float(values[row]) for row in worst}
    least = int((ranked == ranked.min()).sum())
    return worst, {"metric": name, "scores": scores, "scored_rows": len(values), "least": least}


def _confidence(prediction: Any) -> float:
    """Return the score of a prediction: of equally wrong ones the most confident is shown."""
    score = prediction.get("score") if isinstance(prediction, Mapping) else None
    return float(score) if isinstance(score, int | float) else 0.0


def _lines(file: Path, wanted: set[int]) -> Iterator[dict[str, str]]:
    """Yield predictions and references of some rows, in short."""
    with file.open(encoding="utf-8") as lines:
        for row, text in enumerate(lines):
            if row in wanted:
                line = json.loads(text)
                yield {key: brief(line[key]) for key in ("prediction", "reference")}


def brief(value: Any, lists: bool = False) -> str:
    """Return a prediction or a reference in short.

    Of a mapping its plain values; where there are none, or with `lists`, its lists. Of a list its
    items. Of a labelled text (an entity) both, without its place.
    """
    if isinstance(value, Mapping) and {"text", "label"} <= value.keys():
        return cut(f"{value['text']} ({value['label']})", LONGEST)
    if isinstance(value, Mapping):
        plain: dict[Any, Any] = {
            k: v for k, v in value.items() if isinstance(v, str | int | float | None)
        }
        parts = {} if plain and not lists else {
            k: v for k, v in value.items() if isinstance(v, list)
        }  # fmt: skip
        parts |= plain
        return cut(
            "; ".join(f"{key}: {brief(part, lists)}" for key, part in parts.items()), LONGEST
        )
    if isinstance(value, list):
        return cut(" | ".join(brief(item, lists) for item in value[:20]) or "(none)", LONGEST)
    if isinstance(value, float):
        return f"{value:.4g}"
    return cut("(empty)" if value == "" else value, LONGEST)


def _shown(
    plugin: Plugin[Any], split: datasets.Dataset, run: Path, rows: list[int]
) -> Iterator[list[dict[str, Any]]]:
    """Yield what the plugin shows of some rows."""
    keep = np.isin(np.arange(len(split)), rows)
    batches = read_predictions(run / "predictions.jsonl", keep)
    pairs = (pair for batch in batches for pair in zip(*batch, strict=True))
    for row, (prediction, reference) in zip(rows, pairs, strict=True):
        parts = plugin.show(split[row], prediction, reference)
        yield [
            part.model_dump(exclude_defaults=True) | {"kind": part.kind} for part in stored(parts)
        ]


def _cells(plugin: Plugin[Any], split: datasets.Dataset, rows: list[int]) -> list[dict[str, Any]]:
    """Return, of test rows, what the columns that the plugin reads hold."""
    there = _inputs(plugin, split.column_names)
    if not there or not rows:
        return [{} for _ in rows]
    chosen = split.select_columns(there).select(rows).to_list()
    return [brief_cells(plugin, row) for row in chosen]


def brief_cells(plugin: Plugin[Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the columns that the plugin reads hold in a row: texts cut, images small."""
    from toolkit.plugin_types.columns import marked

    files = {name for name, mark in marked(plugin.options).values() if mark.files}
    return {name: small_image(row[name]) if name in files else _cell(row[name])
            for name in _inputs(plugin, list(row))}  # fmt: skip


def _inputs(plugin: Plugin[Any], there: Sequence[str]) -> list[str]:
    """Return the columns to show of those that are there: marked ones, or all but the targets."""
    from toolkit.plugin_types.columns import marked

    named = list(marked(plugin.options).values())
    targets = {name for name, mark in named if mark.role == "target"}
    others = [name for name, _ in named if name not in targets] or there
    return [name for name in dict.fromkeys(others)
            if name in there and name not in targets][:COLUMNS]  # fmt: skip


def _cell(value: Any) -> str:
    if isinstance(value, list | Mapping):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return cut(f"{value:.6g}" if isinstance(value, float) else value, LONGEST)
