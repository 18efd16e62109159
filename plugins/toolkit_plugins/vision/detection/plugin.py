"""Object detection: where in an image which objects are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.plugin_types import (
    Baseline,
    Occlusion,
    Prediction,
    ReshapedRows,
    Row,
    SourceRows,
)
from toolkit.tasks.boxes import geometry
from toolkit.tasks.boxes.plugin import BoxesPlugin
from toolkit_plugins.vision import occlusion
from toolkit_plugins.vision.annotations import read, recognising
from toolkit_plugins.vision.detection import batches, figures, subset
from toolkit_plugins.vision.detection.options import DetectionOptions
from toolkit_plugins.vision.images import example_image, require_pillow
from toolkit_plugins.vision.seen import SeenImages

if TYPE_CHECKING:
    from toolkit.plugin_types import Figure
    from toolkit.recipe.schema import Source
    from toolkit_plugins.vision.canvas import Canvas

CONVENTION = "convention"  # key of the statistics: of the boxes of training rows in tables


class ObjectDetection(SeenImages[DetectionOptions], BoxesPlugin[DetectionOptions]):
    """Any model that AutoModelForObjectDetection loads, or a classifier's backbone with RT-DETR."""

    Options = DetectionOptions
    task = "object-detection"

    def read_source(self, source: Source, labelled: bool) -> SourceRows | None:
        """Return images with their objects from COCO, VOC, YOLO and other annotations."""
        options = self.options
        return read(
            source, labelled, options.image, options.objects,
            convention=options.convention, images=options.images,
        )  # fmt: skip

    def reshape_rows(self, rows: Any, split: str) -> ReshapedRows:
        """Return images with clean boxes in pixels, of the classes that are asked for."""
        options = self.options
        if split == "predict":
            return ReshapedRows(rows)
        known = options.convention or self._recognised.get(CONVENTION)
        found, recognised = recognising(
            rows, split, options.image, options.objects, known, options.names
        )
        if split == "train" and recognised is not None:
            self._recognised[CONVENTION] = recognised
        if options.labels is None:
            return found
        return subset.of_labels(found, split, options.objects, options.labels)

    def load_processor(self) -> Any:
        """Return the image processor (Pillow backend), set to the size of this run."""
        require_pillow()
        from toolkit_plugins.vision import backbones
        from toolkit_plugins.vision.augment import require_kornia
        from toolkit_plugins.vision.canvas_processors import processor_for, saved_processor
        from toolkit_plugins.vision.image_processing import LEVELS

        backbones.register()
        options = self.options
        if self.data is None:
            return saved_processor(self.model_path)
        if options.augment is not None:
            require_kornia()
        found = processor_for(self.model_path, self._size(), options.keep_ratio, "boxes",
                              self._channels)  # fmt: skip
        if (levels := self._levels()) is not None:
            setattr(found, LEVELS, list(levels))
        return found

    def prepare(self, split: Any, name: str) -> Any:
        """Return where images are (in the cache, or in their files), their sizes, and labels."""
        from toolkit_plugins.vision import image_cache

        options = self.options
        if options.tiles is not None:
            from toolkit_plugins.vision.detection import tile_labels

            return tile_labels.prepared(self, split, name, options.tiles)
        cached = name != "predict" and (
            options.cache == "always"
            or (options.cache == "auto" and image_cache.fits(len(split), self.canvas))
        )
        found = batches.sources(split, options.image, self.canvas, cached)
        if options.objects not in split.column_names or name == "predict":
            return found
        ids = {name: place for place, name in enumerate(self.classes)}
        objects = split.select_columns([options.objects])
        labels = [
            batches.labels_of(one[options.objects] or (), ids, size, self.canvas)
            for one, size in zip(objects, found["size"], strict=True)
        ]
        return found.add_column("labels", labels, feature=batches.label_features())

    def reduce_chunk(self, outputs: Any, parts: Sequence[Row]) -> list[Any]:
        """Return the boxes of each tile, in pixels of its image."""
        from toolkit_plugins.vision.detection import tiles

        best = batches.best(outputs, len(self.classes), self.options.max_detections)
        return tiles.parts(best, parts, self.canvas)

    def training_statistics(self) -> Mapping[str, Any]:
        """Return the convention that the boxes of the training rows were found to have."""
        return {**super().training_statistics(), **self._recognised}

    def load_model(self) -> Any:
        """Return the detector with an output per class."""
        from toolkit_plugins.vision.batch_norm import mend_momentum
        from toolkit_plugins.vision.detection import known_classes, models
        from toolkit_plugins.vision.fast_layers import faster

        found = models.alone(models.load(self.model_path, self.head, self.options.detector))
        mend_momentum(found, self.from_scratch)
        return known_classes.keep(faster(found), self)

    def load_saved(self, dtype: Any) -> Any:
        """Return the model, made faster as the one that was trained."""
        from toolkit_plugins.vision import fast_layers

        return fast_layers.saved(self.model_path)

    def collator(self) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
        """Return what reads the images of a batch, not augmented."""
        from toolkit_plugins.vision.detection.trainer import accepts

        return batches.Inputs(self.canvas, accepts(self.model))

    def trainer(self, **parts: Any) -> Any:
        """Return a Trainer that augments; workers read images that are not in the cache."""
        from toolkit.training.trainer import build_trainer
        from toolkit_plugins.vision.detection import models
        from toolkit_plugins.vision.detection.trainer import DetectionTrainer, accepts
        from toolkit_plugins.vision.trainer import workers

        options, model = self.options, parts["model"]
        settings = self.recipe.training if self.recipe else {}
        cached = batches.is_cached(parts["train_dataset"])
        if "dataloader_num_workers" not in settings and not cached:
            parts["args"].dataloader_num_workers = workers(parts["args"].device.type)
        parts["data_collator"] = batches.Canvases(self.canvas)
        made: Any = build_trainer(self, DetectionTrainer, **parts)
        made.change = batches.training_inputs(options.augment, self.canvas, accepts(model))
        if not self.from_scratch:
            made.backbone_rate = options.backbone_rate
        made.still = models.lowest(model, options.frozen_layers) if options.frozen_layers else ()
        return made

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return the objects of each image, and the boxes below the threshold."""
        from toolkit_plugins.vision.detection import tiles

        if self.options.tiles is not None:
            whole = [tiles.joined(found, of, self.options.nms)
                     for found, of in zip(outputs, prepared, strict=True)]  # fmt: skip
            return [self.split_by_threshold(
                (box, self.classes[number], float(score)) for box, score, number
                in zip(*one, strict=True)) for one in whole]  # fmt: skip
        found = []
        best = batches.best(outputs, len(self.classes), self.options.max_detections)
        for boxes, scores, numbers, one in zip(*best, prepared, strict=True):
            edges = self.canvas.boxes_off(boxes, (int(one["size"][0]), int(one["size"][1])))
            kept: Sequence[int] = range(len(edges))
            if self.options.nms is not None:
                kept = geometry.suppressed(edges, scores, numbers, self.options.nms).tolist()
            found.append(self.split_by_threshold(
                (edges[place], self.classes[numbers[place]], float(scores[place])) for place in kept
            ))  # fmt: skip
        return found

    def calibrate(self, predictions: Sequence[Prediction]) -> Mapping[str, Any]:
        """Return the threshold that the options set, or the one that is best on validation."""
        if self.options.threshold is not None:
            return {"threshold": self.options.threshold}
        return super().calibrate(predictions)

    def occlusions(self, row: Row, prediction: Prediction) -> Iterable[Occlusion]:
        """Return the image without each patch of a grid."""
        value, full = row.get(self.options.image), self.options.tiles is not None
        return occlusion.occlusions(self.options.image, value, self.canvas, full)

    def baselines(self) -> Iterable[Baseline]:
        """Return those of boxes, and the pretrained detector where it knows some classes."""
        from toolkit_plugins.vision.detection import known_classes

        return [*super().baselines(), *known_classes.baselines(self)]

    def example(self) -> Row:
        """Return a small image."""
        return {self.options.image: example_image()}

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Figure]:
        """Return what training saw, the worst images, false positives and misses, and curves."""
        if self.data is None:
            return {}
        found = list(predictions)
        return {**figures.drawn(self, found), **super().figures(found)}

    def notes(self) -> list[str]:
        """Report skipped and tiny images, tiles, and how images of more than 8 bits are scaled."""
        from toolkit_plugins.vision.detection import known_classes, tile_labels

        found = [*known_classes.note(self), *tile_labels.notes(self)]
        return [*self._notes_on_images(), *found, *super().notes()]

    @cached_property
    def canvas(self) -> Canvas:
        """How the model sees images."""
        from toolkit_plugins.vision.canvas import Canvas

        found = Canvas.of(self.processor, self._channels)
        return replace(found, keep_ratio=True) if self.options.tiles else found

    @cached_property
    def _channels(self) -> int:
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(self.model_path)
        inner = getattr(config, "backbone_config", None) or config
        return int(getattr(inner, "num_channels", None) or 3)

    def _size(self) -> tuple[int, int]:
        """Return height and width of the canvas: as given, or by the training images."""
        import torch

        from toolkit_plugins.vision import canvas
        from toolkit_plugins.vision.annotations.headers import headers

        assert self.data is not None  # noqa: S101 - a saved model's is that of its processor
        if self.options.tiles is not None:
            from toolkit_plugins.vision.detection import tiles

            found = tiles.sizes_of(self.data["train"], self.options.image)
            tiles.require_large(found, self.options.tiles)
        if self.options.sides is not None:
            return self.options.sides
        images = self.data["train"].select_columns([self.options.image])
        images = images.select(np.linspace(0, len(images) - 1, min(len(images), 500), dtype=int))
        there = [one for one in headers(images[self.options.image][:]) if one is not None]
        longest = canvas.LONGEST if torch.cuda.is_available() else canvas.LONGEST_ON_CPU
        return canvas.default_size([one.upright[::-1] for one in there], longest)

    @cached_property
    def in_tiles(self) -> dict[str, Any]:
        """What became of the objects of each split in tiles."""
        return {}

    @cached_property
    def _recognised(self) -> dict[str, str]:
        """The convention of the training rows' boxes, by which other splits are read."""
        known = self.statistics.get(CONVENTION)
        return {CONVENTION: known} if isinstance(known, str) else {}
