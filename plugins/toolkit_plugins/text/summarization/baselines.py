"""Baselines of summarization."""

from __future__ import annotations

import numpy as np

from toolkit.evaluation.baselines import row_batches
from toolkit.plugin_types import Baseline, BaselineData, BaselineResult
from toolkit_plugins.text.summarization.extracts import joined
from toolkit_plugins.text.summarization.reading import Layout
from toolkit_plugins.text.summarization.sentences import split


class Lead(Baseline):
    """The first sentences."""

    def __init__(self, layout: Layout, count: int) -> None:
        self.layout, self.count = layout, count
        self.name = f"lead_{count}"

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        found = []
        for rows in row_batches(data.test):
            for row in rows:
                text = self.layout.text(row)
                found.append({"summary": joined(text, split(text)[: self.count])})
        return BaselineResult(found, np.arange(len(data.test)), len(data.train))
