"""Image classification: one label per picture, from photos to X-rays and handwritten digits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import ClassLabels
from toolkit.errors import DataError, Fault, RecipeError
from toolkit.evaluation import classification_baselines
from toolkit.models import pretrained
from toolkit.plugin import Plugin
from toolkit.plugin_types import Baseline, Examined, Prediction, Row
from toolkit.utils.text import listing, nearest
from toolkit_plugins.vision.augment import Augment
from toolkit_plugins.vision.classification import operating_points
from toolkit_plugins.vision.classification.options import ImageOptions
from toolkit_plugins.vision.images import (
    decode_all,
    example_image,
    forms_of,
    in_threads,
    look_at,
    name_of,
    require_pillow,
)

if TYPE_CHECKING:
    from toolkit.plugin_types import Figure

__all__ = ["Augment", "ImageClassification", "ImageOptions"]

WINDOW = 512  # pictures that are looked at together
NAMED = 20  # unreadable files
TINY = 8  # pixels a side
GREY = 16  # pixels a side of the pictures that the linear baseline sees


class ImageClassification(Plugin[ImageOptions]):
    """Any model that AutoModelForImageClassification loads, or makes from a config."""

    Options = ImageOptions

    def examine(self, rows: Any, split: str) -> Examined:
        """Decode every picture once: unreadable ones are named, and likenesses compared."""
        require_pillow()
        faults: list[Fault] = []
        broken: list[int] = []
        likeness: list[str] = []
        column = rows.select_columns([self.options.image])
        for start in range(0, len(rows), WINDOW):
            values = column[start : start + WINDOW][self.options.image]
            for place, found in enumerate(in_threads(look_at, values), start):
                likeness.append(found.likeness or f"row {place} of {split}")
                if found.fault is not None:
                    broken.append(place)
                    name = name_of(values[place - start], f"{split} row {place + 1}")
                    faults.append(Fault(name, found.fault))
                elif 0 < min(found.width, found.height) < TINY:
                    self._tiny[split] = self._tiny.get(split, 0) + 1
        if self.options.on_corrupt == "error" and split != "predict":
            return Examined(fatal=_capped(faults, split), likeness=likeness)
        self._unreadable += faults[:NAMED]
        return Examined({"picture cannot be read": broken}, likeness=likeness)

    def load_processor(self) -> Any:
        """Return the image processor, by Pillow; of a model from scratch, one for its config."""
        require_pillow()
        self._check_two_classes()
        from toolkit_plugins.vision.image_processing import processor_of

        if self.options.augment is not None:
            from toolkit_plugins.vision.augment import require_kornia

            require_kornia()
        return processor_of(self.model_path, self.options.size)

    def prepare(self, split: Any, name: str) -> Any:
        """Return class ids, and where pictures are: in the cache, or still in their files.

        They are read when a batch is made, in the workers of training.
        """
        from toolkit_plugins.vision import image_cache

        options, column = self.options, self.options.image
        found = split.select_columns([column]).rename_column(column, "pixel_values")
        cached = options.cache == "always" or (
            options.cache == "auto" and image_cache.fits(len(split), self.view)
        )
        if cached and name != "predict":
            import datasets

            path = str(image_cache.keep(split, column, self.view))
            places = [{"store": path, "row": row} for row in range(len(split))]
            found = datasets.Dataset.from_dict({"pixel_values": places})
        if options.label in split.column_names:
            values = split.select_columns([options.label])
            ids = [i for b in values.iter(1000) for i in self.labels.ids(b[options.label])]
            found = found.add_column("labels", ids)
        return found

    def example(self) -> Row:
        """Return a small picture."""
        return {self.options.image: example_image()}

    def load_model(self) -> Any:
        """Return the model with a head of one output per class."""
        import torch
        from transformers import AutoModelForImageClassification

        from toolkit_plugins.vision.classification.trainer import mend_momentum

        found = pretrained.model(
            AutoModelForImageClassification,
            self.model_path,
            **self.labels.head,
            ignore_mismatched_sizes=True,  # a checkpoint's own head for other classes is replaced
            dtype="float32",
        )
        if self.options.batch_norm == "auto":
            mend_momentum(found)
        # Convolutions of channels that lie side by side are the faster ones.
        return found.to(memory_format=torch.channels_last)

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
        """Return what reads the pictures of a batch, unchanged, as the model takes them."""
        view, canvases = self.view, self._canvases

        def collate(rows: list[dict[str, Any]]) -> Mapping[str, Any]:
            import torch

            batch = canvases(rows)
            middle = view.middle(batch["pixel_values"].permute(0, 2, 3, 1).numpy())
            images = torch.from_numpy(np.ascontiguousarray(middle)).permute(0, 3, 1, 2)
            return {**batch, "pixel_values": view.scaled(images.float())}

        return collate

    def _canvases(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the pictures of a batch as 8-bit tensors, rows x channels x height x width."""
        import torch

        from toolkit_plugins.vision import image_cache

        places = [row["pixel_values"] for row in rows]
        if isinstance(places[0], Mapping) and "store" in places[0]:
            found = np.stack([image_cache.opened(p["store"])[p["row"]] for p in places])
        else:
            found = self.view.canvases(places)
        batch = {
            name: torch.tensor([row[name] for row in rows]) for name in rows[0]
            if name != "pixel_values"
        }  # fmt: skip
        return {"pixel_values": torch.from_numpy(found).permute(0, 3, 1, 2), **batch}

    def loss(self) -> Callable[..., Any] | None:
        """Return cross-entropy with class weights, or with shares of classes; else the model's."""
        augment = self.options.augment
        mixes = augment is not None and (augment.mixup or augment.cutmix)
        if self.data is None or not (mixes or self.options.class_weights):
            return None
        from toolkit_plugins.vision.classification.trainer import loss

        settings = self.recipe.training if self.recipe else {}
        return loss(self.class_weights, float(settings.get("label_smoothing_factor", 0.0)))

    def trainer(self, **parts: Any) -> Any:
        """Return a Trainer that changes training pictures; workers read those that are not kept."""
        from toolkit.training.trainer import build_trainer
        from toolkit_plugins.vision.classification.trainer import PictureTrainer

        settings = self.recipe.training if self.recipe else {}
        kept = "store" in (parts["train_dataset"].features["pixel_values"] or {})
        if "dataloader_num_workers" not in settings and not kept:
            import os

            parts["args"].dataloader_num_workers = min(4, os.cpu_count() or 1)
        made: Any = build_trainer(
            self, PictureTrainer, **{**parts, "data_collator": self._canvases}
        )
        made.change = self.changer()
        made.freeze_batch_norm = self.options.batch_norm == "freeze" or (
            self.options.batch_norm == "auto" and not self.from_scratch
        )
        return made

    def changer(self) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        """Return the function from a batch of 8-bit canvases to a changed batch of inputs."""
        from toolkit_plugins.vision import augment

        wanted, view, classes = self.options.augment, self.view, len(self.labels.names)
        change = augment.changes(wanted, view)
        plain = augment.changes(None, view)

        def changed(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            images = batch["pixel_values"].float() / 255
            if set(batch) - {"pixel_values", "labels"}:  # features stand in for pictures
                return {**batch, "pixel_values": view.scaled(plain(images) * 255)}
            images, labels = change(images), batch["labels"]
            if wanted is not None and (wanted.mixup or wanted.cutmix):
                images, labels = augment.mix(images, labels, classes, wanted)
            return {**batch, "pixel_values": view.scaled(images * 255), "labels": labels}

        return changed

    def decode(self, outputs: Any, rows: Sequence[Row]) -> list[Prediction]:
        """Return the label, its probability, and that of every class.

        Of two classes the positive one is given from the threshold on that validation has chosen.
        """
        names, found = self.labels.names, []
        for row in outputs.logits.float().softmax(-1).tolist():
            place = int(np.argmax(row))
            if "threshold" in self.calibration:
                is_positive = row[self._positive] >= self.calibration["threshold"]
                place = self._positive if is_positive else 1 - self._positive
            scores = dict(zip(names, row, strict=True))
            found.append({"label": names[place], "score": row[place], "scores": scores})
        return found

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return the label text of each row."""
        return [self.labels.texts(row[self.options.label])[0] for row in rows]

    def margin(self, prediction: Prediction) -> float | Mapping[str, float]:
        """Return the gap between the two best classes, or the positive one's to the threshold."""
        if "threshold" in self.calibration:
            positive = prediction["scores"][self.labels.names[self._positive]]
            return float(abs(positive - self.calibration["threshold"]))
        return super().margin(prediction)

    def calibrate(self, predictions: Sequence[Prediction]) -> Mapping[str, Any]:
        """Choose the threshold of two classes, where the options ask for it."""
        if self.options.operating_point is None or self.data is None:
            return {}
        scores, positive = self._positives(predictions, self.data["validation"])
        if positive.all() or not positive.any():
            raise DataError(
                Fault("options.operating_point", "validation holds rows of one class only")
            )
        return operating_points.choose(self.options.operating_point, scores, positive)

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the recipe names, or the usual ones."""
        from toolkit.evaluation import metrics

        names = self.labels.names
        usual = ["accuracy", "f1_macro", "roc_auc"]
        if len(names) > 5:
            usual.insert(1, "top5_accuracy")
        if len(names) == 2:
            usual = ["accuracy", "sensitivity", "specificity", "f1", "roc_auc"]
        wanted = (self.recipe.report.metrics if self.recipe else None) or usual
        return {
            name: metrics.load(name, labels=names, pos_label=self.options.positive)
            for name in wanted
        }

    def floors(self) -> Iterable[Baseline]:
        """Return majority, a linear model on small grey pictures, and the frozen model with one."""
        task = classification_baselines.Classification(
            len(self.labels.names), False, self._targets, self._from_probabilities
        )
        found: list[Baseline] = [
            classification_baselines.Majority(task),
            classification_baselines.Logistic(task, "grey_pixels_logistic_regression", self._greys),
        ]
        if not self.from_scratch:  # features of random weights would say nothing of the model
            found.append(classification_baselines.FrozenLinear(task, self))
        return found

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Figure]:
        """Return what training saw, what the model is most wrong about, and two classes' curves."""
        from toolkit_plugins.vision.classification.figures import draw_figures

        return draw_figures(self, list(predictions))

    def notes(self) -> list[str]:
        """Say what pictures were set aside or are tiny, and which classes training lacks."""
        found = [f"set aside: {fault}" for fault in self._unreadable]
        found += [f"{split}: {count:,} pictures have fewer than {TINY} pixels a side"
                  for split, count in self._tiny.items()]  # fmt: skip
        return found + self.labels.notes(self.data, self.options.label)

    @cached_property
    def labels(self) -> ClassLabels:
        """The classes: of the training rows, or of the saved model where there are none."""
        if self.data is not None:
            return ClassLabels.of(self.data["train"], self.options.label)
        return ClassLabels.saved(self.model_path)

    @cached_property
    def view(self) -> Any:
        """How the model sees pictures."""
        from transformers import AutoConfig

        from toolkit_plugins.vision.image_processing import View

        config = AutoConfig.from_pretrained(self.model_path)
        return View.of(self.processor, int(getattr(config, "num_channels", 3)))

    def forms(self) -> set[str]:
        """Return what has to be seen to in the pictures of all splits, see `pictures.forms`."""
        splits = (self.data or {}).values()
        return {form for rows in splits for form in forms_of(rows[self.options.image])}

    @property
    def class_weights(self) -> list[float] | None:
        """A weight per class, if they are asked for and there are rows to train on."""
        wanted = self.options.class_weights
        if wanted is None or self.data is None:
            return None
        return self.labels.weights(wanted, self.data["train"], self.options.label)

    @property
    def from_scratch(self) -> bool:
        """Whether the model was made from a config."""
        return self.recipe is not None and self.recipe.model.id is None

    @cached_property
    def _tiny(self) -> dict[str, int]:
        return {}

    @cached_property
    def _unreadable(self) -> list[Fault]:
        return []

    @property
    def _positive(self) -> int:
        names = self.labels.names
        return names.index(self.options.positive) if self.options.positive else len(names) - 1

    def _check_two_classes(self) -> None:
        names, options, faults = self.labels.names, self.options, []
        if options.positive is not None and options.positive not in names:
            what = f"is {options.positive!r}.{nearest(options.positive, names)}"
            faults.append(Fault("options.positive", f"{what} Classes: {listing(names)}."))
        for name in ("positive", "operating_point"):
            if getattr(options, name) is not None and len(names) != 2:
                what = f"is for two classes, and there are {len(names)}"
                faults.append(Fault(f"options.{name}", what))
        if faults:
            raise RecipeError(faults)

    def _positives(self, predictions: Sequence[Prediction], rows: Any) -> tuple[Any, Any]:
        """Return the probability of the positive class, and whether it is true, row by row."""
        name = self.labels.names[self._positive]
        scores = np.array([prediction["scores"][name] for prediction in predictions])
        truth = rows.select_columns([self.options.label]).to_list()
        return scores, np.array([label == name for label in self.references(truth)])

    def _targets(self, rows: Sequence[Row]) -> Any:
        return np.array(self.labels.ids([row[self.options.label] for row in rows])).astype(int)

    def _greys(self, rows: Sequence[Row]) -> Any:
        """Return pictures as rows of small grey pixels."""
        about = (2 * GREY, 2 * GREY)
        images = decode_all([row[self.options.image] for row in rows], "L", about)
        return np.stack([np.asarray(i.resize((GREY, GREY))).ravel() / 255.0 for i in images])

    def _from_probabilities(self, probabilities: Any, rows: Sequence[Row]) -> list[Prediction]:
        """Decode a baseline's probabilities as the model's outputs are, but at no threshold."""
        names, found = self.labels.names, []
        for row in np.asarray(probabilities, np.float64).tolist():
            place = int(np.argmax(row))
            scores = dict(zip(names, row, strict=True))
            found.append({"label": names[place], "score": row[place], "scores": scores})
        return found


def _capped(faults: Sequence[Fault], split: str) -> list[Fault]:
    """Return the first faults, and how many there are beyond them."""
    more = len(faults) - NAMED
    rest = [Fault(split, f"{more:,} more pictures cannot be read")] if more > 0 else []
    hint = Fault("options.on_corrupt", "skip sets such pictures aside, and counts them")
    return [*faults[:NAMED], *rest, hint] if faults else []
