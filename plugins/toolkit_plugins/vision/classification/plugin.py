"""Image classification: one label per image, from photos to X-rays and handwritten digits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import groups
from toolkit.errors import DataError, Fault
from toolkit.evaluation import classification_baselines
from toolkit.models import pretrained
from toolkit.plugin_types import Baseline, Occlusion, Prediction, Row
from toolkit.tasks.classification import ClassificationPlugin, cross_entropy
from toolkit_plugins.vision import occlusion
from toolkit_plugins.vision.augment import Augment
from toolkit_plugins.vision.classification import batches, figures, operating_points
from toolkit_plugins.vision.classification.options import ImageOptions, check_two_classes
from toolkit_plugins.vision.images import Levels, example_image, require_pillow
from toolkit_plugins.vision.seen import SeenImages

if TYPE_CHECKING:
    from toolkit.plugin_types import Figure, Table

__all__ = ["Augment", "ImageClassification", "ImageOptions"]


class ImageClassification(SeenImages[ImageOptions], ClassificationPlugin[ImageOptions]):
    """Any model that AutoModelForImageClassification loads or makes from a config."""

    Options = ImageOptions
    task = "image-classification"

    def load_processor(self) -> Any:
        """Return the image processor (Pillow backend), made for the config of a new model."""
        require_pillow()
        check_two_classes(self.options, self.labels.names)
        self._check_point()
        from toolkit_plugins.vision.image_processing import LEVELS, processor_of

        if self.options.augment is not None:
            from toolkit_plugins.vision.augment import require_kornia

            require_kornia()
        processor = processor_of(self.model_path, self.options.size)
        levels = self._levels()
        if levels is not None:
            setattr(processor, LEVELS, list(levels))
        return processor

    def prepare(self, split: Any, name: str) -> Any:
        """Return class ids, and where images are: in the cache, or still in their files.

        They are read when a batch is made, in the workers of training.
        """
        from toolkit_plugins.vision import image_cache

        options, labels_of = self.options, self.target_encoder()
        use_cache = name != "predict" and (
            options.cache == "always"
            or (options.cache == "auto" and image_cache.fits(len(split), self.view))
        )
        found = batches.sources(split, options.image, self.view, use_cache)
        if options.label in split.column_names:
            values = split.select_columns([options.label])
            ids = [i for batch in values.iter(1000) for i in labels_of(batch)["labels"]]
            found = found.add_column("labels", ids)
        return found

    def example(self) -> Row:
        """Return a small image."""
        return {self.options.image: example_image()}

    def load_model(self) -> Any:
        """Return the model with a head of one output per class."""
        from transformers import AutoModelForImageClassification

        from toolkit_plugins.vision.batch_norm import mend_momentum
        from toolkit_plugins.vision.fast_layers import faster

        found = pretrained.model(AutoModelForImageClassification, self.model_path, **self.head)
        if self.options.batch_norm == "auto":
            mend_momentum(found, self.from_scratch)
        return faster(found)

    def load_saved(self, dtype: Any) -> Any:
        """Return the model, made faster as the one that was trained."""
        from toolkit_plugins.vision import fast_layers

        return fast_layers.saved(self.model_path)

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
        """Return what reads the images of a batch, not augmented."""
        return batches.Inputs(self.view)

    def loss(self) -> Callable[..., Any] | None:
        """Return cross-entropy for class weights, or for mixed labels; else the model's own."""
        if self.data is not None and self.options.augment and self.options.augment.mixes:
            return cross_entropy(self.class_weights, self.label_smoothing)
        return super().loss()

    def trainer(self, **parts: Any) -> Any:
        """Return a Trainer that augments; workers read images that are not in the cache."""
        from toolkit.training.trainer import build_trainer
        from toolkit_plugins.vision import batch_norm
        from toolkit_plugins.vision.trainer import ImageTrainer, workers

        settings = self.recipe.training if self.recipe else {}
        cached = batches.is_cached(parts["train_dataset"])
        if "dataloader_num_workers" not in settings and not cached:
            parts["args"].dataloader_num_workers = workers(parts["args"].device.type)
        parts["data_collator"] = batches.Canvases(self.view)
        made: Any = build_trainer(self, ImageTrainer, **parts)
        made.change = self.changer()
        way = self.options.batch_norm
        if way == "freeze" or (way == "auto" and not self.from_scratch):
            made.frozen = list(batch_norm.layers(parts["model"]))
        return made

    def changer(self) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        """Return the function from a batch of 8-bit canvases to augmented inputs."""
        return batches.training_inputs(self.options.augment, self.view, len(self.labels.names))

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return the label, its probability, and that of every class.

        Of two classes, the label is decided by the threshold that validation chose.
        """
        found = super().decode(outputs, rows, prepared)
        if "threshold" not in self.calibration:
            return found
        at = self.positive, self.calibration["threshold"]
        return [operating_points.decided(prediction, *at) for prediction in found]

    def occlusions(self, row: Row, prediction: Prediction) -> Iterable[Occlusion]:
        """Return the image without each patch of a grid."""
        return occlusion.occlusions(self.options.image, row.get(self.options.image), self.view)

    def decision_margin(self, prediction: Prediction) -> float | Mapping[str, float]:
        """Return the gap between the two best classes, or the positive one's to the threshold."""
        if "threshold" in self.calibration:
            score = prediction["scores"][self.positive]
            return float(abs(score - self.calibration["threshold"]))
        return super().decision_margin(prediction)

    def calibrate(self, predictions: Sequence[Prediction]) -> Mapping[str, Any]:
        """Choose the threshold of two classes, where the options ask for it."""
        if self.options.operating_point is None or self.data is None:
            return {}
        scores, _ = self._positives(predictions, [])
        return operating_points.choose(self.options.operating_point, self._validation(scores))

    def usual_metrics(self) -> list[str]:
        """Return accuracy first, and what suits two, a few or many classes."""
        count = len(self.labels.names)
        if count == 2:
            return ["accuracy", "sensitivity", "specificity", "f1", "roc_auc"]
        return ["accuracy", *(["top5_accuracy"] if count > 5 else []), "f1_macro", "roc_auc"]

    def baselines(self) -> Iterable[Baseline]:
        """Return majority, logistic regression on small grey images, and on the frozen model."""
        majority, frozen = super().baselines()
        name, column = "grey_pixels_logistic_regression", self.options.image

        def greys(rows: Sequence[Row]) -> Any:
            return batches.grey_pixels([row[column] for row in rows], self.view.levels)

        grey = classification_baselines.Logistic(self.baseline_task, name, greys)
        # Features of random weights are no baseline for a pretrained model.
        return [majority, grey] if self.from_scratch else [majority, grey, frozen]

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Figure]:
        """Return what training saw, the worst mistakes, and the curves of two classes."""
        if self.data is None:
            return {}
        drawn: dict[str, Figure] = {"training_images": self._training_sheet()}
        found, test = list(predictions), self.data["test"]
        truth = self.references(test.select_columns([self.options.label]).to_list())
        wrong = figures.most_wrong(truth, found)
        if wrong:
            drawn["mistakes"] = figures.mistakes_sheet(
                self._read(test.select(wrong)), [truth[i] for i in wrong], [found[i] for i in wrong]
            )
        if len(self.labels.names) == 2:
            threshold = float(self.calibration.get("threshold", 0.5))
            scores, positive = self._positives(found, truth)
            drawn |= operating_points.curves(self.positive, scores, positive, threshold)
        return drawn

    def tables(self, pairs: Iterable[tuple[Prediction, Any]]) -> Mapping[str, Table]:
        """Return both rates at the threshold, where validation has chosen it."""
        if "threshold" not in self.calibration:
            return {}
        at = self.calibration, self.positive
        found = operating_points.table(*at, pairs, self._group is not None)
        return {f"Operating point of {self.positive!r}": found}

    def notes(self) -> list[str]:
        """Report skipped and tiny images, and which classes training lacks."""
        found = self._notes_on_skipped()
        if self.options.operating_point is not None:
            found += operating_points.note(self.options.operating_point, self._validation())
        return [*found, *self._deep.notes(self.options.levels), *super().notes()]

    @cached_property
    def view(self) -> Any:
        """How the model sees images."""
        from transformers import AutoConfig

        from toolkit_plugins.vision.image_processing import View

        config = AutoConfig.from_pretrained(self.model_path)
        return View.of(self.processor, int(getattr(config, "num_channels", 3)))

    @property
    def given_levels(self) -> Levels | None:
        """The values of black and white in images of more than 8 bits, where options set them."""
        return self.options.levels

    @property
    def positive(self) -> str:
        """The positive one of two classes."""
        return self.options.positive or self.labels.names[-1]

    def _positives(self, predictions: Iterable[Prediction], truth: Sequence[str]) -> Any:
        """Return the probability of the positive class, and whether it is actual, row by row."""
        scores = np.array([prediction["scores"][self.positive] for prediction in predictions])
        return scores, np.array([label == self.positive for label in truth])

    def _validation(self, scores: Any = None) -> operating_points.Validation:
        """Return what the threshold is chosen on; without scores, what is known before training."""
        assert self.data is not None  # noqa: S101 - the caller has looked
        split, column = self.data["validation"], self._group
        labels = self.references(split.select_columns([self.options.label]).to_list())
        given = np.zeros(len(labels)) if scores is None else scores
        codes = groups.codes(groups.of_rows(split, column)) if column else None
        positive = np.array([label == self.positive for label in labels])
        return operating_points.Validation(given, positive, codes)

    @property
    def _group(self) -> str | None:
        """The column by which rows are not independent, if the recipe names one."""
        if self.recipe is None:
            return None
        data = self.recipe.data
        found = groups.named(self.recipe.report.cluster, data.group, data.split.group)
        return found[0] if found else None

    def _check_point(self) -> None:
        """Refuse an operating point that validation cannot choose."""
        point = self.options.operating_point
        if point is None or self.data is None:
            return
        there = "validation" in self.data
        none = "is chosen on a validation split, and there is none"
        if why := operating_points.fault(point, self._validation()) if there else none:
            raise DataError(Fault("options.operating_point", why))

    def _read(self, rows: Any) -> Any:
        """Return the images of rows as uint8 canvases."""
        return self.view.canvases([row[self.options.image] for row in rows.to_list()])

    def _training_sheet(self) -> Any:
        assert self.data is not None  # noqa: S101 - the caller has looked
        train, seed = self.data["train"], self.recipe.seed if self.recipe else 0
        rows = train.select(figures.drawn_rows(len(train), seed))
        labels = rows.select_columns([self.options.label]).to_list()
        ids = self.labels.ids(row[self.options.label] for row in labels)
        augmenter = partial(
            batches.augmenter, self.options.augment, self.view, len(self.labels.names)
        )
        return figures.training_sheet(
            self._read(rows), self.references(labels), ids, augmenter, seed
        )
