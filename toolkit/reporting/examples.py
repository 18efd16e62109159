"""The rows that a report shows, kept in the run's folder: their texts shortened, pictures small.

Which of the test rows: the most confident mistakes and the least certain ones where predictions are
of classes; else those with the worst score of their own, and the first.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from toolkit.errors import UserError
from toolkit.runs.folder import read_predictions

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin
    from toolkit.reporting.prediction_arrays import PredictionArrays

FILE = Path("logs", "examples.json")  # within a run's folder
EACH = 12  # rows of a kind
COLUMNS = 8
LONGEST = 600  # characters of a cell
SIDE = 160  # pixels of a picture
SCORED = 1000  # rows of which each is scored alone


def choose(reading: PredictionArrays) -> dict[str, list[int]]:
    """Return kind -> test rows, the most telling first, of predictions of classes."""
    one, several = reading.one, reading.several
    if one is not None:
        wrong = np.flatnonzero(~one.right)
        if not reading.has_scores:
            return {"mistakes": wrong[:EACH].tolist()}
        sure = wrong[np.argsort(-one.given[wrong], kind="stable")]
        torn = np.argsort(one.best - one.second, kind="stable")
        return {"mistakes": sure[:EACH].tolist(), "uncertain": torn[:EACH].tolist()}
    if several is not None:
        wrong = np.flatnonzero(several.wrong)
        if not reading.has_scores:
            most = wrong[np.argsort(-several.wrong[wrong], kind="stable")]
            return {"mistakes": most[:EACH].tolist()}
        sure = wrong[np.argsort(-several.worst[wrong], kind="stable")]
        torn = np.argsort(several.nearest, kind="stable")
        return {"mistakes": sure[:EACH].tolist(), "uncertain": torn[:EACH].tolist()}
    return {}


def keep(
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
    cells = _cells(plugin, split, wanted)
    lines = dict(_lines(run / "predictions.jsonl", wanted))
    found["rows"] = {
        str(row): {"cells": shown, **lines[row]} for row, shown in zip(wanted, cells, strict=True)
    }
    (run / FILE).parent.mkdir(exist_ok=True)
    (run / FILE).write_text(json.dumps(found, default=str) + "\n", encoding="utf-8")


class Kept(BaseModel):
    """What `keep` wrote; empty where there is nothing of use.

    kinds: kind -> rows. rows: row -> its cells, and what was said and is true of it. scores: what
    the worst rows score by `metric` alone, of the `scored_rows` that were looked at; `least` of
    them score no better than the worst.
    """

    class Shown(BaseModel):
        """One row."""

        cells: dict[str, str | dict[str, str]] = {}
        prediction: str = ""
        reference: str = ""

    kinds: dict[str, list[int]] = {}
    rows: dict[str, Shown] = {}
    scores: dict[str, float] = {}
    metric: str = ""
    scored_rows: int = 0
    least: int = 0


def read(run: Path) -> Kept:
    """Return what `keep` wrote into a run's folder.

    Raises:
        UserError: the file is damaged.
    """
    file = run / FILE
    if not file.is_file():
        return Kept()
    try:
        # By way of json, which takes the halves of letters that pydantic refuses.
        found = json.dumps(json.loads(file.read_bytes()), ensure_ascii=False)
        return Kept.model_validate_json(found.encode("utf-8", "replace"))
    except ValueError as error:
        raise UserError(f"{file} is damaged: {str(error).splitlines()[0]}") from None


def _worst(plugin: Plugin[Any], run: Path) -> tuple[list[int], dict[str, Any]]:
    """Return the rows that the first metric scores worst; and which it is, and what it gives."""
    from toolkit.evaluation import run_metrics
    from toolkit.evaluation.scoring import by_row

    modules = run_metrics.modules(plugin)
    name = next(iter(modules), None)
    predictions: list[Any] = []
    references: list[Any] = []
    for said, true in read_predictions(run / "predictions.jsonl"):
        predictions, references = predictions + said, references + true
        if len(predictions) >= SCORED:
            break
    if name is None or not predictions:
        return [], {}
    predictions, references = predictions[:SCORED], references[:SCORED]
    values = by_row(modules[name], predictions, references)
    if values is None or np.isnan(values).all() or np.nanmin(values) == np.nanmax(values):
        return [], {}
    sign = 1.0 if getattr(modules[name], "greater_is_better", True) else -1.0
    ranked = np.where(np.isnan(values), np.inf, sign * values)
    order = np.lexsort((-np.array([_confidence(p) for p in predictions]), ranked))
    rows = [int(row) for row in order[:EACH] if not np.isnan(values[row])]
    least = int((ranked == ranked.min()).sum())
    scores = {str(row): float(values[row]) for row in rows}
    about = {"metric": name, "scores": scores, "scored_rows": len(values), "least": least}
    return rows, about


def _confidence(prediction: Any) -> float:
    """Return how sure a prediction says it is: of equally wrong ones the surest is shown."""
    score = prediction.get("score") if isinstance(prediction, Mapping) else None
    return float(score) if isinstance(score, int | float) else 0.0


def _lines(file: Path, wanted: Iterable[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the predictions and references of some rows, whatever is long in them shortened."""
    chosen = set(wanted)
    with file.open(encoding="utf-8") as lines:
        for row, text in enumerate(lines):
            if row in chosen:
                line = json.loads(text)
                said, true = _said(line["prediction"]), _true(line["reference"])
                yield row, {"prediction": said, "reference": true}


