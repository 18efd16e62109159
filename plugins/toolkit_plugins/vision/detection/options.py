"""Options of object detection."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from toolkit.plugin_types import Options
from toolkit_plugins.vision.dense_augment import DenseAugment
from toolkit_plugins.vision.options import CacheImages, ImageColumn, ObjectsColumn, OnCorrupt
from toolkit_plugins.vision.tile_options import TileOptions

Side = Annotated[int, Field(ge=32, le=4096)]


class Detector(BaseModel):
    """Sizes of the detector (RT-DETRv2) that is built on the backbone of an image classifier."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(
        default=128, ge=32, le=512, multiple_of=32, description="features of its layers"
    )
    layers: int = Field(default=2, ge=2, le=6, description="layers of its decoder")
    queries: int = Field(
        default=100, ge=10, le=900, description="objects that it can find in an image, at most"
    )
    denoising: int = Field(
        default=60,
        ge=0,
        le=500,
        description="noised copies of actual boxes that it also learns from",
    )


class Tiles(TileOptions):
    """How large images are cut into tiles, which keep their resolution, for small objects."""

    min_visible: float = Field(
        0.3, gt=0, le=1, description="share of an object's area that a tile must show to learn it"
    )
    empty: float = Field(
        0.2, ge=0, le=1, description="share of the tiles without objects that training keeps"
    )
    whole: bool = Field(
        True, description="whether the whole image, resized to a tile, is one more tile: for "
        "objects that are larger than one",
    )  # fmt: skip


class DetectionOptions(Options):
    """Options of object detection."""

    image: ImageColumn = "image"
    objects: ObjectsColumn = Field(
        "objects", description="column of the objects: a list of boxes with labels"
    )
    images: str | None = Field(
        None, description="folder of the images, where annotations are elsewhere"
    )
    convention: str | None = Field(
        None,
        description="of boxes in tables, in metadata.jsonl and in COCO json: xywh, xyxy or cxcywh, "
        "in pixels or (xywh_normalised, ...) as shares of the image; by default recognised from "
        "the data, and xywh in COCO json. Formats with a convention of their own (VOC, YOLO, ...) "
        "do not use it",
    )
    labels: list[str] | None = Field(
        None,
        min_length=1,
        description="classes to learn, objects of all others are left out; in tables with numbers "
        "for classes, the option `names` names them",
    )
    names: list[str] | None = Field(
        None, min_length=1, description="names of classes that the data gives as numbers, in order"
    )
    known_as: dict[str, list[str]] | None = Field(
        None,
        description="classes of the data by other names that a pretrained detector knows them by: "
        "{cell: [red blood cell]}; case, blanks, underscores and dashes make no difference",
    )
    size: Side | tuple[Side, Side] | None = Field(
        None,
        description="pixels a side, or [height, width], that images are resized to; by default by "
        "the training images. Small objects need more",
    )
    keep_ratio: bool = Field(
        False, description="pad images to the size, instead of stretching them"
    )
    tiles: Tiles | None = Field(
        None, description="cut images into tiles instead of resizing them: for small objects in "
        "large images",
    )  # fmt: skip
    augment: DenseAugment | None = Field(
        DenseAugment(flip="horizontal", crop=0.4, colour=0.2),
        description="data augmentation; null turns it off",
    )
    detector: Detector = Field(
        Detector(), description="of a classifier's backbone: the sizes of what is built on it"
    )
    backbone_rate: float = Field(
        0.2, gt=0, le=10, description="learning rate of a pretrained backbone, relative to the rest"
    )
    frozen_layers: int = Field(
        0, ge=0, description="first layers of the backbone that stay as they are"
    )
    max_detections: int = Field(
        100, ge=1, le=1000, description="boxes that are kept of an image, the most probable ones"
    )
    threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="score from which a box is reported as an object; by default the one with the "
        "best F1 on validation. Average precision is over all scores",
    )
    nms: float | None = Field(
        None,
        gt=0,
        le=1,
        description="of boxes of one class that overlap by more (IoU), only the best is kept; "
        "detectors of the DETR family need none",
    )
    on_corrupt: OnCorrupt = "error"
    cache: CacheImages = "auto"

    @model_validator(mode="after")
    def _one_way(self) -> DetectionOptions:
        if self.tiles is not None and (self.size is not None or self.keep_ratio):
            raise ValueError("tiles keep the resolution of images: leave out size and keep_ratio")
        return self

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width, where they are given."""
        if self.tiles is not None:
            return self.tiles.size, self.tiles.size
        return (self.size, self.size) if isinstance(self.size, int) else self.size
