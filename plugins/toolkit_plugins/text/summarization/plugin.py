"""Summarization: a document in few sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from toolkit.errors import ModelError
from toolkit.models import pretrained
from toolkit.plugin import Plugin
from toolkit.plugin_types import Baseline, Prediction, Row
from toolkit_plugins.text.summarization import extracts, targets, windows
from toolkit_plugins.text.summarization.options import SummaryOptions
from toolkit_plugins.text.summarization.reading import Layout, batch_rows
from toolkit_plugins.text.summarization.sentences import split as sentences_of


class Summarization(Plugin[SummaryOptions]):
    """Extracts, by any encoder that AutoModelForTokenClassification loads."""

    Options = SummaryOptions
    task = "summarization"

    def load_processor(self) -> Any:
        found = pretrained.tokenizer(self.model_path)
        if not found.is_fast:
            raise ModelError("fast")
        return found

    def prepare(self, split: Any, name: str) -> Any:
        layout, cut, kind = self.layout, self.windows, self.kind
        count = self.count
        labelled = layout.summary in split.column_names or layout.several in split.column_names

        def encode(batch: dict[str, list[Any]], numbers: list[int]) -> dict[str, list[Any]]:
            rows = batch_rows(batch)
            texts = [layout.text(row) for row in rows]
            found: dict[str, list[Any]] = {}
            goals = [targets.gains([t[a:b] for a, b in sentences_of(t)], layout.references(r),
                     count, kind)[0] if labelled else None for t, r in zip(texts, rows)]
            for window in cut.of(texts):
                row = window["chunk_of"]
                window["chunk_of"] = numbers[row]
                if labelled:
                    window["labels"] = windows.labels(window, goals[row])
                for key, value in window.items():
                    found.setdefault(key, []).append(value)
            return found

        return split.map(
            encode, batched=True, with_indices=True, remove_columns=split.column_names
        )

    def load_model(self) -> Any:
        from transformers import AutoModelForTokenClassification

        return pretrained.model(
            AutoModelForTokenClassification,
            self.model_path,
            self.processor,
            num_labels=1,
            ignore_mismatched_sizes=True,
            dtype="float32",
        )

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
        from toolkit.evaluation.batches import padding_step
        from toolkit.evaluation.padding import Padding

        padding = {"input_ids": self.processor.pad_token_id, "attention_mask": 0, "labels": -100}
        return windows.Collator(Padding(padding, padding_step()))

    def loss(self) -> Callable[..., Any]:
        return windows.loss

    def reduce_chunk(self, outputs: Any, parts: Sequence[Row]) -> list[Any]:
        return extracts.scores(outputs, parts)

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        found = []
        for parts, row in zip(outputs, rows, strict=True):
            text = self.layout.text(row)
            best = extracts.ranked(parts, len(sentences_of(text)))
            found.append(extracts.extract(text, best, self.count))
        return found

    def references(self, rows: Sequence[Row]) -> list[Any]:
        return [self.layout.references(row) for row in rows]

    def metrics(self) -> Mapping[str, Any]:
        from toolkit.evaluation.metrics import rouge

        names = (self.recipe.report.metrics if self.recipe else None) or list(rouge.NAMES)
        return {name: rouge.Rouge(name, self.kind) for name in names}

    def baselines(self) -> Iterable[Baseline]:
        from toolkit_plugins.text.summarization import baselines

        return [baselines.Lead(self.layout, 1), baselines.Lead(self.layout, 3)]

    @cached_property
    def layout(self) -> Layout:
        found = self.options
        return Layout(found.document, found.summary, found.references)

    @property
    def windows(self) -> windows.Windows:
        options = self.options
        longest = pretrained.longest_input(self.model_path, self.processor)
        limit = min(options.max_length, longest or options.max_length)
        return windows.Windows(self.processor, limit, options.overlap)

    @property
    def kind(self) -> Any:
        return "english"

    @property
    def count(self) -> int:
        return 1