def _said(prediction: Any) -> str:
    """Return a prediction in short: what stands in it by itself, without lists and tables."""
    if not isinstance(prediction, Mapping):
        return _short(prediction)
    plain = {k: v for k, v in prediction.items() if isinstance(v, str | int | float | None)}
    lists = {k: v for k, v in prediction.items() if isinstance(v, list) and not plain}
    return _short("; ".join(f"{key}: {_true(value)}" for key, value in {**plain, **lists}.items()))


def _true(value: Any) -> str:
    """Return what is true of a row, in short: of several things one after the other."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return _said(value)
    if isinstance(value, list):
        return _short(" | ".join(map(_true, value[:20])) or "(none)")
    return _short(value if value != "" else "(empty)")


def _short(value: Any) -> str:
    if isinstance(value, list | Mapping):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _cells(plugin: Plugin[Any], split: datasets.Dataset, rows: list[int]) -> list[dict[str, Any]]:
    """Return, of test rows, what the columns that the plugin reads hold."""
    from toolkit.plugin_types import column_markers, columns

    options = plugin.options
    targets = set(columns(options, "target").values())
    named = [name for name in columns(options).values() if name not in targets]
    others = named or [name for name in split.column_names if name not in targets]
    files = {
        column
        for key, column in columns(options).items()
        if column_markers(type(options))[key.split(".")[0]].files
    }
    there = [name for name in dict.fromkeys(others) if name in split.column_names][:COLUMNS]
    found = split.select_columns(there).select(rows).to_list() if there and rows else []
    return [
        {name: _picture(cell) if name in files else _short(cell) for name, cell in row.items()}
        for row in found
    ] or [{} for _ in rows]


def _picture(value: Any) -> Any:
    """Return a small picture as a data URI, or the name of a file that is none."""
    from PIL import Image, ImageOps

    name = value.get("path") if isinstance(value, Mapping) else None
    given = value.get("bytes") if isinstance(value, Mapping) else value
    try:
        with Image.open(io.BytesIO(given) if isinstance(given, bytes) else str(name)) as image:
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            small = ImageOps.exif_transpose(image).convert("RGB")
            small.thumbnail((SIDE, SIDE))
    except Exception:  # decoders raise whatever their formats raise, and the name is all there is
        return _short(Path(name).name if name else "(a file)")
    return {"picture": as_jpeg(small), "name": Path(name).name[:100] if name else ""}


def as_jpeg(image: Any, quality: int = 80) -> str:
    """Return a picture of Pillow as a data URI."""
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
