"""Token classification: named entities, slots and other labelled spans of a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from toolkit.errors import ModelError
from toolkit.models import pretrained
from toolkit.plugin_types import ReshapedRows, Row
from toolkit.tasks.base import Batch
from toolkit.tasks.token_labels import Place, TokenLabelsPlugin
from toolkit_plugins.text.cells import text_of
from toolkit_plugins.text.token_classification import reading, words
from toolkit_plugins.text.token_classification.options import EntityOptions
from toolkit_plugins.text.token_classification.windows import Windows


class TokenClassification(TokenLabelsPlugin[EntityOptions]):
    """Any model that AutoModelForTokenClassification loads, with a fast tokenizer."""

    Options = EntityOptions
    task = "token-classification"

    def reshape_rows(self, rows: Any, split: str) -> ReshapedRows:
        """Return texts with entities, whatever the rows came as."""
        return reading.reshaped(rows, split, self.options)

    def words_of(self, row: Row) -> list[Place]:
        """Return the tokens that a row came with, or the words of its text."""
        if (tokens := row.get(self.options.tokens)) is None:
            return words.split(text_of(row[self.options.text], self.options.text))
        found, start = [], 0
        for token in tokens:
            found.append((start, start + len(token)))
            start += len(token) + 1
        return found

    def load_processor(self) -> Any:
        """Return the tokenizer, which must return the offsets of its tokens."""
        found = pretrained.tokenizer(self.model_path)
        if not found.is_fast:
            raise ModelError(
                f"the tokenizer of {self.model_path} ({type(found).__name__}) returns no token "
                "offsets, which locating entities needs: choose a model with a fast tokenizer "
                "(tokenizer.json)"
            )
        return found

    def encode(self, rows: Batch) -> Mapping[str, Any]:
        """Return windows of the texts."""
        column = self.options.text
        texts = [text_of(value, column) for value in rows[column]]
        tokens = rows.get(self.options.tokens) or [None] * len(texts)
        places = [self.words_of({column: text, self.options.tokens: own})
                  for text, own in zip(texts, tokens, strict=True)]  # fmt: skip
        return self.windows.of(texts, places)

    def load_model(self) -> Any:
        """Return the model with a head of one output per tag."""
        from transformers import AutoModelForTokenClassification

        return pretrained.model(
            AutoModelForTokenClassification, self.model_path, self.processor, **self.head
        )

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
        """Return what pads windows on the right, whatever the padding side of the tokenizer."""
        from toolkit.evaluation.batches import padding_step
        from toolkit.evaluation.padding import Collator, Padding
        from toolkit.tasks.token_labels import IGNORED

        tokenizer = self.processor
        padding = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0, "labels": IGNORED,
                   "token_type_ids": tokenizer.pad_token_type_id}  # fmt: skip
        return Collator(Padding(padding, padding_step()))

    def example(self) -> Row:
        """Return a sentence with names."""
        return {
            self.options.text: "Maria Santos of Northwind Traders flies from Lisbon to Oslo on "
            "3 May to sign the contract with Acme."
        }

    @property
    def windows(self) -> Windows:
        """How texts are split."""
        longest = pretrained.longest_input(self.model_path, self.processor)
        limit = min(self.options.max_length, longest or self.options.max_length)
        return Windows.fitting(self.processor, limit, self.options.stride)
