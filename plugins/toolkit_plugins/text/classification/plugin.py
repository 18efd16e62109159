"""Text classification: one label or several per text, single texts or pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from toolkit.data import ClassLabels
from toolkit.errors import DataError, Fault
from toolkit.evaluation import classification_baselines
from toolkit.models import pretrained
from toolkit.plugin import Plugin
from toolkit.plugin_types import Baseline, LabelColumn, Options, Prediction, Row, TextColumn


class TextOptions(Options):
    """Options of text classification."""

    text: TextColumn = Field("text", description="column of the text")
    text_pair: TextColumn | None = Field(None, description="column of a second text, for pairs")
    label: LabelColumn = Field("label", description="column of the label, or list of labels")
    multi_label: bool = Field(False, description="a row may have several labels, or none")
    label_separator: str | None = Field(
        None, min_length=1, description="splits a text such as 'a;b' into several labels"
    )
    threshold: float = Field(
        0.5, gt=0, lt=1, description="probability from which a label is given (multi_label)"
    )
    class_weights: Literal["balanced"] | dict[str, PositiveFloat] | None = Field(
        None, description="'balanced' (inverse to the classes' frequency), or a weight per class"
    )
    max_length: int = Field(128, ge=4, description="tokens; what is longer is cut")


class TextClassification(Plugin[TextOptions]):
    """Any model that AutoModelForSequenceClassification loads, encoder or decoder."""

    Options = TextOptions

    def load_processor(self) -> Any:
        """Return the tokenizer; a decoder without a pad token pads with its end token."""
        return pretrained.tokenizer(self.model_path)

    def prepare(self, split: Any, name: str) -> Any:
        """Return token ids, their number, and class ids where the split has labels."""
        tokenizer, options, labels = self.processor, self.options, self.labels
        limit = self.limit
        with_labels = options.label in split.column_names

        def encode(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
            texts = _texts(rows[options.text], options.text)
            second = options.text_pair
            pairs = _texts(rows[second], second) if second else None
            found = dict(tokenizer(texts, pairs, truncation=True, max_length=limit))
            found["length"] = [len(ids) for ids in found["input_ids"]]
            if with_labels:
                found["labels"] = labels.ids(rows[options.label])
            return found

        return split.map(encode, batched=True, remove_columns=split.column_names)

    def example(self) -> Row:
        """Return a text, or two."""
        found = {self.options.text: "The parcel has not come yet, and it was due on Monday."}
        if self.options.text_pair is not None:
            found[self.options.text_pair] = "Where is my order?"
        return found

    def load_model(self) -> Any:
        """Return the model with a head of one output per class."""
        from transformers import AutoModelForSequenceClassification

        kind = "multi_label" if self.options.multi_label else "single_label"
        return pretrained.model(
            AutoModelForSequenceClassification,
            self.model_path,
            self.processor,
            **self.labels.head,
            problem_type=f"{kind}_classification",
            pad_token_id=self.processor.pad_token_id,
            ignore_mismatched_sizes=True,  # a checkpoint's own head for other classes is replaced
            dtype="float32",
        )

    def loss(self) -> Callable[..., Any] | None:
        """Return cross-entropy with class weights, if they are asked for."""
        found = self.class_weights
        if found is None:
            return None
        import torch
        from torch.nn import functional

        weights = torch.tensor(found, dtype=torch.float32)

        def several(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
            losses = functional.binary_cross_entropy_with_logits(
                outputs.logits.float(), labels, weight=weights.to(labels.device), reduction="none"
            ).mean(dim=-1)
            return losses.sum() / (len(labels) if num_items_in_batch is None
                                   else num_items_in_batch / labels.shape[-1])  # fmt: skip

        def one(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
            total = functional.cross_entropy(
                outputs.logits.float(),
                labels,
                weight=weights.to(labels.device),
                reduction="sum",
                label_smoothing=self._smoothing,
            )
            return total / ((labels >= 0).sum() if num_items_in_batch is None
                            else num_items_in_batch)  # fmt: skip

        return several if self.options.multi_label else one

    def decode(self, outputs: Any, rows: Sequence[Row]) -> list[Prediction]:
        """Return label(s) and the probability of every class."""
        logits = outputs.logits.float()
        names = self.labels.names
        if self.options.multi_label:
            return [
                {
                    "labels": [n for n, p in zip(names, row, strict=True)
                               if p >= self.options.threshold],
                    "scores": dict(zip(names, row, strict=True)),
                }
                for row in logits.sigmoid().tolist()
            ]  # fmt: skip
        return [
            {
                "label": names[place],
                "score": row[place],
                "scores": dict(zip(names, row, strict=True)),
            }
            for row, place in zip(
                logits.softmax(-1).tolist(), logits.argmax(-1).tolist(), strict=True
            )
        ]

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return the label text of each row, or the list of them."""
        found = [self.labels.texts(row[self.options.label]) for row in rows]
        return found if self.options.multi_label else [texts[0] for texts in found]

    def margin(self, prediction: Prediction) -> float | Mapping[str, float]:
        """Return the gap between the two best classes, or the nearest label's to the threshold."""
        if self.options.multi_label:
            scores: dict[str, float] = prediction["scores"]
            return min(abs(score - self.options.threshold) for score in scores.values())
        return super().margin(prediction)

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the recipe names, or the usual ones."""
        from toolkit.evaluation import metrics

        several = self.options.multi_label
        usual = ["f1_micro", "f1_macro", "average_precision"] if several else [
            "accuracy", "f1_macro", "log_loss", "expected_calibration_error"
        ]  # fmt: skip
        names = (self.recipe.report.metrics if self.recipe else None) or usual
        return {
            name: metrics.load(name, labels=self.labels.names, multilabel=several) for name in names
        }

    def floors(self) -> Iterable[Baseline]:
        """Return majority, TF-IDF with logistic regression, and the frozen model with the same."""
        task = classification_baselines.Classification(
            len(self.labels.names),
            self.options.multi_label,
            self._targets,
            self._from_probabilities,
        )
        return [
            classification_baselines.Majority(task),
            classification_baselines.TfidfLogistic(task, self._texts),
            classification_baselines.FrozenLinear(task, self),
        ]

    def notes(self) -> list[str]:
        """Say which labels of validation and test the training rows lack."""
        return self.labels.notes(self.data, self.options.label)

    @cached_property
    def labels(self) -> ClassLabels:
        """The classes: of the training rows, or of the saved model where there are none."""
        options = self.options
        if self.data is not None:
            return ClassLabels.of(
                self.data["train"],
                options.label,
                multilabel=options.multi_label,
                separator=options.label_separator,
            )
        names = self._config.id2label
        ordered = tuple(names[place] for place in sorted(names))
        return ClassLabels(ordered, options.multi_label, False, options.label_separator)

    @cached_property
    def limit(self) -> int:
        """Tokens of the longest input: as the options say, or what the model takes."""
        longest = pretrained.longest_input(self.model_path, self.processor)
        return min(self.options.max_length, longest or self.options.max_length)

    @property
    def class_weights(self) -> list[float] | None:
        """A weight per class, if they are asked for and there are rows to train on."""
        options = self.options
        if options.class_weights is None or self.data is None:
            return None
        return self.labels.weights(options.class_weights, self.data["train"], options.label)

    @cached_property
    def _config(self) -> Any:
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(self.model_path)

    @property
    def _smoothing(self) -> float:
        settings = self.recipe.training if self.recipe else {}
        return float(settings.get("label_smoothing_factor", 0.0))

    def _texts(self, rows: Sequence[Row]) -> list[str]:
        names = [c for c in (self.options.text, self.options.text_pair) if c is not None]
        columns = [_texts([row[name] for row in rows], name) for name in names]
        return [" ".join(parts) for parts in zip(*columns, strict=True)]

    def _targets(self, rows: Sequence[Row]) -> Any:
        return np.array(self.labels.ids([row[self.options.label] for row in rows])).astype(int)

    def _from_probabilities(self, probabilities: Any, rows: Sequence[Row]) -> list[Prediction]:
        """Decode a baseline's probabilities as the model's outputs are decoded."""
        import torch
        from transformers.modeling_outputs import SequenceClassifierOutput

        p = torch.tensor(probabilities, dtype=torch.float64).clamp(1e-12, 1 - 1e-12)
        logits = p.log() - (1 - p).log() if self.options.multi_label else p.log()
        return self.decode(SequenceClassifierOutput(logits=logits), rows)


def _texts(values: Iterable[Any], column: str) -> list[str]:
    found = list(values)
    for value in found:
        if isinstance(value, list | dict | bytes):
            raise DataError(
                Fault(column, f"holds {str(value)[:60]}: a text is expected, not "
                              f"{type(value).__name__}")
            )  # fmt: skip
    return ["" if value is None else str(value) for value in found]
