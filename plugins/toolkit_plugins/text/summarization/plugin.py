"""Summarization: a document in few sentences, its own ones or new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from toolkit.errors import ModelError
from toolkit.evaluation.metrics.generation import is_copy
from toolkit.evaluation.metrics.rouge import Words, kind_of
from toolkit.models import pretrained
from toolkit.plugin import Plugin
from toolkit.plugin_types import (
    Baseline,
    Prediction,
    ReshapedRows,
    Row,
    RowInspection,
    Shown,
    Table,
    sameness,
)
from toolkit.tasks.generation import GenerationPlugin
from toolkit.tasks.generation.batches import IGNORED
from toolkit_plugins.text.summarization import (
    extracts,
    oddities,
    reading,
    shown,
    ways,
    windows,
)
from toolkit_plugins.text.summarization.options import SummaryOptions
from toolkit_plugins.text.summarization.reading import Layout
from toolkit_plugins.text.summarization.sentences import split as sentences_of

Batch = Mapping[str, Sequence[Any]]
WORDS = {
    "english": "English words: a to z and digits, stemmed by Porter's rules",
    "unicode": "words of any script, unstemmed, and single characters where none has spaces",
}


class Summarization(GenerationPlugin[SummaryOptions]):
    """The model decides how: an encoder picks sentences, all others write a text.

    An encoder is a model that reads on both sides of a word and generates nothing (BERT, MiniLM).
    """

    Options = SummaryOptions
    task = "summarization"
    answer_key = "summary"
    task_keys = ("summarization",)
    _unread: reading.Unread | None = None

    def reshape_rows(self, rows: Any, split: str) -> ReshapedRows:
        """Return rows with the columns found by their usual names, and lists as texts."""
        usual = SummaryOptions.model_validate({})
        self._unread = {} if split == "predict" else None
        return reading.reshaped(rows, self.layout, _layout(usual), self._unread)

    def inspect_rows(self, rows: Any, split: str) -> RowInspection:
        """Count what is odd about documents and summaries."""
        self._odd[split] = oddities.count(self.layout, rows)
        self._sizes[split] = len(rows)
        return RowInspection(self._unread or {})

    def load_processor(self) -> Any:
        """Return the tokenizer; for extracts it has to return the offsets of its tokens.

        Raises:
            RecipeError: options that do not fit the model. ModelError: a tokenizer without offsets.
        """
        smoothing = self.recipe.label_smoothing if self.recipe else 0
        ways.check(self.options, self.model_path, smoothing)
        found = super().load_processor()
        if self.is_extractive and not found.is_fast:
            raise ModelError(
                f"the tokenizer of {self.model_path} ({type(found).__name__}) returns no token "
                "offsets, which finding sentences needs: choose a model with a fast tokenizer "
                "(tokenizer.json)"
            )
        return found

    def example(self) -> Row:
        """Return a short document."""
        return {
            self.options.document: "The library on Mill Road has been open since 1961. From May it "
            "will close for eighteen months, as the roof has to be replaced. Readers can use the "
            "branch in the station until then. Cakes will be sold on the last day."
        }

    def prepare(self, split: Any, name: str) -> Any:
        """Return windows of whole sentences, or the tokens of documents and summaries."""
        if not self.is_extractive:
            return super().prepare(split, name)
        return split.map(
            self._extractor.encode, batched=True, with_indices=True, batch_size=200,
            remove_columns=split.column_names,
        )  # fmt: skip

    def source_texts(self, rows: Batch) -> list[str]:
        """Return the documents."""
        return [self.layout.text({self.layout.document: cell})
                for cell in rows[self.layout.document]]  # fmt: skip

    def target_texts(self, rows: Batch) -> list[str] | None:
        """Return the first summary of each row."""
        if not self.layout.is_labelled(rows):
            return None
        return [next(iter(self.layout.references(row)), "") for row in reading.rows_of(rows)]

    def load_model(self) -> Any:
        """Return a model that generates, or an encoder with one score per token."""
        if not self.is_extractive:
            return super().load_model()
        from transformers import AutoModelForTokenClassification

        return pretrained.model(
            AutoModelForTokenClassification, self.model_path, self.processor, num_labels=1,
            ignore_mismatched_sizes=True,  # a checkpoint's head for something else is replaced
            dtype="float32",
        )  # fmt: skip

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
        """Return what pads batches on the right."""
        if not self.is_extractive:
            return super().collator()
        from toolkit.evaluation.batches import padding_step
        from toolkit.evaluation.padding import Padding

        fillers = {"input_ids": self.processor.pad_token_id, "attention_mask": 0, "labels": IGNORED}
        return windows.Collator(Padding(fillers, padding_step()))

    def loss(self) -> Callable[..., Any]:
        """Return the cross-entropy over the sentences, or over the tokens of the summary."""
        return windows.loss if self.is_extractive else super().loss()

    def infer(self, model: Any, batch: Mapping[str, Any]) -> Any:
        """Return the scores of tokens, or generated ones."""
        if self.is_extractive:
            return Plugin.infer(self, model, batch)
        return super().infer(model, batch)

    def reduce_chunk(self, outputs: Any, parts: Sequence[Row]) -> list[extracts.Scored]:
        """Return the scores of the sentences of each window."""
        return extracts.scores(outputs, parts)

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return the summary of each row; of an extract also where its sentences stand."""
        if self.is_extractive:
            open_ = self.options.sentences == "auto" and "sentences" not in self.calibration
            make = partial(self._extractor.decode, open_=open_)
            found = list(map(make, outputs, rows))
        else:
            found = super().decode(outputs, rows, prepared)
        for prediction, row in zip(found, rows, strict=True):
            if is_copy(prediction[self.answer_key], self.layout.text(row)):
                prediction["copied"] = True
        return found

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return the list of a row's summaries."""
        return [self.layout.references(row) for row in rows]

    def same(self, one: Prediction, other: Prediction) -> bool:
        """Return whether two summaries are the same, but for rounding."""
        if self.is_extractive:
            return extracts.same(one, other, sameness.MARGIN)
        return super().same(one, other)

    def training_statistics(self) -> Mapping[str, Any]:
        """Return how many sentences summaries have, and how ROUGE reads them."""
        return {"sentences": self._usual_count, "words": self._usual_words}

    def calibrate(self, predictions: Sequence[Prediction]) -> Mapping[str, Any]:
        """Return the number of sentences that gives the best ROUGE-1 on validation."""
        if not self.is_extractive or self.options.sentences != "auto":
            return {}
        rows = list(self._rows("validation"))
        texts, golds = map(self.layout.text, rows), self.references(rows)
        return {"sentences": extracts.best_count(predictions, [*texts], golds, self.words)}

    def metrics(self) -> Mapping[str, Any]:
        """Return ROUGE, and what generated texts look like; of extracts, how long they are."""
        from toolkit.evaluation.metrics import generation, rouge

        key, figures = self.answer_key, dict(generation.FIGURES)
        found: dict[str, Any] = {name: rouge.Rouge(name, self.words, key) for name in rouge.NAMES}
        if self.is_extractive and not (self.recipe and self.recipe.report.metrics):
            return found | {"length_ratio": figures["length_ratio"](key)}
        found |= {name: make(key) for name, make in figures.items()}
        return found | {"cut_off_share": generation.CutOffShare()}

    def baselines(self) -> Iterable[Baseline]:
        """Return the first sentences, those nearest to the whole, and any."""
        from toolkit_plugins.text.summarization import baselines

        counts, seed = sorted({1, 3, self.count}), self.recipe.seed if self.recipe else 0
        return [*(baselines.Lead(self.layout, count) for count in counts),
                baselines.Centroid(self.layout, self.count),
                baselines.RandomSentences(self.layout, self.count, seed)]  # fmt: skip

    def tables(self, pairs: Iterable[tuple[Prediction, Any]]) -> Mapping[str, Table]:
        """Return what the best possible extract of the test rows would score."""
        from toolkit_plugins.text.summarization import ceiling

        if "test" not in (self.data or ()):
            return {}
        return ceiling.tables(self.layout, pairs, self._rows("test"), self.count, self.words)

    def show(self, row: Row, prediction: Prediction, reference: Any) -> Sequence[Shown]:
        """Return document, summary and reference side by side, with what is marked."""
        return [shown.shown(self.layout.text(row), prediction, reference)]

    def notes(self) -> list[str]:
        """Report how summaries are made and scored, and what is odd about the rows."""
        found = [f"ROUGE compares {WORDS[self.words]} (options.rouge: {self.words})"]
        if self.is_extractive:
            asked = "max_source_length" in self.options.model_fields_set
            found += self._windows.notes(self.options.max_source_length) if asked else ()
        else:
            found += super().notes()
        return [*found, *oddities.in_words(self._odd, self._sizes)]

    @cached_property
    def is_extractive(self) -> bool:
        """Whether the model is an encoder, which picks sentences."""
        return ways.picks(self.model_path)

    @cached_property
    def layout(self) -> Layout:
        """The columns."""
        return _layout(self.options)

    @property
    def count(self) -> int:
        """Sentences of an extract."""
        if self.options.sentences != "auto":
            return self.options.sentences
        usual = self.statistics.get("sentences") or self._usual_count
        return int(self.calibration.get("sentences", usual))

    @property
    def words(self) -> Words:
        """How ROUGE reads texts."""
        if self.options.rouge != "auto":
            return self.options.rouge
        return self.statistics.get("words") or self._usual_words

    @cached_property
    def _usual_count(self) -> int:
        """Sentences of the training summaries on average; 1 without such rows."""
        counts = [len(sentences_of(text)) for golds in self._golds() for text in golds[:1]]
        return min(max(round(sum(counts) / len(counts)), 1), extracts.RANKED) if counts else 1

    @cached_property
    def _usual_words(self) -> Words:
        return kind_of(text for golds in self._golds() for text in golds)

    def _golds(self) -> Iterator[list[str]]:
        return (self.layout.references(row) for row in self._rows("train"))

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a split, with the columns that are read."""
        rows = (self.data or {}).get(name)
        if rows is not None:
            wanted = {self.layout.document, self.layout.summary, self.layout.several}
            yield from rows.select_columns([*wanted.intersection(rows.column_names)])

    @property
    def _extractor(self) -> extracts.Extractor:
        return extracts.Extractor(self.layout, self._windows, self.count, self.words)

    @cached_property
    def _windows(self) -> windows.Windows:
        asked = self.options.max_source_length
        longest = pretrained.longest_input(self.model_path, self.processor)
        return windows.Windows(self.processor, min(asked, longest or asked), self.options.overlap)

    @cached_property
    def _odd(self) -> dict[str, Counter[str]]:
        return {}

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return {}


def _layout(options: SummaryOptions) -> Layout:
    return Layout(options.document, options.summary, options.references)
