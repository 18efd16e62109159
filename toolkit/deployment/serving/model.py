"""A served model: its columns and facts, and predictions for several requests at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.data import prediction_rows
from toolkit.deployment.serving.batcher import Rows
from toolkit.deployment.serving.fields import Fields, InvalidRowsError
from toolkit.plugin import Plugin
from toolkit.plugin_types import columns
from toolkit.runs.folder import Run
from toolkit.runs.predictor import Predictor

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin_types import Prediction


class Served:
    """A model under a name."""

    def __init__(self, name: str, run: Run, restored: Predictor) -> None:
        self.name, self.run, self.restored = name, run, restored
        self.fields = Fields(restored.plugin)
        plugin = type(restored.plugin)
        # A plugin that derives columns from other rows must not see those of other requests.
        self._apart = plugin.add_features is not Plugin.add_features

    def info(self) -> dict[str, Any]:
        """Return the model's scores, baselines and columns, as in run.json."""
        record = self.run.record
        return {
            "name": self.name,
            "scenario": record.get("scenario"),
            "pretrained": (record.get("model") or {}).get("id"),
            "metrics": record.get("metrics", {}).get("test", {}),
            "baselines": record.get("baselines", {}),
            "rows": record.get("data", {}).get("rows", {}),
            "columns": [
                {"name": f.name, "kind": f.kind, "description": f.description}
                for f in self.fields.fields
            ],
            "example": self.fields.example,
        }

    def answers(self, requests: Sequence[Rows]) -> list[list[Prediction] | Exception]:
        """Return the predictions of each request, or its error."""
        try:
            return list(self._together(requests))
        except Exception as error:
            if len(requests) == 1:
                return [error]
            # One faulty request must not affect the others.
            return [self.answers([rows])[0] for rows in requests]

    def _together(self, requests: Sequence[Rows]) -> Iterator[list[Prediction]]:
        import datasets

        if self._apart:
            parts = [self._checked(rows) for rows in requests]
            raw = datasets.concatenate_datasets(parts) if len(parts) > 1 else parts[0]
        else:
            raw = self._checked([row for rows in requests for row in rows])
        predictions = iter(self.restored.predictions(raw))
        for rows in requests:
            yield list(itertools.islice(predictions, len(rows)))

    def _checked(self, rows: Rows) -> datasets.Dataset:
        """Return rows with the columns that the plugin derives.

        Raises:
            InvalidRowsError: a row that the model cannot process, such as an unreadable image.
        """
        plugin = self.restored.plugin
        raw = self.restored.dataset(rows)
        inputs = list(columns(plugin.options, "input").values())
        why = prediction_rows.unusable_rows(raw, inputs, plugin)
        if why:
            raise InvalidRowsError([((str(row),), why[row]) for row in sorted(why)[:20]])
        return plugin.add_features(raw)
