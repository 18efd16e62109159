"""What kinds of segmentation share whose models predict masks with a class each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from toolkit.plugin_types import Row
from toolkit.tasks.boxes import BoxesPlugin
from toolkit_plugins.vision.images import example_image, require_pillow
from toolkit_plugins.vision.seen import SeenImages
from toolkit_plugins.vision.segmentation import instance_batches, models, query_models, reading
from toolkit_plugins.vision.segmentation.options import SegmentationOptions

if TYPE_CHECKING:
    from toolkit_plugins.vision.canvas import Canvas


class ByQueries(SeenImages[SegmentationOptions], BoxesPlugin[SegmentationOptions]):
    """Images and their segments, each with a mask, for Mask2Former, MaskFormer and EoMT."""

    Options = SegmentationOptions
    task = "image-segmentation"
    with_masks = True

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
        if (levels := self._deep.levels(None)) is not None:
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
            mend_momentum(found, self.from_scratch)
        models.require_size(found, self.canvas.canvas)
        return found

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
        """Return what reads the images of a batch, not augmented."""
        return instance_batches.Inputs(self.canvas)

    def infer(self, model: Any, batch: Mapping[str, Any]) -> Any:
        """Return the outputs, with the loss where there are labels."""
        return query_models.outputs_of(model, batch)

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

    def example(self) -> Row:
        """Return a small image."""
        return {self.image: example_image()}

    def _seen_as(self) -> str:
        height, width = self.canvas.canvas
        how = "fitted into" if self.options.keep_ratio else "resized to"
        return f"images are {how} {height} x {width} pixels (height x width; options.size)"
