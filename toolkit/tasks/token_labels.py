"""Labelled spans of texts: a tag for each word, loss, decoding, metrics; whatever reads the words.

A plugin on top of `TokenLabelsPlugin` says which words a text has and which tokens stand for them:
`load_processor`, `encode`, `load_model` (with `head`), and `words_of` where words are not what the
text's letters say. docs/plugins/tasks.md shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from toolkit.errors import DataError, Fault
from toolkit.evaluation.metrics import entities as entity_metrics
from toolkit.plugin_types import Baseline, Options, Prediction, Row, Shown, Table, columns
from toolkit.plugin_types.occlusion import logit
from toolkit.tasks import labelled_text, token_baselines
from toolkit.tasks.base import Batch, Encoder, TaskPlugin
from toolkit.tasks.classification import cross_entropy
from toolkit.tasks.tag_sequences import OUTSIDE, SHUT, best_paths, bio, gone_on, spans_of, tags_of
from toolkit.tasks.word_spans import (
    IGNORED,
    Found,
    KeptWords,
    Place,
    ReadWords,
    entities_of,
    labelled_windows,
    words_touched,
)
from toolkit.tasks.words import split

if TYPE_CHECKING:
    import datasets

OptionsT = TypeVar("OptionsT", bound=Options)
NONE = "(no entity)"


class TokenLabelsPlugin(TaskPlugin[OptionsT]):
    """A scenario that finds labelled spans in a text, none within another.

    The options mark a column of the text as input, and one of its entities as target: a list of
    {"start", "end", "label"}, characters of the text. The model labels the first token of each
    word in BIO; an entity covers whole words.
    """

    @property
    def text(self) -> str:
        """The column of the text."""
        return next(iter(columns(self.options, "input").values()))

    def words_of(self, row: Row) -> list[Place]:
        """Return the words of a row: runs of letters and digits, and each other sign."""
        return split(str(row[self.text] or ""))

    def encode(self, rows: Batch) -> Mapping[str, Any]:
        """Return model inputs by name, and `places`: the token of each word, for each row.

        A word without a token has -1: it is in no entity. Words within one token have its place:
        the label is that of the first, whose entity the others go on with. A long text has several
        rows here: `chunk_of` says whose they are (by number among the rows), and `words` the
        numbers of the words that `places` are of. Each word is in one window at most.
        """
        return super().encode(rows)

    @cached_property
    def types(self) -> list[str]:
        """The labels of entities: of the training rows, or of the saved model."""
        if self.data is None:
            return [tag[2:] for tag in self._saved_tags() if tag.startswith("B-")]
        if not (found := self.found_in["train"].labels):
            what = "the training rows have no entity: there is nothing to learn"
            raise DataError(Fault(self.target, what))
        return sorted(found)

    @cached_property
    def tags(self) -> list[str]:
        """The tags in the order of the model's outputs: that of a model that has the same ones."""
        found, saved = bio(self.types), self._saved_tags()
        return saved if set(saved) == set(found) else found

    @cached_property
    def found_in(self) -> dict[str, Found]:
        """What the entities of each split are."""
        splits = (self.data or {}).items()
        return {str(name): Found.of(rows, self.words_of, self.references) for name, rows in splits}

    @property
    def head(self) -> dict[str, Any]:
        """Arguments of `from_pretrained` for a model with one float32 output per tag."""
        return {
            "num_labels": len(self.tags),
            "id2label": dict(enumerate(self.tags)),
            "label2id": {name: place for place, name in enumerate(self.tags)},
            "ignore_mismatched_sizes": True,  # a checkpoint's head for other tags is replaced
            "dtype": "float32",
        }

    def target_encoder(self) -> Encoder:
        """Return the function from a batch of columns to {"tags": numbers of each word's tag}."""
        bare = self.with_(data=None, recipe=None, model=None, processor=None)
        return partial(_targets, bare, {tag: place for place, tag in enumerate(self.tags)})

    def prepare(self, split: datasets.Dataset, name: str) -> datasets.Dataset:
        """Return windows of tokens, with a label for the first token of each word."""
        encoder = self.target_encoder()  # knows the tags, which the copy finds computed
        bare = self.with_(data=None, recipe=None, model=None)
        found = split.map(
            partial(labelled_windows, bare.encode, encoder), batched=True, with_indices=True,
            remove_columns=split.column_names, batch_size=self.encoded_together,
        )  # fmt: skip
        if name in self.found_in:
            self._read[name] = ReadWords.counted(found)
        return found

    def word_tags(self, row: Row) -> list[str]:
        """Return a tag in BIO for each word of a row, of its entities widened to whole words.

        Of two entities that touch one word, the first has it.
        """
        words = self.words_of(row)
        return tags_of(words_touched(words, row.get(self.target) or ()), len(words))

    def loss(self) -> Callable[..., Any]:
        """Return the cross-entropy over the words' first tokens."""
        return partial(
            _loss, cross_entropy(None, self.recipe.label_smoothing if self.recipe else 0)
        )

    def reduce_chunk(self, outputs: Any, parts: Sequence[Row]) -> list[KeptWords]:
        """Return the log-probabilities of the words of each window."""
        scores, found = outputs.logits.float().log_softmax(-1).cpu().numpy(), []
        for window, part in zip(scores, parts, strict=True):
            read = ReadWords.of(part)
            found.append(read.kept(window[read.places]))
        return found

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return the entities of each row, and a tag in BIO for each word.

        {"entities": [{"start", "end", "text", "label", "score"}], "tags", "confidence"}: a score
        is the mean probability of the tags of its words; confidence is by how much the best
        sequence of tags is more probable than the next one, as a share of it.
        """
        read = [self._of_words(row, kept) for row, kept in zip(rows, outputs, strict=True)]
        found, paths = [], best_paths([scores for scores, _ in read], self.tags)
        for row, (scores, own), path in zip(rows, read, paths, strict=True):
            shares = np.exp(scores[np.arange(len(scores)), path.tags])[own.cumsum() - 1]
            tags = gone_on([self.tags[number] for number in path.tags], own)
            text, words = str(row[self.text] or ""), self.words_of(row)
            entities = entities_of(text, words, spans_of(tags), shares)
            confidence = float(-np.expm1(-path.lead))
            found.append({"entities": entities, "tags": tags, "confidence": confidence})
        return found

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return the entities of each row with their texts, and a tag in BIO for each word."""
        found = []
        for row in rows:
            text = str(row[self.text] or "")
            entities = [
                {"start": one["start"], "end": one["end"], "label": str(one["label"]),
                 "text": text[one["start"] : one["end"]]} for one in row.get(self.target) or ()
            ]  # fmt: skip
            found.append({"entities": entities, "tags": self.word_tags(row)})
        return found

    def decision_margin(self, prediction: Prediction) -> float:
        """Return by how much the tags are more probable than the next best ones."""
        return float(prediction["confidence"])

    def explained_scores(self, prediction: Prediction) -> Mapping[str, float]:
        """Return the log odds of each entity, the most probable first; of none, those of a half.

        A text that is an entity in several places has the score of the most probable one.
        """
        ranked = sorted(prediction["entities"], key=lambda one: -one["score"])
        found = {NONE: 0.0}
        for one in reversed(ranked):
            found[f"{one['text']} ({one['label']})"] = logit(one["score"])
        return dict(reversed(found.items()))

    def training_statistics(self) -> Mapping[str, Any]:
        """Return the mentions of the training rows, as numbers; None where they are too many."""
        return {"mentions": self.found_in["train"].known}

    def usual_metrics(self) -> list[str]:
        """Return metric names for a recipe that names none; the first is the headline."""
        return list(entity_metrics.CLASSES)

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the recipe names, or the usual ones."""
        names = (self.recipe.report.metrics if self.recipe else None) or self.usual_metrics()
        known = self.statistics.get("mentions")
        return {name: entity_metrics.load(name, known) for name in names}

    def baselines(self) -> Iterable[Baseline]:
        """Return a dictionary of mentions, each word's usual tag, and the frozen model."""
        kinds = (token_baselines.Dictionary, token_baselines.UsualTag, token_baselines.FrozenLinear)
        return [kind(self) for kind in kinds]

    def show(self, row: Row, prediction: Prediction, reference: Any) -> Sequence[Shown]:
        """Return the text with the predicted and the actual entities marked."""
        return labelled_text.shown(str(row[self.text] or ""), prediction, reference)

    def tables(self, pairs: Iterable[tuple[Prediction, Any]]) -> Mapping[str, Table]:
        """Return scores by type, the confusion of types, and the kinds of errors."""
        return labelled_text.tables(pairs)

    def notes(self) -> list[str]:
        """Report labels that train lacks, entities that part words, and words without a token."""
        return [line for name, counts in self.found_in.items()
                for line in counts.in_words(name, self.types, self._read.get(name))]  # fmt: skip

    @cached_property
    def _read(self) -> dict[str, tuple[int, int]]:
        """How many words of a split have a token and share one, as `prepare` has found it."""
        return {}

    def _saved_tags(self) -> list[str]:
        from transformers import AutoConfig

        found = AutoConfig.from_pretrained(self.model_path).id2label or {}
        return [str(found[place]) for place in sorted(found)]

    def _of_words(self, row: Row, windows: Sequence[KeptWords]) -> tuple[Any, Any]:
        """Return log-probabilities of shape (words, tags), and which of a row's words they are of.

        Words without a token are outside; those that share one are left out.
        """
        scores = np.full((len(self.words_of(row)), len(self.tags)), SHUT)
        scores[:, self.tags.index(OUTSIDE)] = 0.0
        for window in windows:
            scores[window.words] = window.scores
        own = np.ones(len(scores), bool)
        own[[word for window in windows for word in window.sharing]] = False
        return scores[own], own


def _targets(
    plugin: TokenLabelsPlugin[Any], ids: Mapping[str, int], batch: Batch
) -> dict[str, list[list[int]]]:
    if plugin.target not in batch:
        return {}
    cells = zip(*batch.values(), strict=True)
    rows = [plugin.word_tags(dict(zip(batch, row, strict=True))) for row in cells]
    return {"tags": [[ids.get(tag, IGNORED) for tag in tags] for tags in rows]}


def _loss(
    measure: Callable[..., Any], outputs: Any, labels: Any, num_items_in_batch: Any = None
) -> Any:
    """Return the mean over the tokens that have a label; 0 where none has one."""
    items = (labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
    items = items.clamp(min=1) if hasattr(items, "clamp") else max(items, 1)
    flat = SimpleNamespace(logits=outputs.logits.flatten(0, -2))
    return measure(flat, labels.flatten(), items)
