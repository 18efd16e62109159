"""Rows of the run's own test split, with which the page can be tried."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import HTTPException

from toolkit.errors import UserError
from toolkit.evaluation.metrics.encoding import truth_of
from toolkit.reporting import kept_rows
from toolkit.reporting.comparison import label
from toolkit.reporting.formatting import cut, number, words
from toolkit.runs.changed_answers import rows as predicted_rows
from toolkit.runs.folder import Run

if TYPE_CHECKING:
    from toolkit.deployment.serving.fields import Fields
    from toolkit.plugin import Plugin

MOST = 6  # rows on the page, of different labels where there are as many
LABELS = 12  # of which rows are looked for
BYTES = 80_000  # of a row


class Sample(NamedTuple):
    """A test row as a request has it, with its label. picture: an image of it, as a data URI."""

    row: int
    values: dict[str, Any]
    actual: str
    title: str
    picture: str = ""


def samples(run: Run, fields: Fields) -> list[Sample]:
    """Return some test rows that the model takes; none of a run that has kept no rows."""
    found: dict[str, list[Sample]] = {}
    try:
        kept = kept_rows.read(run.path, range(kept_rows.ROWS))
        rows = enumerate(islice(predicted_rows(run), kept_rows.ROWS if kept else 0))
        for place, actual in ((n, label(truth_of(reference))) for n, (_, reference) in rows):
            if place not in kept or (len(found) == LABELS and actual not in found):
                continue
            of_label = found.setdefault(actual, [])
            if len(of_label) < MOST:
                of_label += _sample(place, kept[place], actual, fields)
    except (OSError, UserError):  # the page has the plugin's example
        return []
    found = {name: of for name, of in found.items() if of}
    chosen = [of[0] for of in found.values()] + [one for of in found.values() for one in of[1:]]
    return sorted(chosen[:MOST])


def _sample(place: int, row: kept_rows.Row, actual: str, fields: Fields) -> Iterator[Sample]:
    """Yield a row as a request has it, if it is small and the model takes it."""
    # What a row may lack is of other rows, such as the label of earlier ones.
    values = {f.name: _sent(row[f.name]) for f in fields.fields
              if f.name in row and not f.optional}  # fmt: skip
    body = json.dumps(values)
    if len(body) > BYTES:
        return
    with suppress(HTTPException):  # a column is missing, or empty
        fields.read(body.encode(), 1)
        yield Sample(place, values, actual, *_title(row, values))


def _sent(value: Any) -> Any:
    """Return a cell as a request has it: files in base64."""
    is_file = isinstance(value, Mapping) and {"bytes", "path"} <= value.keys()
    return base64.b64encode(value["bytes"]).decode() if is_file else value


def _title(row: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a row is known by on the page: its first cells, and its first image."""
    from toolkit.reporting.images import small_image

    pictures = (small_image(row[name]) for name in values if isinstance(row[name], Mapping))
    picture = next((one["picture"] for one in pictures if isinstance(one, dict)), "")
    texts = (str(row[name]) for name in values if not isinstance(row[name], Mapping))
    return ("" if picture else cut(", ".join(texts), 70)), picture


def threshold(run: Run, plugin: Plugin[Any]) -> str:
    """Return from which probability on what is predicted, as a sentence."""
    names = _classes(run)
    positive = run.record.get("positive") or (names[1] if len(names) == 2 else None)
    of = f" for “{cut(positive)}”" if positive else ""
    chosen = {name: value for name, value in plugin.calibration.items()
              if name.endswith("threshold") and isinstance(value, float)}  # fmt: skip
    if chosen:
        return "; ".join(f"{words(name)}{of} {number(value)}" for name, value in chosen.items())
    if getattr(plugin.options, "multi_label", False):
        return f"threshold of each label {number(float(getattr(plugin.options, 'threshold', 0.5)))}"
    if len(names) == 2:
        return f"threshold{of} 0.5"
    return "no threshold: the most probable class" if names else ""


def _classes(run: Run) -> list[str]:
    """Return the classes of a run's predictions; none where they have no probabilities."""
    try:
        prediction, _ = next(predicted_rows(run), ({}, None))
    except (OSError, ValueError):
        return []
    scores = prediction.get("scores") if "label" in prediction else None
    return list(scores) if isinstance(scores, Mapping) else []
