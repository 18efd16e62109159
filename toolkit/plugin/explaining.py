"""The hooks of explanations; with their defaults, text columns and classes need nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from toolkit.plugin_types import Occlusion, Prediction, Row, occlusion
from toolkit.plugin_types.columns import marked


class ExplainHooks:
    """What an explanation takes out of a row, and which scores it looks at."""

    options: Any

    def occlusions(self, row: Row, prediction: Prediction) -> Iterable[Occlusion]:
        """Return the cells of a raw row without each of its parts in turn, for explanations.

        The contribution of a part is what the scores of `explained_scores` lose without it. By
        default the parts are the words of text columns; parts that are whole columns also have
        their importance measured over the test split. `prediction` is that of the whole row.
        """
        for column, mark in marked(self.options, "input").values():
            if mark.kind == "text" and not mark.files:
                yield from occlusion.text_occlusions(column, row.get(column))

    def explained_scores(self, prediction: Prediction) -> Mapping[str, float]:
        """Return the scores that explanations look at, on a scale on which differences count.

        By default the log odds of each class in `scores`, or the `value`. Of several, those of the
        prediction's `label` or `labels` are explained, or else the first. {}: nothing is explained.
        """
        return occlusion.score_log_odds(prediction)
