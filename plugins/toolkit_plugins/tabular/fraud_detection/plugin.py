"""Fraud detection: the hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import DataError
from toolkit.models import truncation
from toolkit.plugin import Plugin
from toolkit.plugin_types import Baseline, Occlusion, Prediction, Row
from toolkit_plugins.tabular import batches
from toolkit_plugins.tabular.frame import to_frame, with_numbers
from toolkit_plugins.tabular.fraud_detection import (
    baselines,
    explaining,
    features,
    inputs,
    model,
    records,
    same_rows,
    split_checks,
    threshold,
)
from toolkit_plugins.tabular.fraud_detection.options import FraudOptions
from toolkit_plugins.tabular.fraud_detection.processor import FILE, TransactionProcessor
from toolkit_plugins.tabular.fraud_detection.proposals import resolve
from toolkit_plugins.tabular.fraud_detection.schema import Schema, truth_of

if TYPE_CHECKING:
    from toolkit.recipe.schema import SplitSpec
    from toolkit_plugins.tabular.boosting import Chosen
    from toolkit_plugins.tabular.fraud_detection.baselines import Detection

Array = np.ndarray[Any, Any]


class FraudDetection(Plugin[FraudOptions]):
    """A transformer over the fields of a row, or any encoder over rows that are written as text."""

    Options = FraudOptions
    task = "tabular-classification"
    schema: Schema | None = None

    def add_features(self, rows: Any) -> Any:
        """Return the rows with the history of each: see `history`."""
        rows = with_numbers(rows)
        if self.processor is not None:  # a saved model knows its columns
            self.schema = self.processor.schema
            inputs.require(rows, self.schema)
            found = features.with_history(rows, self.schema, self.options.history)
            # With labels they are scored, and compared with the rows that the model has seen.
            labelled = self.schema.label in rows.column_names
            return same_rows.with_keys(found, self.schema) if labelled else found
        split_time = self.recipe.data.split.time if self.recipe else None
        self.schema = resolve(to_frame(rows), self.options, split_time)
        found = features.with_history(rows, self.schema, self.options.history)
        split_checks.check_span(found, self.schema, self.options, split_time)
        return same_rows.with_keys(found, self.schema)

    def plan_split(
        self, spec: SplitSpec, target: str | None
    ) -> tuple[SplitSpec, str | None, Sequence[str]]:
        """Return splits by time where rows have one, else at random: see `split_checks.plan`."""
        return split_checks.plan(spec, self._schema, self.options.label_delay)

    def clusters(self) -> Sequence[str]:
        """Return the entities: rows of one card, or at one terminal, tell much the same."""
        return self._schema.entities if self.options.task == "detect" else ()

    def load_processor(self) -> Any:
        """Return the processor: fitted on train, or that of the checkpoint."""
        saved = (self.model_path / FILE).is_file()
        if self.data is None:
            found = TransactionProcessor.from_pretrained(self.model_path)
            self.schema = found.schema
        else:
            schema, options = self._schema, self.options
            if options.task == "detect":
                split_checks.check_splits(self.data, schema, options.label_delay)
            history = features.names(schema, options.history)
            found = inputs.fitted(self.data["train"], schema, history, options)
            if saved:
                before = TransactionProcessor.from_pretrained(self.model_path)
                found = inputs.continued(before, found, self.model_path)
        found.tokenizer = model.tokenizer(self.options, self.model_path)
        return found

    def example(self) -> Row:
        """Return a row of the columns that the model knows, each with a typical value."""
        return inputs.example(self.processor)

    def prepare(self, split: Any, name: str) -> Any:
        """Return numbers and categories (or token ids), and labels where the split has them."""
        numbers, kinds = inputs.features(self.processor, split)
        columns: dict[str, Any] = {"numbers": numbers}
        if model.reads_text(self.options, self.model_path):
            columns, self._cut[name] = inputs.tokens(self.processor, split, self._longest)
        elif kinds.shape[1]:
            columns["kinds"] = kinds
        if self.options.task == "pretrain":
            if name != "train":  # in train another one is drawn each time
                shape = (len(numbers), numbers.shape[1] + kinds.shape[1])
                columns["mask"] = batches.fixed_mask(shape, self.options.mask_share)
        elif self._schema.label in split.column_names:
            used = self.labelled(split) if name == "train" else None
            columns["labels"] = inputs.class_ids(self.truth(split), used)
        return batches.dataset(columns)

    def load_model(self) -> Any:
        """Return the model of fields or of texts, with a head for the task."""
        kind = model.kind(self.options, self.model_path, self.recipe)
        return model.load(self.model_path, self.processor, self.options, kind, self._boosted)

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]] | None:
        """Return what stacks rows, pads texts, and draws masks for pretraining."""
        options = self.options
        return batches.Collator(self.processor.tokenizer, options.task, options.mask_share)

    def loss(self) -> Callable[..., Any] | None:
        """Return cross-entropy or focal loss (Lin et al. 2017), with the weight of frauds."""
        smoothing = self.recipe.label_smoothing if self.recipe else 0.0
        truth = None if self.data is None else self.truth(self.data["train"])
        return model.loss(self.options, smoothing, truth)

    def trainer(self, **parts: Any) -> Any:
        """Return the Trainer, on the rows whose label is used: others teach nothing."""
        from toolkit.training.trainer import build_trainer

        if self.options.task == "detect" and self.options.label_share < 1 and self.data is not None:
            rows = self.labelled(self.data["train"])
            parts["train_dataset"] = parts["train_dataset"].select(rows)
        return build_trainer(self, **parts)

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return the probability of fraud, the label, and whether an alert pays."""
        if self.options.task == "pretrain":
            return [{"surprise": value} for value in outputs.surprise.tolist()]
        scores = threshold.probability(threshold.log_odds(outputs), self.calibration)
        return self.predictions(scores, self.calibration.get("threshold", 0.5))

    def predictions(self, scores: Array, bound: float) -> list[Prediction]:
        """Return predictions for probabilities of fraud."""
        return records.predictions(
            np.asarray(scores, np.float64).tolist(), bound, self._schema.labels
        )

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return label, day, card and amount of each row, and whether it is scored."""
        if self.options.task == "pretrain":
            return [0] * len(rows)
        return records.references(rows, self._schema, self._known_from)

    def decision_margin(self, prediction: Prediction) -> float:
        """Return how far the probability is from the threshold."""
        if "score" not in prediction:
            return float("inf")
        return abs(float(prediction["score"]) - float(self.calibration.get("threshold", 0.5)))

    def occlusions(self, row: Row, prediction: Prediction) -> Iterable[Occlusion]:
        """Return the row with each column, or history of an entity, as is usual in training."""
        return explaining.occlusions(self.processor, row, self.options.history)

    def explained_scores(self, prediction: Prediction) -> Mapping[str, float]:
        """Return the log odds of fraud."""
        fraud = self._schema.labels[1]
        found = super().explained_scores(prediction)
        return {fraud: found[fraud]} if fraud in found else {}

    def calibrate(self, predictions: Sequence[Prediction]) -> Mapping[str, Any]:
        """Return the weights and the shift of log odds (Platt), and the threshold: see `choose`."""
        if self.options.task == "pretrain" or self.data is None:
            return {}
        rows = self.data["validation"]
        odds = threshold.logit(np.array([prediction["score"] for prediction in predictions]))
        parts = model.parts(self.model, odds, *inputs.features(self.processor, rows))
        found = threshold.weights(parts, self.truth(rows))
        return {**found, "threshold": self.choose(threshold.probability(parts, found), rows)}

    def choose(self, scores: Array, rows: Any) -> float:
        """Return the threshold of least cost on labelled rows; of a rate without amounts."""
        amounts = inputs.amounts(rows, self._schema) if self._schema.money else None
        return threshold.choose(scores, self.truth(rows), amounts, self.options)

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the recipe names, or all."""
        from toolkit_plugins.tabular.fraud_detection import scoring

        names = self.recipe.report.metrics if self.recipe else []
        return scoring.modules(self.options, self._schema, names)

    def baselines(self) -> Iterable[Baseline]:
        """Return always-legitimate, logistic regression, and gradient boosting."""
        if self.options.task == "pretrain":
            return [baselines.MeansAndShares(self.processor.cardinalities)]
        kinds = (baselines.AlwaysLegitimate, baselines.Logistic, baselines.GradientBoosting)
        return [kind(self._detection) for kind in kinds]

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Any]:
        """Return the precision-recall curve, and cost by threshold, of the scored test rows."""
        from toolkit_plugins.tabular.fraud_detection import scoring

        if self.options.task == "pretrain" or self.data is None:
            return {}
        rows = self.data["test"]
        return scoring.figures(
            predictions, rows, self.truth(rows), self._known_from, self._schema, self.options,
            self.calibration.get("threshold", 0.5),
        )  # fmt: skip

    def notes(self) -> list[str]:
        """Report which role each column was given, and what is unusual about them."""
        found = split_checks.notes(self.data, self._schema, self.options.task == "detect")
        if self._cut:
            found += truncation.notes(
                self._cut, self.data or {}, self._longest, "options.max_length", "every baseline"
            )
        if self.recipe is not None and model.needs_import(self.options, self.recipe.model):
            found.append(
                "the saved model is of a class of this plugin: AutoModel loads it after "
                "`import toolkit_plugins.tabular.fraud_detection`"
            )
        return found

    def truth(self, rows: Any) -> Array:
        """Return 1 for fraud and 0 for the rest, shape (rows,)."""
        return truth_of(rows, self._schema)

    def labelled(self, rows: Any) -> Array:
        """Return the numbers of the training rows whose label is used."""
        seed = self.recipe.seed if self.recipe else 0
        return inputs.labelled(self.truth(rows), self.options.label_share, seed)

    @cached_property
    def _detection(self) -> Detection:
        return baselines.Detection(
            self.truth, self.labelled,
            lambda rows: np.hstack(inputs.features(self.processor, rows)),
            self.choose, self.predictions,
            len(self.processor.numeric), (self.data or {}).get("validation"),
        )  # fmt: skip

    def _boosted(self) -> Chosen | None:
        """Return trees that are fitted on train."""
        train = (self.data or {}).get("train")
        return None if train is None else baselines.GradientBoosting(self._detection).fitted(train)

    @property
    def _longest(self) -> int:
        return int(min(self.options.max_length, self.processor.tokenizer.model_max_length))

    @cached_property
    def _cut(self) -> dict[str, int]:
        """How many rows of a split are cut as texts, as `prepare` has found it."""
        return {}

    @property
    def _schema(self) -> Schema:
        if self.schema is None:
            raise DataError("no rows have been read yet")
        return self.schema

    @cached_property
    def _known_from(self) -> int | None:
        """When train begins: cards with a fraud known since then are not scored (drop_known)."""
        if not self.options.drop_known or self.data is None or self._schema.time is None:
            return None
        return int(np.min(self.data["train"].with_format("numpy")[features.TIME][:]))
