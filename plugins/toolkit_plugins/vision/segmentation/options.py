"""Options of image segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from toolkit.plugin_types import Column, Options
from toolkit.tasks.masks.losses import LossName, PixelWeights
from toolkit_plugins.vision.dense_augment import DenseAugment
from toolkit_plugins.vision.images import SUFFIXES
from toolkit_plugins.vision.options import ImageColumn, ObjectsColumn, OnCorrupt
from toolkit_plugins.vision.segmentation import kinds
from toolkit_plugins.vision.tile_options import TileOptions

MaskColumn = Annotated[str, Column("target", files=(*SUFFIXES, ".npy", ".npz"))]


class Tiles(TileOptions):
    """How large images are cut into tiles, which keep their resolution."""

    overlap: float = Field(
        0.25, ge=0, le=0.5, description="of neighboring tiles, as a share of the side; their "
        "probabilities are blended there",
    )  # fmt: skip


class SegmentationOptions(Options):
    """Options of image segmentation."""

    kind: Literal["semantic", "instance", "panoptic"] = Field(
        "semantic",
        description="semantic: a class for each pixel; instance: the mask of each object, from "
        "outlines (COCO, YOLO, LabelMe, CVAT); panoptic: each pixel in one segment, an object or a "
        "region such as sky (COCO panoptic)",
    )
    image: ImageColumn = "image"
    mask: MaskColumn | None = Field("mask", description="column of the mask, or of its path")
    objects: ObjectsColumn | None = Field(
        None,
        description="of kinds instance and panoptic: column of the objects or segments, by default "
        "`objects`",
    )
    classes: list[str] | dict[str, Any] | None = Field(
        None,
        description="names of the classes in the order of their values; or a map of each name to "
        "its value, values or color ('#rrggbb', [r, g, b]), or of new names to the labels of "
        "outlines; by default what lies beside the masks, or the values themselves",
    )
    ignore: int | str | list[int | str] | None = Field(
        None,
        description="values (or colors, or names of classes) of pixels that count nowhere; by "
        "default decided on the data",
    )
    size: int | tuple[int, int] | None = Field(
        None,
        description="[height, width] that images are resized to, or one number for both; by "
        "default of the training images, or the model's own where it takes one size only",
    )
    keep_ratio: bool = Field(
        False, description="resize to fit and pad, rather than stretch images to the size"
    )
    augment: DenseAugment | None = Field(
        DenseAugment(flip="horizontal", crop=0.5, colour=0.2),
        description="data augmentation; null turns it off",
    )
    tiles: Tiles | None = Field(
        None, description="cut images into tiles instead of resizing them, for large images"
    )
    loss: LossName = Field("cross_entropy", description="what is minimized")
    class_weights: PixelWeights = None
    positive: str | None = Field(
        None, description="the foreground of two classes; by default the last"
    )
    max_detections: int = Field(
        100, ge=1, le=1000, description="of kind instance: objects of an image, at most"
    )
    threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="score from which an object (kind instance) or segment (panoptic) is reported; "
        "by default the one with the best F1 on validation, and 0.5",
    )
    things: list[str] | None = Field(
        None,
        description="of kind panoptic: classes of which each object is a segment of its own; by "
        "default as `isthing` of the annotations says",
    )
    on_corrupt: OnCorrupt = "error"
    cache: Literal["auto", "always", "never"] = Field(
        "auto",
        description="cache decoded images and masks on disk (auto: up to 2 GiB per split); with "
        "tiles they are on disk in any case, in a temporary folder where they are not cached",
    )
    batch_norm: Literal["auto", "train", "freeze"] = Field(
        "auto",
        description="statistics of the encoder's BatchNorm layers: frozen (auto, where they are "
        "pretrained) or updated; auto also corrects a momentum above 0.5, with which only the last "
        "batches count",
    )
    output_stride: Literal[8, 16, 32] | None = Field(
        None,
        description="by how much the encoder's features are smaller than the image, for models "
        "that can choose (mobilenet_v2, mobilevit): smaller is finer and slower",
    )

    decoder: Literal["auto", "own", "upernet"] = Field(
        "auto",
        description="head that makes the classes of pixels: the model type's own, or UPerNet on a "
        "classifier as backbone, which keeps fine details; auto: the own one, where there is one",
    )
    decoder_width: int = Field(
        64, ge=16, le=1024, description="features of the layers of UPerNet on a backbone"
    )

    @field_validator("size")
    @classmethod
    def _in_range(cls, value: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
        if value is not None:
            sides = value if isinstance(value, tuple) else (value,)
            if any(not 16 <= side <= 4096 for side in sides):
                raise ValueError("sides are 16 to 4096 pixels: [height, width], or one number")
        return value

    @model_validator(mode="before")
    @classmethod
    def _by_kind(cls, given: Any) -> Any:
        return kinds.completed(given) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _one_way(self) -> SegmentationOptions:
        usual = {name: known.default for name, known in type(self).model_fields.items()}
        if faults := kinds.faults(self, usual):
            raise ValueError("; ".join(faults))
        if self.tiles is not None and (self.size is not None or self.keep_ratio):
            raise ValueError("tiles keep the resolution of images: leave out size and keep_ratio")
        return self

    @property
    def canvas_size(self) -> tuple[int, int] | None:
        """Height and width that are asked for."""
        if self.tiles is not None:
            return self.tiles.size, self.tiles.size
        if self.size is None or isinstance(self.size, tuple):
            return self.size
        return self.size, self.size
