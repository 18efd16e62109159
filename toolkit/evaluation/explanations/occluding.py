"""Rows predicted again without each of their parts in turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from toolkit.errors import UserError
from toolkit.evaluation.batches import records
from toolkit.evaluation.predicting import predict
from toolkit.plugin.explaining import ExplainHooks
from toolkit.plugin_types import Occlusion, RowPart
from toolkit.plugin_types.columns import marked
from toolkit.plugin_types.sameness import answer
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Prediction

AT_ONCE = 256  # rows without a part that are predicted together


@dataclass(frozen=True)
class Explanation:
    """Why a row was predicted as it was.

    scores: what is explained -> its score of the whole row (log odds of a class, or a value).
    parts: of the row. contributions: what is explained -> what its score loses without each part.
    """

    scores: Mapping[str, float]
    parts: Sequence[RowPart]
    contributions: Mapping[str, Sequence[float]]

    def largest(self, top: int | None = None, of: str | None = None) -> list[dict[str, Any]]:
        """Return the parts with their contributions as JSON, the largest in size first.

        Args:
            top: how many of each that is explained; None: all. of: one alone that is explained.
        """
        found = []
        for name in self.scores if of is None else [of]:
            values = self.contributions[name]
            order = sorted(range(len(values)), key=lambda place: -abs(values[place]))[:top]
            found += [{**self.parts[place].facts(), "contribution": values[place], "of": name}
                      for place in order]  # fmt: skip
        return found


def explain(
    plugin: Plugin[Any],
    model: Any,
    raw: datasets.Dataset,
    predictions: Sequence[Prediction],
    batch_size: int,
    *,
    also: Sequence[Sequence[str]] | None = None,
    at_once: int = AT_ONCE,
    others: Sequence[Any] = (),
) -> Iterator[Explanation]:
    """Yield the explanation of each row, computed when it is asked for, some rows at a time.

    A row of n parts costs n + 1 predictions.

    Args:
        raw, predictions: rows as the plugin's `prepare` takes them, and what was predicted.
        batch_size: prepared rows per forward pass.
        also: for each row further scores to explain, such as that of the actual class.
        at_once: rows without a part that are predicted together. others: as `predict` takes them.
    """
    from toolkit.data.uncached import UncachedDataset

    def predicted(cells: list[Occlusion], places: list[int]) -> list[Prediction]:
        rows = UncachedDataset.of(_without(raw, places, cells))
        found = predict(plugin, model, rows, plugin.prepare(rows, "predict"), batch_size,
                        fast=True, others=others, alone=True)  # fmt: skip
        return [prediction for batch in found for prediction in batch.predictions]

    for group in _groups(plugin, raw, predictions, at_once):
        places = [row for row, parts in group for _ in parts]
        flat = [part for _, parts in group for part in parts]
        found = predicted(flat, places) if flat else []
        ends = accumulate((len(parts) for _, parts in group), initial=0)
        for (row, parts), (start, end) in zip(group, pairwise(ends), strict=True):
            wanted = also[row] if also else ()
            yield _explained(plugin, predictions[row], parts, found[start:end], wanted)


def _groups(
    plugin: Plugin[Any], raw: datasets.Dataset, predictions: Sequence[Prediction], at_once: int
) -> Iterator[list[tuple[int, list[Occlusion]]]]:
    """Yield the numbers of rows, each with itself and what it is without its parts."""
    group: list[tuple[int, list[Occlusion]]] = []
    count = 0
    for row, prediction in enumerate(predictions):
        (whole,) = records(raw, [row])
        parts = _with_whole(plugin.occlusions(whole, prediction))
        group.append((row, parts))
        count += len(parts)
        if count >= at_once:
            yield group
            group, count = [], 0
    if group:
        yield group


def _with_whole(occlusions: Iterable[Occlusion]) -> list[Occlusion]:
    """Return the whole row and then its parts; nothing where it has none."""
    found = list(occlusions)
    parts = [one for one in found if one.part is not None]
    whole = next((one for one in found if one.part is None), Occlusion(None, {}))
    return [whole, *parts] if parts else []


def _explained(
    plugin: Plugin[Any],
    prediction: Prediction,
    occlusions: Sequence[Occlusion],
    found: Sequence[Prediction],
    also: Sequence[str],
) -> Explanation:
    """Return the explanation of a row. found: of the whole row, and of it without each part."""
    scores = plugin.explained_scores(found[0] if found else prediction)
    names = wanted(plugin, prediction)
    names += [name for name in also if name in scores and name not in names]
    parts = [one.part for one in occlusions[1:] if one.part is not None]
    without = [plugin.explained_scores(one) for one in found[1:]]
    # What is not even among the candidates any more has at most the score of the last one.
    changes = {
        name: [scores[name] - s.get(name, min(s.values(), default=scores[name])) for s in without]
        for name in names if name in scores
    }  # fmt: skip
    return Explanation({name: scores[name] for name in changes}, parts, changes)


def require_explained(plugin: Plugin[Any], predictions: Sequence[Prediction]) -> None:
    """Raise UserError where no prediction has a score to explain, or rows have no parts.

    Raises:
        UserError: the plugin is one whose predictions are not explained.
    """
    name = type(plugin).__name__
    if predictions and not any(plugin.explained_scores(one) for one in predictions):
        keys = listing(predictions[0]) if isinstance(predictions[0], Mapping) else "no keys"
        raise UserError(
            f"predictions of {name} cannot be explained: they have neither `scores` nor a `value` "
            f"({keys}); its hook explained_scores would give one"
        )
    default = type(plugin).occlusions is ExplainHooks.occlusions
    if default and not any(mark.kind == "text" and not mark.files
                           for _, mark in marked(plugin.options, "input").values()):  # fmt: skip
        raise UserError(
            f"predictions of {name} cannot be explained: it reads no text column, and lacks the "
            "hook occlusions for others"
        )


def wanted(plugin: Plugin[Any], prediction: Prediction) -> list[str]:
    """Return which of a prediction's scores are explained: of its labels, or else the first one."""
    scores, said = plugin.explained_scores(prediction), answer(prediction)
    named = [name for name in (said if isinstance(said, list) else [said])
             if isinstance(name, str) and name in scores]  # fmt: skip
    return named or list(scores)[:1]


def _without(
    raw: datasets.Dataset, places: Sequence[int], occlusions: Sequence[Occlusion]
) -> datasets.Dataset:
    """Return rows by number, each with the cells of its occlusion in place of its own."""
    import datasets
    import pyarrow as pa
    from datasets.table import InMemoryTable

    changed = dict.fromkeys(name for one in occlusions for name in one.cells)
    kept = [name for name in raw.column_names if name not in changed]
    columns, types = {}, raw.features.arrow_schema
    if kept:
        table = raw.select_columns(kept).with_format("arrow")[list(places)]
        columns = {name: table[name] for name in kept}
    for name in changed:
        rows = list(dict.fromkeys(
            place for place, one in zip(places, occlusions, strict=True) if name not in one.cells
        ))  # fmt: skip
        found = records(raw.select_columns([name]), rows) if rows else []
        own = {place: row[name] for place, row in zip(rows, found, strict=True)}
        cells = [one.cells[name] if name in one.cells else own[place]
                 for place, one in zip(places, occlusions, strict=True)]  # fmt: skip
        try:
            columns[name] = pa.array(cells, types.field(name).type)
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # a number where others are texts
            columns[name] = pa.array(cells)
    return datasets.Dataset(InMemoryTable(pa.table(columns)))
