"""What moved the predictions that a report shows, kept in the run's folder.

That are the mistakes, or the worst rows, within a limit of time; and the columns of a table over
the whole test split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, Field

from toolkit.reporting.images import heat_map
from toolkit.reporting.shown import DATA
from toolkit.reporting.stored import read_stored
from toolkit.runs.folder import read_predictions
from toolkit.utils.files import write_atomically

if TYPE_CHECKING:
    import datasets

    from toolkit.evaluation.explanations import Explanation
    from toolkit.plugin import Plugin
    from toolkit.runs.writer import RunWriter

FILE = Path("logs", "explanations.json")  # within a run's folder
KINDS = ("mistakes", "worst")  # rows of the report that are explained
ROWS = 12
# Seconds of work, and the share of the training that may be spent where that is longer.
ROW_SECONDS, ROW_SHARE = 1.0, 0.01
COLUMN_SECONDS, COLUMN_SHARE = 2.0, 0.03
PARTS = 20  # of a row whose parts are not known yet
SURE = 4  # times as long as is likely, by which a row is too slow before it was tried
LONGEST = 2000  # characters of a text
OTHERS = 5  # parts that are kept of what is not the prediction itself
SHARDED = "the model was spread over several processes: `toolkit predict --explain` explains rows"


class Part(BaseModel):
    """A part of a row, and what the score of `of` loses without it."""

    column: str
    of: str
    contribution: float
    start: int | None = None
    end: int | None = None
    text: str | None = None
    value: Any = None


class Row(BaseModel):
    """scores: what is explained -> its score, the prediction's own first. texts: by column."""

    scores: dict[str, float] = {}
    parts: list[Part] = []
    texts: dict[str, str] = {}
    picture: Annotated[str, Field(pattern=DATA)] = ""


class Importance(BaseModel):
    """rare: of `rows`, those of rare classes, which were drawn first.

    columns: name -> mean loss of the metric, and its deviation over the shuffles.
    """

    metric: str
    value: float
    rows: int
    rare: int
    repeats: int
    columns: dict[str, tuple[float, float]]


class StoredExplanations(BaseModel):
    """What `write_explanations` wrote; empty if there is none.

    rows: row -> its explanation. importance: of columns. rows_note, columns_note: what is missing.
    """

    rows: dict[str, Row] = {}
    importance: Importance | None = None
    rows_note: str = ""
    columns_note: str = ""


def write_explanations(
    plugin: Plugin[Any],
    split: datasets.Dataset,
    folder: RunWriter,
    kinds: Mapping[str, Sequence[int]],
    sharded: bool,
) -> None:
    """Explain the rows that the report shows, as many as there is time for.

    Args:
        split: the rows of the test split, as read. kinds: kind -> rows of the report. sharded:
            whether this process holds a part of the model only.
    """
    trained = folder.record["speed"]["train_seconds"]
    rows = [row for kind in KINDS for row in kinds.get(kind, ())][:ROWS]
    found = StoredExplanations()
    if sharded:
        found.rows_note = SHARDED
    else:
        _explain_rows(plugin, split, folder, rows, max(ROW_SECONDS, trained * ROW_SHARE), found)
        _measure_columns(plugin, split, max(COLUMN_SECONDS, trained * COLUMN_SHARE), found)
    if found != StoredExplanations():
        text = found.model_dump_json(exclude_defaults=True)
        write_atomically(folder.path / FILE, text + "\n")


def read_explanations(run: Path) -> StoredExplanations:
    """Return what `write_explanations` wrote into a run's folder.

    Raises:
        UserError: the file is damaged.
    """
    return read_stored(run / FILE, StoredExplanations)


