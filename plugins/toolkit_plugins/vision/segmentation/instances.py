"""Instance segmentation: the mask of each object in an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from toolkit.plugin_types import Prediction, ReshapedRows, Row, SourceRows
from toolkit.tasks.boxes import BoxesPlugin
from toolkit.tasks.masks.png import image_size
from toolkit_plugins.vision.images import example_image, require_pillow
from toolkit_plugins.vision.seen import SeenImages
from toolkit_plugins.vision.segmentation import (
    instance_batches,
    models,
    outlines,
    query_models,
    reading,
)
from toolkit_plugins.vision.segmentation.options import SegmentationOptions

if TYPE_CHECKING:
    from toolkit.plugin_types import Figure
    from toolkit.recipe.schema import Source
    from toolkit_plugins.vision.canvas import Canvas


class InstanceSegmentation(SeenImages[SegmentationOptions], BoxesPlugin[SegmentationOptions]):
    """What `image-segmentation` is with kind: instance; Mask2Former, MaskFormer and EoMT."""

    Options = SegmentationOptions
    task = "image-segmentation"
    with_masks = True

    def read_source(self, source: Source, labelled: bool) -> SourceRows | None:
        """Return images with the outlines of their objects from COCO and other annotations."""
        return outlines.read(source, labelled, self.options)

    def reshape_rows(self, rows: Any, split: str) -> ReshapedRows:
        """Return images with clean objects, and the area of each."""
        if split == "predict":
            return ReshapedRows(rows)
        return outlines.reshaped(rows, split, self.options)

    def load_processor(self) -> Any:
        """Return the image processor (Pillow backend) that makes the canvases of the run."""
        require_pillow()
        config = query_models.config_of(self.model_path)
        if self.data is None:
            return reading.saved_processor(self.model_path)
        from toolkit_plugins.vision.augment import require_kornia
        from toolkit_plugins.vision.canvas_processors import processor_for
        from toolkit_plugins.vision.image_processing import LEVELS

        if self.options.augment is not None:
            require_kornia()
        size = self.options.canvas_size or models.own_size(config)
        size = size or reading.usual_size(self.data["train"], self.image)
        found = processor_for(self.model_path, size, self.options.keep_ratio, "masks",
                              models.channels_of(config))  # fmt: skip
        if (levels := self._levels()) is not None:
            setattr(found, LEVELS, list(levels))
        return found

    @cached_property
    def canvas(self) -> Canvas:
        """How the model sees images."""
        from toolkit_plugins.vision.canvas import Canvas

        config = query_models.config_of(self.model_path)
        return Canvas.of(self.processor, models.channels_of(config))

    def prepare(self, split: Any, name: str) -> Any:
        """Return where images and the numbers of their objects are: in the cache, or in files."""
        from toolkit_plugins.vision import image_cache

        there = self.target in split.column_names and name != "predict"
        way = self.options.cache if name != "predict" else "never"
        fits = way == "auto" and image_cache.fits(len(split), self.canvas, there)
        ids = {label: place for place, label in enumerate(self.classes)}
        return instance_batches.sources(
            split, self.image, self.target if there else None, ids, self.canvas,
            way == "always" or fits,
        )  # fmt: skip

    def load_model(self) -> Any:
        """Return the model with an output per class."""
        from toolkit_plugins.vision.batch_norm import mend_momentum

        found = query_models.load(self.model_path, self.head)
        if self.options.batch_norm == "auto":
            mend_momentum(found)
        models.require_size(found, self.canvas.canvas)
        return found

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
        """Return what reads the images of a batch, not augmented."""
        return instance_batches.Inputs(self.canvas)

    def infer(self, model: Any, batch: Mapping[str, Any]) -> Any:
        """Return the outputs, with the loss where there are labels.

        The loss is that of points drawn at random, always the same ones here.
        """
        if "labels" not in batch:
            return model(**batch)
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return model(pixel_values=batch["pixel_values"], **batch["labels"])

    def trainer(self, **parts: Any) -> Any:
        """Return a Trainer that augments; workers read images that are not in the cache."""
        from toolkit.training.trainer import build_trainer
        from toolkit_plugins.vision import batch_norm
        from toolkit_plugins.vision.segmentation.batches import is_cached
        from toolkit_plugins.vision.trainer import ImageTrainer, workers

        settings = self.recipe.training if self.recipe else {}
        if "dataloader_num_workers" not in settings and not is_cached(parts["train_dataset"]):
            parts["args"].dataloader_num_workers = workers(parts["args"].device.type)
        parts["data_collator"] = instance_batches.Canvases(self.canvas)
        made: Any = build_trainer(self, ImageTrainer, **parts)
        made.change = instance_batches.training_inputs(self.options.augment, self.canvas)
        way = self.options.batch_norm
        if way == "freeze" or (way == "auto" and not self.from_scratch):
            made.frozen = batch_norm.of_body(parts["model"])
        return made

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return the objects of each image with their masks, and those below the threshold."""
        found, logits = (
            [],
            zip(outputs.class_queries_logits, outputs.masks_queries_logits, rows, strict=True),
        )
        for classes, masks, row in logits:
            size = image_size(row[self.image])
            one = query_models.objects_of(classes, masks, size, self.canvas, self.most)
            labels = [self.classes[number] for number in one.labels]
            found.append(self.split_by_threshold(
                zip(one.boxes, labels, one.scores, one.masks, strict=True)
            ))  # fmt: skip
        return found

    def calibrate(self, predictions: Sequence[Prediction]) -> Mapping[str, Any]:
        """Return the threshold that the options set, or the one that is best on validation."""
        if self.options.threshold is not None:
            return {"threshold": self.options.threshold}
        return super().calibrate(predictions)

    def example(self) -> Row:
        """Return a small image."""
        return {self.image: example_image()}

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Figure]:
        """Return what training saw, the worst images, and curves."""
        from toolkit_plugins.vision.segmentation import instance_figures

        if self.data is None:
            return {}
        found = list(predictions)
        return {**instance_figures.sheets(self, found), **super().figures(found)}

    def notes(self) -> list[str]:
        """Report skipped and tiny images, and what the objects of each split are."""
        height, width = self.canvas.canvas
        how = "fitted into" if self.options.keep_ratio else "resized to"
        seen = f"images are {how} {height} x {width} pixels (height x width; options.size)"
        return [*self._notes_on_images(), seen, *super().notes()]
