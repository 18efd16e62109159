"""Image segmentation: a class for each pixel, from street scenes to cells under a microscope."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from toolkit.plugin_types import Prediction, ReshapedRows, Row
from toolkit.tasks.masks import MasksPlugin
from toolkit_plugins.vision.images import example_image, require_pillow
from toolkit_plugins.vision.seen import SeenImages
from toolkit_plugins.vision.segmentation import models, query_models, query_pixels, reading
from toolkit_plugins.vision.segmentation.options import SegmentationOptions

if TYPE_CHECKING:
    from toolkit.plugin_types import Figure, SourceRows
    from toolkit.recipe.schema import Source

MASKS = "masks"  # key of the statistics


class ImageSegmentation(SeenImages[SegmentationOptions], MasksPlugin[SegmentationOptions]):
    """Any model that AutoModelForSemanticSegmentation loads or makes from a config.

    So are those of AutoModelForUniversalSegmentation that predict masks with a class each.
    """

    Options = SegmentationOptions
    task = "image-segmentation"
    #: Tiles whose class scores wait in memory for the others of their image.
    rows_together = 64

    @classmethod
    def chosen(cls, options: SegmentationOptions) -> type[Any]:
        """Return the class for the kind of segmentation."""
        if options.kind == "semantic":
            return cls
        if options.kind == "panoptic":
            from toolkit_plugins.vision.segmentation.panoptic import PanopticSegmentation

            return PanopticSegmentation
        from toolkit_plugins.vision.segmentation.instances import InstanceSegmentation

        return InstanceSegmentation

    def read_source(self, source: Source, labelled: bool) -> SourceRows | None:
        """Return images with their masks, or with the polygons of annotation files as masks."""
        return reading.read(source, labelled, self.options)

    def reshape_rows(self, rows: Any, split: str) -> ReshapedRows:
        """Return rows with masks of class numbers; how masks are read is decided on train."""
        require_pillow()
        found, known = reading.reshaped(rows, split, self.options, self._known.get(MASKS))
        if known is not None:
            self._known[MASKS] = known
        return found

    @cached_property
    def classes(self) -> Sequence[str]:
        """The names of the classes: as the masks of train say, or of the saved model."""
        known = self._known.get(MASKS)
        return list(known.names) if self.data is not None and known else self.saved_classes()

    def load_processor(self) -> Any:
        """Return the image processor (Pillow backend) that makes the canvases of the run."""
        require_pillow()
        config = models.config_of(self.model_path, self.options.decoder)
        if self.data is None:
            return reading.saved_processor(self.model_path)
        if self.by_masks:
            query_pixels.require_own_loss(self.options, self.recipe, config.model_type)
        models.require_classes(self.classes, self.target)
        _ = self.positive, self.class_weights  # which refuse what is no class
        if self.options.augment is not None:
            from toolkit_plugins.vision.augment import require_kornia

            require_kornia()
        from toolkit_plugins.vision.canvas_processors import processor_for
        from toolkit_plugins.vision.image_processing import LEVELS

        size = self.options.canvas_size or models.own_size(config) or self._usual_size()
        channels = models.channels_of(config)
        found = processor_for(self.model_path, size, self.options.keep_ratio, "masks", channels)
        levels = self._levels()
        if levels is not None:
            setattr(found, LEVELS, list(levels))
        return found

    @cached_property
    def by_masks(self) -> bool:
        """Whether the model predicts masks with a class each (Mask2Former and its like)."""
        return models.by_masks(models.config_of(self.model_path, self.options.decoder))

    @cached_property
    def canvas(self) -> Any:
        """How the model sees images, or tiles of them."""
        from toolkit_plugins.vision.canvas import Canvas

        found = Canvas.of(
            self.processor,
            models.channels_of(models.config_of(self.model_path, self.options.decoder)),
        )
        return replace(found, keep_ratio=True) if self.options.tiles else found

    def prepare(self, split: Any, name: str) -> Any:
        """Return where images and masks are: in the cache, or still in their files.

        They are read when a batch is made, in the workers of training. With tiles each is a row.
        """
        from toolkit_plugins.vision import image_cache
        from toolkit_plugins.vision.segmentation import batches, tiles

        mask = self.target if self.target in split.column_names and name != "predict" else None
        way = self.options.cache if name != "predict" else "never"
        if self.options.tiles is not None:
            how = self.canvas, self.options.tiles, way, name == "predict"
            return tiles.sources(split, self.image, mask, *how)
        fits = way == "auto" and image_cache.fits(len(split), self.canvas, mask is not None)
        return batches.sources(split, self.image, mask, self.canvas, way == "always" or fits)

    def load_model(self) -> Any:
        """Return the model with a head of one output per class."""
        from toolkit_plugins.vision.batch_norm import mend_momentum
        from toolkit_plugins.vision.fast_layers import faster

        found = models.load(
            self.model_path, self.head, self.options.output_stride, self.options.decoder,
            self.options.decoder_width,
        )  # fmt: skip
        if self.options.batch_norm == "auto":
            mend_momentum(found, self.from_scratch)
        models.require_size(found, self.canvas.canvas)
        if self.by_masks:  # whose heads are no convolutions, for the most part
            return found
        return faster(found)

    def load_saved(self, dtype: Any) -> Any:
        """Return the model, made faster as the one that was trained."""
        from toolkit_plugins.vision import fast_layers

        return None if self.by_masks else fast_layers.saved(self.model_path)

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
        """Return what reads the images of a batch, not augmented."""
        from toolkit_plugins.vision.segmentation.batches import Inputs

        return query_pixels.Inputs(self.canvas) if self.by_masks else Inputs(self.canvas)

    def infer(self, model: Any, batch: Mapping[str, Any]) -> Any:
        """Return the outputs; with the loss where it is the model's own, and there are labels."""
        if not self.by_masks:
            return super().infer(model, batch)
        return query_models.outputs_of(model, batch)

    def loss(self) -> Callable[..., Any] | None:
        """Return the loss that the options name, auxiliary heads included; None: the model's."""
        pixels = None if self.by_masks else super().loss()
        return None if pixels is None else partial(models.with_auxiliary, pixels)

    def trainer(self, **parts: Any) -> Any:
        """Return a Trainer that augments; workers read images that are not in the cache."""
        from toolkit.training.trainer import build_trainer
        from toolkit_plugins.vision import batch_norm
        from toolkit_plugins.vision.segmentation.batches import Canvases, is_cached
        from toolkit_plugins.vision.trainer import EpochTold, ImageTrainer, workers

        settings = self.recipe.training if self.recipe else {}
        if "dataloader_num_workers" not in settings and not is_cached(parts["train_dataset"]):
            parts["args"].dataloader_num_workers = workers(parts["args"].device.type)
        collator = Canvases(self.canvas, spare=True, seed=parts["args"].seed)
        parts["data_collator"] = collator
        made: Any = build_trainer(self, ImageTrainer, **parts)
        made.add_callback(EpochTold(collator))
        made.change = self.changer()
        way, model = self.options.batch_norm, parts["model"]
        if way == "freeze" or (way == "auto" and not self.from_scratch):
            made.frozen = batch_norm.of_body(model)
        made.lone = list(batch_norm.layers(model))
        return made

    def changer(self) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        """Return the function from a batch of 8-bit canvases to augmented inputs."""
        from toolkit_plugins.vision.segmentation.batches import training_inputs

        if self.by_masks:
            return query_pixels.training_inputs(self.options.augment, self.canvas)
        return training_inputs(self.options.augment, self.canvas)

    def reduce_chunk(self, outputs: Any, parts: Sequence[Row]) -> list[Any]:
        """Return the class scores of each tile, in 16 bits."""
        if self.by_masks:
            found = map(query_models.class_scores, *query_models.logits_of(outputs))
            return [scores.half().cpu() for scores in found]
        return [logits.half().cpu() for logits in outputs.logits.float().log_softmax(1)]

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return the mask of each row at the image's own size, the shares of classes, confidence.

        {"mask": a PNG of class numbers, "shares": {class: share of the pixels}, "confidence"}.
        """
        from toolkit_plugins.vision.segmentation import decoding

        if self.options.tiles is not None:
            join = partial(decoding.joined, canvas=self.canvas, wanted=self.options.tiles)
            images = [row[self.image] for row in rows]
            masks = list(map(join, outputs, images, prepared))
        elif self.by_masks:
            parts = zip(*query_models.logits_of(outputs), rows, strict=True)
            masks = [decoding.whole(logits, row[self.image], self.canvas, queries)
                     for queries, logits, row in parts]  # fmt: skip
        else:
            masks = [decoding.whole(logits, row[self.image], self.canvas)
                     for logits, row in zip(outputs.logits, rows, strict=True)]  # fmt: skip
        return [self.prediction(one.mask, one.confidence) for one in masks]

    def example(self) -> Row:
        """Return a small image."""
        return {self.image: example_image()}

    def training_statistics(self) -> Mapping[str, Any]:
        """Return how masks are read, so that those of an evaluation are read the same way."""
        known = self._known.get(MASKS)
        return {MASKS: known.to_json()} if known is not None else {}

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Figure]:
        """Return what training saw, and the worst images beside their masks."""
        from toolkit_plugins.vision.segmentation import figures

        if self.data is None:
            return {}
        found = list(predictions)
        return {**figures.sheets(self, found), **super().figures(found)}

    def notes(self) -> list[str]:
        """Report skipped and tiny images, how images are seen, and classes with few pixels."""
        return [*self._notes_on_images(), self._seen_as(), *super().notes()]

    def _seen_as(self) -> str:
        height, width = self.canvas.canvas
        if (wanted := self.options.tiles) is not None:
            return (f"images are cut into tiles of {height} x {width} pixels that share "
                    f"{wanted.shared} (options.tiles)")  # fmt: skip
        how = "fitted into" if self.options.keep_ratio else "resized to"
        return f"images are {how} {height} x {width} pixels (height x width; options.size)"

    def _usual_size(self) -> tuple[int, int]:
        assert self.data is not None  # noqa: S101 - the caller has looked
        return reading.usual_size(self.data["train"], self.image)

    @cached_property
    def _known(self) -> dict[str, Any]:
        """How masks are read, once train or the saved model has said it."""
        if MASKS not in self.statistics:
            return {}
        from toolkit_plugins.vision.masks.known import KnownMasks

        return {MASKS: KnownMasks.from_json(self.statistics[MASKS])}
