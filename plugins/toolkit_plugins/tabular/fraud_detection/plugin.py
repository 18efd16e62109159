"""Fraud detection: the hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data import ClassLabels
from toolkit.errors import DataError, Fault, RecipeError
from toolkit.models import pretrained
from toolkit.plugin import Plugin
from toolkit.plugin_types import Baseline, Prediction, Row
from toolkit_plugins.tabular import batches
from toolkit_plugins.tabular.frame import finite_of, numbers_of, to_frame
from toolkit_plugins.tabular.fraud_detection import derive, inputs, split_checks
from toolkit_plugins.tabular.fraud_detection.history import DAY, Windows
from toolkit_plugins.tabular.fraud_detection.options import FraudOptions, milliseconds
from toolkit_plugins.tabular.fraud_detection.processor import FILE, TransactionProcessor
from toolkit_plugins.tabular.fraud_detection.schema import Schema, as_label, resolve, truth_of
from toolkit_plugins.tabular.fraud_detection.threshold import cheapest, logit, platt

Array = np.ndarray[Any, Any]


class FraudDetection(Plugin[FraudOptions]):
    """A transformer over the fields of a row, or any encoder over rows that are written as text."""

    Options = FraudOptions
    schema: Schema | None = None

    def derive(self, rows: Any) -> Any:
        """Return the rows with the history of each: see `history`."""
        if self.processor is not None:  # a saved model knows its columns
            self.schema = self.processor.schema
            inputs.require(rows, self.schema)
        else:
            split_time = self.recipe.data.split.time if self.recipe else None
            self.schema = resolve(to_frame(rows), self.options, split_time)
        return derive.with_history(rows, self.schema, self.windows)

    def load_processor(self) -> Any:
        """Return the processor: fitted on train, or that of the checkpoint."""
        saved = (self.model_path / FILE).is_file()
        if self.data is None:
            found = TransactionProcessor.from_pretrained(self.model_path)
            self.schema = found.schema
        else:
            if self.options.task == "detect":
                split_checks.check_splits(self.data, self._schema, self.options.label_delay)
            found = self._fitted()
            if saved:
                before = TransactionProcessor.from_pretrained(self.model_path)
                found = inputs.continued(before, found, self.model_path)
        if self.is_text:
            if self.options.task == "pretrain":
                raise RecipeError(Fault("options.task", "pretrain is for the model of fields"))
            found.tokenizer = pretrained.tokenizer(self.model_path)
        return found

    def example(self) -> Row:
        """Return a row of the columns that the model knows, each with a value of its kind."""
        return inputs.example(self.processor)

    def prepare(self, split: Any, name: str) -> Any:
        """Return numbers and kinds (or token ids), and labels where the split has them."""
        numbers, kinds = self._numbers_and_kinds(split)
        columns: dict[str, Any] = {"numbers": numbers}
        if self.is_text:
            columns = inputs.tokens(self.processor, split, self.options.max_length)
        elif kinds.shape[1]:
            columns["kinds"] = kinds
        if self.options.task == "pretrain":
            if name != "train":  # in train another one is drawn each time
                shape = (len(numbers), numbers.shape[1] + kinds.shape[1])
                columns["mask"] = batches.fixed_mask(shape, self._mask_share)
        elif self._schema.label in split.column_names:
            labels = self.truth(split).astype(np.int64)
            if name == "train":
                left_out = np.ones(len(labels), bool)
                left_out[self.labelled(split)] = False
                labels[left_out] = -100
            columns["labels"] = labels
        return batches.dataset(columns)

    def load_model(self) -> Any:
        """Return the model of fields or of texts, with a head of two classes."""
        from transformers import AutoModelForPreTraining, AutoModelForSequenceClassification

        if self.options.task == "pretrain":
            return pretrained.model(AutoModelForPreTraining, self.model_path, **self._sizes)
        settings = self._sizes
        if self.is_text:
            settings = {"pad_token_id": self.processor.tokenizer.pad_token_id}
        return pretrained.model(
            AutoModelForSequenceClassification,
            self.model_path,
            self.processor.tokenizer,
            **ClassLabels(self._schema.labels).head,
            ignore_mismatched_sizes=True,  # a checkpoint's own head is replaced
            dtype="float32",
            **settings,
        )

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]] | None:
        """Return what stacks rows, pads texts, and draws masks for pretraining."""
        return batches.Collator(self.processor.tokenizer, self.options.task, self._mask_share)

    def loss(self) -> Callable[..., Any] | None:
        """Return cross-entropy or focal loss (Lin et al. 2017), with the weight of frauds."""
        if self.options.task == "pretrain":
            return None
        weight = self._fraud_weight
        if self.options.loss == "cross_entropy":
            return batches.Loss(weight, 0.0)
        return batches.Loss(weight, self.options.focal_gamma)

    def trainer(self, **parts: Any) -> Any:
        """Return the Trainer, of the rows whose label is used: from others nothing is learnt."""
        from toolkit.training.trainer import build_trainer

        if self.options.task == "detect" and self.options.label_share < 1 and self.data is not None:
            rows = self.labelled(self.data["train"])
            parts["train_dataset"] = parts["train_dataset"].select(rows)
        return build_trainer(self, **parts)

    def decode(self, outputs: Any, rows: Sequence[Row]) -> list[Prediction]:
        """Return the probability of a fraud, the label, and whether an alarm pays."""
        if self.options.task == "pretrain":
            return [{"surprise": value} for value in outputs.surprise.tolist()]
        logits = outputs.logits.double()
        odds = (logits[:, 1] - logits[:, 0]).cpu().numpy()
        odds = self.calibration.get("slope", 1.0) * odds + self.calibration.get("shift", 0.0)
        return self.predictions(1 / (1 + np.exp(-odds)), self.calibration.get("threshold", 0.5))

    def predictions(self, scores: Array, threshold: float) -> list[Prediction]:
        """Return predictions for probabilities of fraud."""
        negative, positive = self._schema.labels
        return [
            {
                "label": positive if p >= threshold else negative,
                "score": p,
                "alarm": p >= threshold,
                "scores": {negative: 1 - p, positive: p},
            }
            for p in np.asarray(scores, np.float64).tolist()
        ]

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return label, day, card and amount of each row, and whether it is scored."""
        if self.options.task == "pretrain":
            return [0] * len(rows)
        schema, start = self._schema, self._known_from
        label = str(schema.label)
        return [
            {
                "label": as_label(row[label]),
                "fraud": int(as_label(row[label]) == schema.labels[1]),
                "day": row[derive.TIME] // DAY if schema.time else 0,
                "card": batches.number_of(row[schema.entities[0]] if schema.entities else place),
                "amount": row[schema.amount] if schema.amount else 1.0,
                "scored": start is None or row[derive.KNOWN] < start,
            }
            for place, row in enumerate(rows)
        ]

    def margin(self, prediction: Prediction) -> float:
        """Return how far the probability is from the threshold."""
        if "score" not in prediction:
            return float("inf")
        return abs(float(prediction["score"]) - float(self.calibration.get("threshold", 0.5)))

    def calibrate(self, predictions: Sequence[Prediction]) -> Mapping[str, Any]:
        """Return slope and shift of the log odds (Platt), and the threshold of least cost."""
        if self.options.task == "pretrain" or self.data is None:
            return {}
        rows = self.data["validation"]
        scores = np.array([prediction["score"] for prediction in predictions])
        slope, shift = platt(scores, self.truth(rows))
        scores = 1 / (1 + np.exp(-(slope * logit(scores) + shift)))
        return {"slope": slope, "shift": shift, "threshold": self.choose(scores, rows)}

    def choose(self, scores: Array, rows: Any) -> float:
        """Return the threshold whose alarms cost least on labelled rows."""
        truth, options = self.truth(rows), self.options
        if not truth.any():
            return 0.5
        amounts = self._amounts(rows)
        return cheapest(scores, truth, amounts, options.cost_alarm, options.cost_missed)[0]

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the recipe names, or all."""
        from toolkit_plugins.tabular.fraud_detection import scoring

        names = self.recipe.report.metrics if self.recipe else []
        return scoring.modules(self.options, self._schema, names)

    def floors(self) -> Iterable[Baseline]:
        """Return always-legitimate, logistic regression, and gradient boosting."""
        from toolkit_plugins.tabular.fraud_detection import baselines

        if self.options.task == "pretrain":
            return [baselines.MeansAndShares(self)]
        return [
            baselines.AlwaysLegitimate(self), baselines.Logistic(self), baselines.GradientBoosting(self)
        ]  # fmt: skip

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Any]:
        """Return precision over recall, and cost over the threshold, of the scored test rows."""
        from toolkit_plugins.tabular.fraud_detection import scoring

        if self.options.task == "pretrain" or self.data is None:
            return {}
        rows = self.data["test"]
        scores = np.array([prediction["score"] for prediction in predictions])
        kept = np.ones(len(rows), bool)
        if self._known_from is not None:
            kept = np.asarray(rows.with_format("numpy")[derive.KNOWN][:]) < self._known_from
        return scoring.curves(
            scores[kept], self.truth(rows)[kept], self._amounts(rows)[kept], self.options,
            self.calibration.get("threshold", 0.5),
        )  # fmt: skip

    def notes(self) -> list[str]:
        """Say which columns were taken for what, and what is odd about them."""
        found = split_checks.notes(self.data, self._schema, self.options.task == "detect")
        if self.data is not None and not self.is_text_by_option:
            found.append(
                "the saved model is of a class of this plugin: AutoModel loads it after "
                "`import toolkit_plugins.tabular.fraud_detection`"
            )
        return found

    def truth(self, rows: Any) -> Array:
        """Return 1 for fraud and 0 for the rest, shape (rows,)."""
        return truth_of(rows, self._schema)

    def matrix(self, rows: Any) -> Array:
        """Return what the model of fields reads as one matrix: numbers, then kinds."""
        return np.hstack(self._numbers_and_kinds(rows))

    def labelled(self, rows: Any) -> Array:
        """Return the numbers of the training rows whose label is used."""
        truth, share = self.truth(rows), self.options.label_share
        rng = np.random.default_rng(self.recipe.seed if self.recipe else 0)
        parts = []
        for value in (0, 1):
            own = rng.permutation(np.flatnonzero(truth == value))
            parts.append(own[: int(np.ceil(share * len(own)))])
        return np.sort(np.concatenate(parts))

    @property
    def windows(self) -> Windows:
        """The windows of history, and how late labels come."""
        lengths = tuple(milliseconds(text) for text in self.options.windows)
        if not min(lengths):
            raise RecipeError(Fault("options.windows", "a window of no length holds nothing"))
        return Windows(lengths, milliseconds(self.options.label_delay))

    @property
    def is_text(self) -> bool:
        """Whether rows are written as text: as said, or by the kind of the model."""
        if self.options.as_text is not None:
            return self.options.as_text
        from transformers import AutoConfig

        from toolkit_plugins.tabular.transformer import TransactionConfig

        kind = AutoConfig.from_pretrained(self.model_path).model_type
        return bool(kind != TransactionConfig.model_type)

    @property
    def is_text_by_option(self) -> bool:
        """Whether rows are texts, as far as the recipe alone says."""
        fields = self.recipe.model.from_config if self.recipe else None
        kind = (fields or {}).get("model_type")
        return self.options.as_text or (kind is None and not self._continues_here)

    @property
    def _continues_here(self) -> bool:
        folder = Path(self.recipe.model.id or "") if self.recipe else Path()
        return (folder / FILE).is_file()

    @property
    def _schema(self) -> Schema:
        if self.schema is None:
            raise DataError("no rows have been read yet")
        return self.schema

    @property
    def _sizes(self) -> dict[str, Any]:
        processor = self.processor
        return {"edges": processor.edges, "cardinalities": processor.cardinalities}

    @property
    def _mask_share(self) -> float:
        return self.options.mask_share

    @cached_property
    def _known_from(self) -> int | None:
        """When train begins: cards with a fraud known since then are not scored (drop_known)."""
        if not self.options.drop_known or self.data is None or self._schema.time is None:
            return None
        return int(np.min(self.data["train"].with_format("numpy")[derive.TIME][:]))

    @cached_property
    def _fraud_weight(self) -> tuple[float, float]:
        """Weights of legitimate and fraud; their mean over the training rows is 1."""
        given = self.options.fraud_weight
        if self.data is None:
            return 1.0, 1.0
        share = float(self.truth(self.data["train"]).mean())
        weight = (1 - share) / share if given == "balanced" else float(given)
        mean = 1 - share + share * weight
        return 1 / mean, weight / mean

    def _amounts(self, rows: Any) -> Array:
        name = self._schema.amount
        return finite_of(to_frame(rows, [name])[name]) if name else np.ones(len(rows))

    def _numbers_and_kinds(self, split: Any) -> tuple[Array, Array]:
        processor = self.processor
        frame = to_frame(split, [*processor.numeric, *processor.vocabularies])
        numbers = processor.numbers({n: numbers_of(frame[n]) for n in processor.numeric})
        kinds = processor.kinds({n: frame[n].to_list() for n in processor.vocabularies})
        return numbers, kinds.reshape(len(numbers), -1)

    def _fitted(self) -> TransactionProcessor:
        schema, data = self._schema, self.data
        names = [*([schema.amount] if schema.amount else []), *schema.numeric,
                 *derive.names(schema, self.windows)]  # fmt: skip
        if data is None or not (names or schema.categorical):
            raise DataError(Fault("options", "no column is left for the model to read"))
        frame = to_frame(data["train"], [*names, *schema.categorical])
        return TransactionProcessor.fit(
            schema,
            {name: numbers_of(frame[name]) for name in names},
            {name: frame[name].to_list() for name in schema.categorical},
            self.options.bins,
            windows=list(self.options.windows),
            label_delay=self.options.label_delay,
        )