def _explain_rows(
    plugin: Plugin[Any],
    split: datasets.Dataset,
    folder: RunWriter,
    rows: Sequence[int],
    limit: float,
    found: StoredExplanations,
) -> None:
    from toolkit.evaluation.explanations import explain

    rows = list(dict.fromkeys(rows))
    keep = np.isin(np.arange(len(split)), rows)
    read = (pair for batch in read_predictions(folder.path / "predictions.jsonl", keep)
            for pair in zip(*batch, strict=True))  # fmt: skip
    pairs = dict(zip(sorted(rows), read, strict=True))
    predictions = [pairs[row][0] for row in rows]
    if not rows or not plugin.explained_scores(predictions[0]):
        return
    made = explain(plugin, plugin.model, split.select(rows), predictions, batch_size(plugin),
                   also=[_names(pairs[row][1]) for row in rows], at_once=1)  # fmt: skip
    for row, explanation in _within(limit, zip(rows, made, strict=False), pace(folder.record)):
        if explanation.parts:
            found.rows[str(row)] = _stored(explanation, split[row])
    done = len(found.rows)
    if done < len(rows) and (
        done or any(True for _ in plugin.occlusions(split[rows[0]], predictions[0]))
    ):
        found.rows_note = f"{done} of {len(rows)} rows were explained in {limit:.1f} s"


def pace(record: Mapping[str, Any]) -> float:
    """Return about how many seconds a row took to be predicted and scored."""
    counts = record["data"]["rows"]
    scored: int = counts.get("test", 0) + counts.get("validation", 0)
    return float(record["speed"]["phases"].get("score", 0.0)) / max(scored, 1)


def batch_size(plugin: Plugin[Any]) -> int:
    """Return how many rows the model is given at once, as in the rest of the run."""
    settings = plugin.recipe.training if plugin.recipe else {}
    return int(settings.get("per_device_eval_batch_size", 64))


def _within(limit: float, made: Iterator[Any], row_seconds: float) -> Iterator[Any]:
    """Yield what is made as long as there is time for a further one like the slowest.

    Args:
        row_seconds: of a prediction, from above, by which even the first one may be too slow.
    """
    from toolkit.evaluation.explanations import Stopwatch

    watch, before, slowest = Stopwatch(), 0.0, row_seconds * PARTS / SURE
    while before + slowest <= limit:
        try:
            found = next(made)
        except StopIteration:
            return
        now = watch.seconds()
        slowest, before = now - before, now
        yield found


def _names(reference: Any) -> list[str]:
    """Return the actual labels or answers as scores are named."""
    if isinstance(reference, Mapping):
        reference = reference.get("label")
    named = reference if isinstance(reference, list) else [reference]
    return [name for name in named if isinstance(name, str)]


def _stored(explanation: Explanation, row: Mapping[str, Any]) -> Row:
    """Return an explanation as it is kept; of an image as a picture."""
    parts = [Part.model_validate(part)
             for place, name in enumerate(explanation.scores)
             for part in explanation.largest(OTHERS if place else None, name)
             if "box" not in part]  # fmt: skip
    texts = {part.column: str(row[part.column])[:LONGEST] for part in explanation.parts
             if part.start is not None}  # fmt: skip
    shown = next(iter(explanation.contributions), "")
    patches = [(part, value) for part, value in
               zip(explanation.parts, explanation.contributions[shown], strict=True)
               if part.box is not None]  # fmt: skip
    picture = ""
    if patches:
        image = row[patches[0][0].column]
        picture = heat_map(image, [(part.box, value) for part, value in patches if part.box])
    return Row(scores=dict(explanation.scores), parts=parts, texts=texts, picture=picture)


def _measure_columns(
    plugin: Plugin[Any], split: datasets.Dataset, limit: float, found: StoredExplanations
) -> None:
    from toolkit.evaluation.explanations import importance

    seed = plugin.recipe.seed if plugin.recipe else 0
    try:
        measured = importance(plugin, plugin.model, split, batch_size(plugin), seed, limit)
    except TimeoutError as error:
        found.columns_note = f"the importance of columns was not measured: {error}"
        return
    if measured is not None:
        columns = {name: (fmean(lost), stdev(lost)) for name, lost in measured.columns.items()}
        order = sorted(columns, key=lambda name: -columns[name][0])
        found.importance = Importance(
            metric=measured.metric, value=measured.value, rows=measured.rows, rare=measured.rare,
            repeats=len(next(iter(measured.columns.values()))),
            columns={name: columns[name] for name in order},
        )  # fmt: skip
