"""Text classification: one label or several per text, single texts or pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import Field

from toolkit.data.columns import numbers
from toolkit.errors import Fault, RecipeError
from toolkit.evaluation import classification_baselines
from toolkit.models import pretrained, truncation
from toolkit.plugin_types import Baseline, LabelColumn, Options, Row, TextColumn
from toolkit.tasks.base import Batch
from toolkit.tasks.classification import ClassificationPlugin, ClassWeights, positive_faults
from toolkit_plugins.text import tokens
from toolkit_plugins.text.cells import text_of


class TextOptions(Options):
    """Options of text classification."""

    text: TextColumn = Field("text", description="column of the text")
    text_pair: TextColumn | None = Field(None, description="column of the second text of a pair")
    label: LabelColumn = Field("label", description="column of the label, or list of labels")
    multi_label: bool = Field(False, description="a row may have several labels, or none")
    label_separator: str | None = Field(
        None, min_length=1, description="splits a text such as 'a;b' into several labels"
    )
    threshold: float = Field(
        0.5, gt=0, lt=1, description="probability from which a label is predicted (multi_label)"
    )
    class_weights: ClassWeights = None
    positive: str | None = Field(
        None, description="the positive one of two classes; by default the last"
    )
    max_length: int = Field(128, ge=4, description="tokens; longer texts are truncated")


class TextClassification(ClassificationPlugin[TextOptions]):
    """Any model that AutoModelForSequenceClassification loads, encoder or decoder."""

    Options = TextOptions
    task = "text-classification"
    encoded_together = 10_000

    def load_processor(self) -> Any:
        """Return the tokenizer; a decoder without a pad token pads with its end token."""
        faults = positive_faults(self.options.positive, self.labels.names)
        if self.options.positive is not None and self.multi_label:
            faults = [Fault("options.positive", "is for one label per row, not for multi_label")]
        if faults:
            raise RecipeError(faults)
        return pretrained.tokenizer(self.model_path)

    def encode(self, rows: Batch) -> Mapping[str, Any]:
        """Return token ids of a text, or of two together."""
        first, second = self.options.text, self.options.text_pair
        texts = [text_of(value, first) for value in rows[first]]
        pairs = [text_of(value, second) for value in rows[second]] if second else None
        return tokens.encoded(self.processor, texts, pairs, self.limit)

    def prepare(self, split: Any, name: str) -> Any:
        """Return token ids and labels; the texts that are cut are counted."""
        found = super().prepare(split, name)
        if name in (self.data or ()):
            lengths = numbers(found, "length")
            names = [c for c in (self.options.text, self.options.text_pair) if c is not None]

            def texts(rows: Sequence[int]) -> truncation.Texts:
                chosen = split.select(rows).select_columns(names)[:]
                first, *second = ([text_of(v, n) for v in chosen[n]] for n in names)
                return first, second[0] if second else None

            self._cut[name] = truncation.count_cut(self.processor, lengths, self.limit, texts)
        return found

    def notes(self) -> list[str]:
        """Report texts that are cut, and which labels the training rows lack."""
        reader = "the baseline on TF-IDF"
        found = truncation.notes(
            self._cut, self.data or {}, self.limit, "options.max_length", reader
        )
        return [*found, *super().notes()]

    def example(self) -> Row:
        """Return a text, or two."""
        found = {self.options.text: "The parcel has not come yet, and it was due on Monday."}
        if self.options.text_pair is not None:
            found[self.options.text_pair] = "Where is my order?"
        return found

    def load_model(self) -> Any:
        """Return the model with a head of one output per class."""
        from transformers import AutoModelForSequenceClassification

        return pretrained.model(
            AutoModelForSequenceClassification,
            self.model_path,
            self.processor,
            **self.head,
            pad_token_id=self.processor.pad_token_id,
        )

    def baselines(self) -> Iterable[Baseline]:
        """Return majority, and logistic regression on TF-IDF and on the frozen model."""
        words = classification_baselines.TfidfLogistic(self.baseline_task, self._texts)
        majority, frozen = super().baselines()
        return [majority, words, frozen]

    @cached_property
    def limit(self) -> int:
        """Tokens of the longest input: as the options say, or what the model takes."""
        longest = pretrained.longest_input(self.model_path, self.processor)
        return min(self.options.max_length, longest or self.options.max_length)

    @cached_property
    def _cut(self) -> dict[str, int]:
        """How many texts of a split are cut, as `prepare` has found it."""
        return {}

    def _texts(self, rows: Sequence[Row]) -> list[str]:
        names = [c for c in (self.options.text, self.options.text_pair) if c is not None]
        return [" ".join(text_of(row[name], name) for name in names) for row in rows]
