"""`GenerationPlugin`: any scenario with a text in and a text out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from toolkit.errors import DataError, Fault, ModelError
from toolkit.models import pretrained, truncation
from toolkit.plugin import Plugin
from toolkit.plugin_types import Prediction, Row, columns, sameness
from toolkit.tasks.generation import answers, settings
from toolkit.tasks.generation.batches import IGNORED, Collator, TextPadding, TokenLoss, shifted
from toolkit.tasks.generation.options import GenerationOptions

if TYPE_CHECKING:
    import datasets

OptionsT = TypeVar("OptionsT", bound=GenerationOptions)
Batch = Mapping[str, Sequence[Any]]


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

    def load_processor(self) -> Any:
        """Return the tokenizer; that of a model from scratch is trained on sources and targets."""
        if not pretrained.is_scratch(self.model_path):
            return pretrained.tokenizer(self.model_path)
        if self.data is None:
            raise ModelError(f"{self.model_path} holds no weights and no tokenizer")
        rows = self.data["train"].select_columns([*columns(self.options).values()])[:]
        texts = [*self.source_texts(rows), *(self.target_texts(rows) or ())]
        size = self.options.vocab_size or self._begun_from.get("vocab_size", 8000)
        return pretrained.train_tokenizer(texts, size, start=False)

    def prepare(self, split: datasets.Dataset, name: str) -> datasets.Dataset:
        """Return tokens of sources (or of prompts with their targets), and of targets as labels."""
        bare = self.with_(data=None, recipe=None, model=None)
        found = split.map(bare.encode, batched=True, remove_columns=split.column_names)
        if name in (self.data or ()):
            self._count_cut(split, found, name)
        return found

    def encode(self, rows: Batch) -> dict[str, Any]:
        """Return model inputs by name, and their tokens as `length`."""
        tokenizer, cut = self.processor, {"truncation": True}
        sources = [self.prompted(text) for text in self.source_texts(rows)]
        found = dict(tokenizer(sources, max_length=self.source_limit, **cut))
        found = {name: found[name] for name in ("input_ids", "attention_mask")}
        if (targets := self.target_texts(rows)) is not None:
            ids = tokenizer(text_target=targets, max_length=self.target_limit, **cut)["input_ids"]
            found["labels"] = ids
        lengths = [len(ids) for ids in found["input_ids"]]
        labels = found.get("labels", [()] * len(lengths))
        found["length"] = [n + len(ids) for n, ids in zip(lengths, labels, strict=True)]
        return found

    def prompted(self, text: str) -> str:
        """Return a source with the prompt around it."""
        return self.prompt.replace("{source}", text)

    def load_model(self) -> Any:
        """Return the model; its generation config is what the recipe's settings make of it."""
        from transformers import AutoModelForSeq2SeqLM

        fields: dict[str, Any] = {"dtype": "float32"}
        if pretrained.is_scratch(self.model_path):
            fields |= self._of_the_tokenizer()
        model = pretrained.model(AutoModelForSeq2SeqLM, self.model_path, self.processor, **fields)
        settings.apply(model, self.processor, self.options, {})
        return model

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
        """Return what pads sources and targets, and gives the decoder its inputs."""
        from toolkit.evaluation.batches import padding_step

        fillers = {"input_ids": self.processor.pad_token_id, "attention_mask": 0, "labels": IGNORED}
        return Collator(TextPadding(fillers, padding_step(), shift=shifted(self.model)))

    def loss(self) -> Callable[..., Any]:
        """Return the cross-entropy of the targets' tokens."""
        return TokenLoss(self.recipe.label_smoothing if self.recipe else 0.0)

    def infer(self, model: Any, batch: Mapping[str, Any]) -> answers.Generated:
        """Return generated tokens, and the loss where the batch has labels."""
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        found = answers.generated(model, inputs)
        if "labels" in batch:
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
        """Return whether texts are equal, or differ after two tokens that were equally likely."""
        key = self.answer_key
        near = min(map(self.decision_margin, (one, other))) <= sameness.MARGIN
        return near or all(one[name] == other[name] for name in (key, "cut_off"))

    def notes(self) -> list[str]:
        """Report sources and targets that are cut."""
        found, data = [], self.data or {}
        for what, limit in (("source", self.source_limit), ("target", self.target_limit)):
            counts = {split: n for (kind, split), n in self._cut.items() if kind == what}
            option = f"options.max_{what}_length"
            found += truncation.notes(counts, data, limit, option, "", f"{what} texts")
        return found

    @cached_property
    def prompt(self) -> str:
        """The text around a source: the option, what the model's config has for it, or nothing."""
        if self.options.prompt is not None:
            return self.options.prompt
        known = self.config_fields.get("task_specific_params") or {}
        prefixes = [known[key].get("prefix") for key in self.task_keys if key in known]
        return next(filter(None, prefixes), "") + "{source}"

    @cached_property
    def config_fields(self) -> dict[str, Any]:
        """What the model's config.json has."""
        import json

        found: dict[str, Any] = json.loads((self.model_path / "config.json").read_text("utf-8"))
        return found

    @property
    def _begun_from(self) -> Mapping[str, Any]:
        """What the recipe itself says of the config of a model from scratch."""
        return (self.recipe.model.from_config if self.recipe else None) or {}

    @property
    def source_limit(self) -> int:
        """Tokens of the longest source."""
        return self._limit(self.options.max_source_length)

    @property
    def target_limit(self) -> int:
        """Tokens of the longest target."""
        return self._limit(self.options.max_target_length)

    def _limit(self, asked: int) -> int:
        return min(asked, pretrained.longest_input(self.model_path, self.processor) or asked)

    def _of_the_tokenizer(self) -> dict[str, Any]:
        """Return the fields of a config that follow from the tokenizer, unless the recipe's do."""
        ids = {f"{name}_token_id": getattr(self.processor, f"{name}_token_id")
               for name in ("pad", "bos", "eos")}  # fmt: skip
        found = dict.fromkeys(("vocab_size", "decoder_vocab_size"), len(self.processor)) | ids
        found["decoder_start_token_id"] = ids["pad_token_id"]
        found["forced_eos_token_id"] = None
        return {name: value for name, value in found.items() if name not in self._begun_from}

    def _count_cut(self, split: datasets.Dataset, found: datasets.Dataset, name: str) -> None:
        from toolkit.data.columns import lengths_of

        kinds = [("source", "input_ids", self.source_limit, self.processor)]
        if "labels" in found.column_names:
            kinds.append(("target", "labels", self.target_limit, partial(_as_target, self.processor)))
        for kind, column, limit, tokenizer in kinds:
            def texts(numbers: Sequence[int], kind: str = kind) -> truncation.Texts:
                rows = split.select(numbers)[:]
                if kind == "target":
                    return self.target_texts(rows) or [], None
                return [self.prompted(text) for text in self.source_texts(rows)], None

            counted = truncation.count_cut(tokenizer, lengths_of(found, column), limit, texts)
            self._cut[kind, name] = counted

    @cached_property
    def _cut(self) -> dict[tuple[str, str], int]:
        """How many sources and targets of a split are cut, as `prepare` has found it."""
        return {}


def _as_target(tokenizer: Any, texts: list[str], _: None, **named: Any) -> Any:
    return tokenizer(text_target=texts, **named)


def _text(value: Any, column: str) -> str:
    if isinstance(value, list | dict | bytes):
        what = f"a text is expected, not {type(value).__name__}"
        raise DataError(Fault(column, f"holds {str(value)[:60]}: {what}"))
    return "" if value is None else str(value)


def _texts(value: Any, column: str) -> list[str]:
    """Return the texts of a cell that may hold several."""
    cells = value if isinstance(value, list) else [value]
    return [_text(cell, column) for cell in cells if cell is not None]
