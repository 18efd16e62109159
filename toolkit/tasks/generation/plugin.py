"""`GenerationPlugin`: any scenario with a text in and a text out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from toolkit.data.columns import numbers
from toolkit.errors import DataError, Fault, ModelError, RecipeError
from toolkit.models import pretrained, truncation
from toolkit.plugin import Plugin
from toolkit.plugin_types import Prediction, Row, columns, sameness
from toolkit.tasks.generation import answers, kinds, languages, settings
from toolkit.tasks.generation.batches import IGNORED, Collator, TextPadding, TokenLoss, shifted
from toolkit.tasks.generation.encoding import TextEncoder
from toolkit.tasks.generation.options import GenerationOptions
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

OptionsT = TypeVar("OptionsT", bound=GenerationOptions)
Batch = Mapping[str, Sequence[Any]]
KINDS = ("source", "target")


class GenerationPlugin(Plugin[OptionsT]):
    """A scenario that generates a text from a text; a subclass adds metrics and baselines.

    The options mark one column as input and one as target; who has more of them overrides
    `source_texts` and `target_texts`. Encoder-decoders are used as AutoModelForSeq2SeqLM loads
    them, all others by a prompt, as AutoModelForCausalLM does. A prediction is
    {answer_key: text, "score": mean log-probability of a token, "margin": smallest lead of a token
    over the next likely one in probability, "cut_off": whether no stop token came}; score and
    margin are None where they are not known (beams, sampling).

    answer_key: the key of the text in a prediction.
    task_keys: under which the config of some models (T5) keeps the prompt of a task.
    """

    answer_key: ClassVar[str] = "text"
    task_keys: tuple[str, ...] = ()

    def source_texts(self, rows: Batch) -> list[str]:
        """Return the text that is read of each row, for rows as lists by column."""
        column = next(iter(columns(self.options, "input").values()))
        return [_text(value, column) for value in rows[column]]

    def target_texts(self, rows: Batch) -> list[str] | None:
        """Return the text to learn of each row, the first where there are several; None without."""
        column = self.target
        if column not in rows:
            return None
        return [next(iter(_texts(value, column)), "") for value in rows[column]]

    @property
    def target(self) -> str:
        """The target column."""
        return next(iter(columns(self.options, "target").values()))

    def language_codes(self) -> tuple[str | None, str | None]:
        """Return the languages of sources and targets, where they are known."""
        return self.options.source_lang, self.options.target_lang

    def prompt_keys(self) -> tuple[str, ...]:
        """Return under which keys the config of some models (T5) has the prompt of the task."""
        return self.task_keys

    def load_processor(self) -> Any:
        """Return the tokenizer; that of a model from scratch is trained on sources and targets.

        Raises:
            RecipeError: languages that the model does not know, or `vocab_size` where it has a
                tokenizer.
        """
        if pretrained.is_scratch(self.model_path):
            return self._trained_tokenizer()
        if self.options.vocab_size and self.data is not None and not self._begun_from:
            what = "has no effect with this model, which has a tokenizer: leave it out"
            raise RecipeError(Fault("options.vocab_size", what))
        found = pretrained.tokenizer(self.model_path)
        asked = dict(zip(("source_lang", "target_lang"), self.language_codes(), strict=True))
        languages.set_languages(found, asked, saved=self.data is None)
        return found

    def prepare(self, split: datasets.Dataset, name: str) -> datasets.Dataset:
        """Return tokens of sources with their prompts, and of targets as labels."""
        bare = self.with_(data=None, recipe=None, model=None)
        found = split.map(bare.encode, batched=True, remove_columns=split.column_names)
        if name in (self.data or ()):
            marks = {what: f"{what}_cut" for what in KINDS}
            self._cut[name] = {what: int(numbers(found, column).sum())
                               for what, column in marks.items()
                               if column in found.column_names}  # fmt: skip
        return found

    def encode(self, rows: Batch) -> dict[str, Any]:
        """Return model inputs by name, their tokens as `length`, and which rows are cut."""
        source_limit, target_limit = self.limits
        sources, cut = self._encoder.prompts(self.source_texts(rows), source_limit)
        found: dict[str, Any] = {"input_ids": sources, "source_cut": cut}
        if (texts := self.target_texts(rows)) is not None:
            found["labels"], found["target_cut"] = self._encoder.targets(texts, target_limit)
        found["attention_mask"] = [[1] * len(ids) for ids in sources]
        targets = found.get("labels", [()] * len(sources))
        found["length"] = [len(ids) + len(labels)
                           for ids, labels in zip(sources, targets, strict=True)]  # fmt: skip
        return found

    def load_model(self) -> Any:
        """Return the model; its generation config is what the recipe's settings make of it.

        Raises:
            ModelError: it is no model that generates texts.
        """
        auto = kinds.auto_class(self.config, self.model_path)
        fields: dict[str, Any] = {"dtype": "float32"}
        if pretrained.is_scratch(self.model_path):
            fields |= self._of_the_tokenizer()
        model = pretrained.model(auto, self.model_path, self.processor, **fields)
        given, own = self.options.generation.given, languages.decoding(self.processor)
        settings.apply(model, self.processor, given, self.limits[1], self._room, own)
        return model

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
        """Return what pads sources and targets, and gives the decoder its inputs."""
        from toolkit.evaluation.batches import padding_step

        fillers = {"input_ids": self.processor.pad_token_id, "attention_mask": 0, "labels": IGNORED}
        return Collator(TextPadding(fillers, padding_step(), shift=shifted(self.model)))

    def loss(self) -> Callable[..., Any]:
        """Return the cross-entropy of the targets' tokens."""
        smoothing = self.recipe.label_smoothing if self.recipe else 0.0
        return TokenLoss(smoothing, ahead=self.is_decoder)

    def infer(self, model: Any, batch: Mapping[str, Any]) -> answers.Generated:
        """Return generated tokens, and the loss where the batch has labels."""
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        if "labels" in batch and self.is_decoder:
            inputs = answers.prompts(batch, self.processor.pad_token_id)
        seed, labelled = self.recipe.seed if self.recipe else 0, "labels" in batch
        found = answers.generated(model, inputs, seed, scored=not labelled)
        if labelled:
            rest = {name: value for name, value in batch.items() if name != "labels"}
            found.known_loss = self.loss()(model(**rest), batch["labels"])
        return found

    def decode(
        self, outputs: answers.Generated, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return the texts, and how sure they are."""
        plain = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        texts = self.processor.batch_decode(outputs.tokens, **plain)
        none = [None] * len(texts)
        scores, margins = (none if values is None else values.tolist()
                           for values in (outputs.scores, outputs.margins))  # fmt: skip
        return [
            {self.answer_key: text.strip(), "score": score, "margin": margin, "cut_off": not ended}
            for text, score, margin, ended in zip(
                texts, scores, margins, outputs.ended.tolist(), strict=True
            )
        ]

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return the list of a row's reference texts."""
        return [_texts(row.get(self.target), self.target) for row in rows]

    def decision_margin(self, prediction: Prediction) -> float:
        """Return the smallest lead of a token over the next; infinite where it is not known."""
        margin = prediction["margin"]
        return float("inf") if margin is None else float(margin)

    def same(self, one: Prediction, other: Prediction) -> bool:
        """Return whether texts are equal, or differ where rounding decides.

        That is after two tokens that were equally likely; of a search that does not tell margins,
        where both texts as a whole are.
        """
        if all(one[name] == other[name] for name in (self.answer_key, "cut_off")):
            return True
        if one["margin"] is None and None not in (one["score"], other["score"]):
            return bool(abs(one["score"] - other["score"]) <= sameness.MARGIN)
        return min(map(self.decision_margin, (one, other))) <= sameness.MARGIN

    def notes(self) -> list[str]:
        """Report sources and targets that are cut, and that no prompt of the model's fits."""
        found, known = [], self._prefixes
        if self.options.prompt is None and known and not {*self.prompt_keys()} & {*known}:
            found.append(f"the model knows the prompts {listing(known)}: none is for this task or "
                         "these languages, and sources stand alone (options.prompt, or "
                         "options.source_lang and options.target_lang, set one)")  # fmt: skip
        for what, limit in zip(KINDS, self.limits, strict=True):
            counts = {split: cut[what] for split, cut in self._cut.items() if what in cut}
            option, texts = f"options.max_{what}_length", f"{what} texts"
            found += truncation.notes(counts, self.data or {}, limit, option, "", texts)
        return found

    @cached_property
    def config(self) -> Any:
        """The model's config."""
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(self.model_path)

    @property
    def is_decoder(self) -> bool:
        """Whether the model has no encoder: a target is what it goes on with after a prompt."""
        return not self.config.is_encoder_decoder

    @cached_property
    def prompt(self) -> str:
        """The text around a source: the option, what the model's config has for it, or nothing."""
        if self.options.prompt is not None:
            return self.options.prompt
        fit = (self._prefixes[key] for key in self.prompt_keys() if key in self._prefixes)
        return next(fit, "") + "{source}" + ("\n" if self.is_decoder else "")

    @property
    def _prefixes(self) -> dict[str, str]:
        """What the model's config has before sources, by task."""
        known = getattr(self.config, "task_specific_params", None) or {}
        return {key: fields["prefix"] for key, fields in known.items() if fields.get("prefix")}

    @cached_property
    def limits(self) -> tuple[int, int]:
        """Tokens of the longest source (of a decoder: with its prompt) and of the longest target.

        A decoder's positions hold both.
        """
        source, target = self.options.max_source_length, self.options.max_target_length
        longest = self._positions or source + target
        if not self.is_decoder:
            return min(source, longest), min(target, longest)
        target = min(target, longest // 2)
        return min(source, longest - target), target

    @property
    def _positions(self) -> int | None:
        return pretrained.longest_input(self.model_path, self.processor)

    @property
    def _room(self) -> int | None:
        """Positions for a generated text: of a decoder those behind the longest prompt."""
        before = self.limits[0] if self.is_decoder else 0
        return self._positions and self._positions - before

    @property
    def _encoder(self) -> TextEncoder:
        before = languages.mark(self.processor, self.language_codes()[1])
        return TextEncoder(self.processor, before + self.prompt, self.is_decoder)

    def _trained_tokenizer(self) -> Any:
        if self.data is None:
            raise ModelError(f"{self.model_path} holds no weights and no tokenizer")
        rows = self.data["train"].select_columns([*columns(self.options).values()])[:]
        texts = [*self.source_texts(rows), *(self.target_texts(rows) or ())]
        size = self.options.vocab_size or self._begun_from.get("vocab_size", 8000)
        return pretrained.train_tokenizer(texts, size, start=False)

    @property
    def _begun_from(self) -> Mapping[str, Any]:
        """What the recipe itself says of the config of a model from scratch."""
        return (self.recipe.model.from_config if self.recipe else None) or {}

    def _of_the_tokenizer(self) -> dict[str, Any]:
        """Return the fields of a config that follow from the tokenizer, unless the recipe's do."""
        ids = {f"{name}_token_id": getattr(self.processor, f"{name}_token_id")
               for name in ("pad", "bos", "eos")}  # fmt: skip
        found = dict.fromkeys(("vocab_size", "decoder_vocab_size"), len(self.processor)) | ids
        if not self.is_decoder:
            found |= {"decoder_start_token_id": ids["pad_token_id"], "forced_eos_token_id": None}
        return {name: value for name, value in found.items() if name not in self._begun_from}

    @cached_property
    def _cut(self) -> dict[str, dict[str, int]]:
        """How many sources and targets of a split are cut, as `prepare` has found it."""
        return {}


def _text(value: Any, column: str) -> str:
    if isinstance(value, list | dict | bytes):
        what = f"a text is expected, not {type(value).__name__}"
        raise DataError(Fault(column, f"holds {str(value)[:60]}: {what}"))
    return "" if value is None else str(value)


def _texts(value: Any, column: str) -> list[str]:
    """Return the texts of a cell that may hold several; blank ones only where there is no other."""
    cells = value if isinstance(value, list) else [value]
    found = [_text(cell, column) for cell in cells if cell is not None]
    return [text for text in found if text.strip()] or found[:1]
