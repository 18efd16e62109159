"""Token classification: named entities, slots and other labelled spans of a text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.errors import ModelError
from toolkit.models import pretrained
from toolkit.plugin_types import (
    Occlusion,
    Prediction,
    ReshapedRows,
    Row,
    RowInspection,
)
from toolkit.plugin_types.occlusion import text_occlusions
from toolkit.tasks.base import Batch
from toolkit.tasks.token_labels import TokenLabelsPlugin
from toolkit.tasks.word_spans import IGNORED, Place
from toolkit_plugins.text.cells import text_of
from toolkit_plugins.text.token_classification import conll, reading, words
from toolkit_plugins.text.token_classification.options import EntityOptions
from toolkit_plugins.text.token_classification.windows import Windows

if TYPE_CHECKING:
    from toolkit.recipe.schema import SplitSpec

FEWEST = 3  # documents, one for each split
DOCUMENT = "document"  # the column that names what a sentence is of, as `conll` makes it


class TokenClassification(TokenLabelsPlugin[EntityOptions]):
    """Any model that AutoModelForTokenClassification loads, with a fast tokenizer."""

    Options = EntityOptions
    task = "token-classification"
    file_formats = conll.SUFFIXES
    _documents = False

    def reshape_rows(self, rows: Any, split: str) -> ReshapedRows:
        """Return texts with entities, whatever the rows came as."""
        encoding = self.recipe.data.encoding if self.recipe else "utf-8"
        return reading.reshaped(rows, split, self.options, encoding)

    def inspect_rows(self, rows: Any, split: str) -> RowInspection:
        """Find out whether rows name their document."""
        if split == "train":
            kind = getattr(rows.features.get(DOCUMENT), "dtype", "")  # objects and lists name none
            named = "string" in kind or "int" in kind
            self._documents = named and len(set(rows[DOCUMENT])) >= FEWEST
        return RowInspection()

    def plan_split(
        self, spec: SplitSpec, target: str | None
    ) -> tuple[SplitSpec, str | None, Sequence[str]]:
        """Return splits of whole documents, where rows name them."""
        if not self._documents or spec.group or spec.time or spec.windows:
            return spec, target, ()
        note = f"sentences of one {DOCUMENT!r} stay in one split (data.split.group sets another)"
        return spec.model_copy(update={"group": DOCUMENT}), target, [note]

    def clusters(self) -> Sequence[str]:
        """Return the column of documents: sentences of one are not independent."""
        return [DOCUMENT] if self._documents else []

    def words_of(self, row: Row) -> list[Place]:
        """Return the tokens that a row came with, or the words of its text."""
        if (tokens := row.get(self.options.tokens)) is None:
            return words.split(text_of(row[self.options.text], self.options.text))
        return words.joined(tokens)[1]

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

    def occlusions(self, row: Row, prediction: Prediction) -> Iterable[Occlusion]:
        """Return the row without each word but those of the most probable entity.

        Its words are those of its text then, as without one of them its tokens would not fit.
        """
        cells = {self.options.tokens: None} if self.options.tokens in row else {}
        best = max(prediction["entities"], key=lambda one: one["score"], default=None)
        kept = (0, 0) if best is None else (best["start"], best["end"])
        yield Occlusion(None, cells)
        for one in text_occlusions(self.options.text, row[self.options.text], kept):
            yield Occlusion(one.part, {**one.cells, **cells})

    @property
    def windows(self) -> Windows:
        """How texts are split."""
        longest = pretrained.longest_input(self.model_path, self.processor)
        limit = min(self.options.max_length, longest or self.options.max_length)
        return Windows.fitting(self.processor, limit, self.options.stride)
