"""Question answering: which span of a context answers a question, or that none does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from toolkit.errors import DataError, Fault, ModelError
from toolkit.models import pretrained
from toolkit.plugin import Plugin
from toolkit.plugin_types import (
    Baseline,
    Figure,
    Occlusion,
    Prediction,
    Row,
    RowInspection,
    Shown,
)
from toolkit_plugins.text import offsets
from toolkit_plugins.text.cells import text_of
from toolkit_plugins.text.question_answering import (
    answers,
    articles,
    curves,
    explaining,
    reach,
    shown,
    spans,
)
from toolkit_plugins.text.question_answering.answers import Layout
from toolkit_plugins.text.question_answering.options import AnswerOptions
from toolkit_plugins.text.question_answering.windows import Windows

if TYPE_CHECKING:
    from toolkit.recipe.schema import SplitSpec


class QuestionAnswering(Plugin[AnswerOptions]):
    """Any model that AutoModelForQuestionAnswering loads, with a fast tokenizer."""

    Options = AnswerOptions
    task = "question-answering"
    _unit: str | None = None

    def inspect_rows(self, rows: Any, split: str) -> RowInspection:
        """Find the column by which splits keep questions together."""
        if split == "train":
            self._unit = articles.unit(rows, self.options.context)
        return RowInspection()

    def plan_split(
        self, spec: SplitSpec, target: str | None
    ) -> tuple[SplitSpec, str | None, Sequence[str]]:
        """Return splits of whole articles, or of whole contexts: see `articles`."""
        found, notes = articles.planned(spec, self._unit)
        return found, target, notes

    def clusters(self) -> Sequence[str]:
        """Return the column of contexts: questions on the same one are not independent."""
        return [self.options.context]

    def load_processor(self) -> Any:
        """Return the tokenizer, which must return the offsets of its tokens."""
        self._check_answers()
        found = pretrained.tokenizer(self.model_path)
        if not found.is_fast:
            raise ModelError(
                f"the tokenizer of {self.model_path} ({type(found).__name__}) returns no token "
                "offsets, which locating answers needs: choose a model with a fast tokenizer "
                "(tokenizer.json)"
            )
        return found

    def prepare(self, split: Any, name: str) -> Any:
        """Return windows of question and context, with the answer's span where rows have one."""
        layout, options, windows = self.layout, self.options, self.windows
        labelled = options.answers in split.column_names
        unit = self.units.get(name, offsets.CHARACTERS)

        def encode(batch: dict[str, list[Any]], numbers: list[int]) -> dict[str, list[Any]]:
            rows = [dict(zip(batch, row, strict=True)) for row in zip(*batch.values(), strict=True)]
            texts = [layout.texts(row) for row in rows]
            places = [layout.places(row, unit) for row in rows] if labelled else None
            found: dict[str, list[Any]] = {}
            questions, contexts = zip(*texts, strict=True)
            for window in windows.of(questions, contexts, places):
                window["chunk_of"] = numbers[window["chunk_of"]]
                for key, value in window.items():
                    found.setdefault(key, []).append(value)
            return found

        found = split.map(
            encode, batched=True, with_indices=True, remove_columns=split.column_names
        )
        if name in self.counts and "labels" in found.column_names:
            counts = self.counts[name]
            placed = counts["rows"] - counts["unanswerable"] - counts["lost"]
            self._reached[name] = reach.count(found, options.max_answer_length, placed)
            cut = reach.longer(windows, split, options.question)
            self._reached[name] |= Counter(cut=cut, all=counts["rows"])
        return found

    def example(self) -> Row:
        """Return a question and a text that answers it."""
        return {
            self.options.question: "When was the bridge opened?",
            self.options.context: "The old bridge was closed in 1961. Three years later, in May "
            "1964, a new one of steel was opened, which still stands.",
        }

    def load_model(self) -> Any:
        """Return the model with a head of two outputs per token: start and end."""
        from transformers import AutoModelForQuestionAnswering

        return pretrained.model(
            AutoModelForQuestionAnswering,
            self.model_path,
            self.processor,
            num_labels=2,
            ignore_mismatched_sizes=True,  # a checkpoint's head for something else is replaced
            dtype="float32",
        )

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
        """Return what pads windows on the right, whatever the padding side of the tokenizer."""
        from toolkit.evaluation.batches import padding_step
        from toolkit.evaluation.padding import Collator, Padding

        tokenizer = self.processor
        padding = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0,
                   "token_type_ids": tokenizer.pad_token_type_id}  # fmt: skip
        return Collator(Padding(padding, padding_step()))

    def loss(self) -> Callable[..., Any]:
        """Return the cross-entropy of start and end among the tokens that may be either."""
        smoothing = self.recipe.label_smoothing if self.recipe else 0.0
        return partial(spans.loss, smoothing=smoothing)

    def reduce_chunk(self, outputs: Any, parts: Sequence[Row]) -> list[spans.Kept]:
        """Return the best spans of each window."""
        options = self.options
        return spans.best(outputs, parts, options.max_answer_length, options.n_best)

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return the answer of each row, its offsets, and the n best candidates."""
        count, threshold = self.options.n_best, self.threshold
        contexts = [text_of(row[self.options.context], "") for row in rows]
        return [
            spans.answer(windows, context, count, threshold)
            for windows, context in zip(outputs, contexts, strict=True)
        ]

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return the gold answers of each row; an empty list where there is none."""
        return [[text for text, _ in self.layout.gold(row)] for row in rows]

    def decision_margin(self, prediction: Prediction) -> Mapping[str, float]:
        """Return the gap between the answer and the next, and the smallest within the n-best."""
        scores = [found["score"] for found in prediction["n_best"]]
        gaps = [one - other for one, other in pairwise(scores)]
        first = min([*gaps[:1], abs(prediction["no_answer_score"] - self.threshold), 1.0])
        # The candidate after the last one is at most as likely.
        return {"": first, "n_best": min([first, *gaps, *scores[-1:]])}

    def occlusions(self, row: Row, prediction: Prediction) -> Iterable[Occlusion]:
        """Return the row without each word of question and context but those of the answer."""
        return explaining.occlusions(self.options.question, self.options.context, row, prediction)

    def explained_scores(self, prediction: Prediction) -> Mapping[str, float]:
        """Return the log odds of the answer, of other candidates, and of no answer."""
        return explaining.log_odds(prediction)

    def calibrate(self, predictions: Sequence[Prediction]) -> Mapping[str, Any]:
        """Return the threshold of no answer that gives the best F1 on validation."""
        from toolkit_plugins.text.question_answering.threshold import NEVER, Sweep

        if self.options.no_answer_threshold is not None:
            return {"no_answer_threshold": self.options.no_answer_threshold}
        if not self.counts["validation"]["unanswerable"]:
            return {"no_answer_threshold": NEVER}
        golds = list(self._golds("validation"))
        return {"no_answer_threshold": Sweep(predictions, golds).choose()}

    def training_statistics(self) -> Mapping[str, Any]:
        """Return whether there are questions without an answer, which decides on the metrics."""
        return {"some_unanswerable": self.some_unanswerable}

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the recipe names, or the usual ones."""
        from toolkit_plugins.text.question_answering import metrics

        second = bool(self.statistics.get("some_unanswerable")) or self.some_unanswerable
        names = (self.recipe.report.metrics if self.recipe else None) or (
            list(metrics.CLASSES) if second else ["f1", "exact_match"]
        )
        return {name: metrics.load(name, second) for name in names}

    def baselines(self) -> Iterable[Baseline]:
        """Return the sliding window over words, and no answer where that can be right."""
        from toolkit_plugins.text.question_answering import baselines

        found: list[Baseline] = [baselines.SlidingWindow(self.layout.texts)]
        return [*found, baselines.NoAnswer()] if self.some_unanswerable else found

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Figure]:
        """Return how long answers are, and what the threshold of no answer trades."""
        some = bool(self.counts["test"]["unanswerable"])
        return curves.drawn(
            list(predictions), list(self._golds("test")), self.threshold if some else None
        )

    def show(self, row: Row, prediction: Prediction, reference: Any) -> Sequence[Shown]:
        """Return question and passage, with the predicted and the actual answer marked."""
        return shown.shown(self.layout, row, prediction, reference is not None)

    def notes(self) -> list[str]:
        """Report how answers were located, what is out of reach, and shared contexts."""
        found = [line for name, counts in self.counts.items()
                 for line in answers.in_words(name, counts, self.units[name])]  # fmt: skip
        if self._reached:
            found += reach.in_words(self._reached, self.windows, self.options)
        seen = {name: {self.layout.texts(row)[1] for row in self._rows(name)}
                for name in self.counts}  # fmt: skip
        return [*found, *answers.shared(seen)]

    @cached_property
    def layout(self) -> Layout:
        """The columns."""
        found = self.options
        return Layout(found.question, found.context, found.answers, found.answer_start)

    @property
    def windows(self) -> Windows:
        """How contexts are split."""
        options = self.options
        longest = pretrained.longest_input(self.model_path, self.processor)
        limit = min(options.max_length, longest or options.max_length)
        return Windows.fitting(
            self.processor, limit, options.doc_stride, options.max_question_length,
            options.max_answer_length,
        )  # fmt: skip

    @property
    def threshold(self) -> float:
        """The no_answer_score above which there is no answer."""
        from toolkit_plugins.text.question_answering.threshold import EVEN, NEVER

        if self.options.no_answer_threshold is not None:
            return self.options.no_answer_threshold
        usual = EVEN if self.some_unanswerable else NEVER
        return float(self.calibration.get("no_answer_threshold", usual))

    @cached_property
    def counts(self) -> dict[str, Counter[str]]:
        """How answers were found, by split."""
        return {n: self.layout.states(self._rows(n), unit) for n, unit in self.units.items()}

    @cached_property
    def units(self) -> dict[str, str]:
        """What the offsets of answers count, by split."""
        return {str(n): self.layout.unit(partial(self._rows, n)) for n in self.data or ()}

    @cached_property
    def _reached(self) -> dict[str, Counter[str]]:
        """What is cut or out of reach, by split, as `prepare` has found it."""
        return {}

    def _check_answers(self) -> None:
        """Refuse a train split none of whose answers occurs in its context."""
        counts = self.counts.get("train", Counter())
        if counts["lost"] and counts["lost"] + counts["unanswerable"] == counts["rows"]:
            what = f"none of {counts['lost']:,} answers of train occurs in its context"
            raise DataError(Fault("options.context", what))

    @property
    def some_unanswerable(self) -> bool:
        """Whether any question of any split has no answer."""
        return any(counts["unanswerable"] for counts in self.counts.values())

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a split, with the columns that are read of it."""
        assert self.data is not None  # noqa: S101 - asked for in a run alone
        yield from self.layout.rows(self.data[name])

    def _golds(self, name: str) -> Iterator[list[str]]:
        for row in self._rows(name):
            yield self.references([row])[0]
