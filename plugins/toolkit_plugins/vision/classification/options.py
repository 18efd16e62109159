"""Options of image classification."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import Field, field_validator

from toolkit.errors import Fault, RecipeError
from toolkit.plugin_types import LabelColumn, Options
from toolkit.tasks.classification import ClassWeights, positive_faults
from toolkit_plugins.vision.augment import Augment
from toolkit_plugins.vision.options import CacheImages, ImageColumn, OnCorrupt


class ImageOptions(Options):
    """Options of image classification."""

    image: ImageColumn = "image"
    label: LabelColumn = Field("label", description="column of the label; a folder's name")
    size: int | None = Field(
        None, ge=8, le=4096, description="pixels a side; by default that of the image processor"
    )
    levels: tuple[float, float] | None = Field(
        None,
        description="values of black and white in images of more than 8 bits; by default the "
        "minimum and maximum over all images",
    )
    augment: Augment | None = Field(
        Augment(crop=0.5, flip="horizontal"), description="data augmentation; null turns it off"
    )
    on_corrupt: OnCorrupt = "error"
    cache: CacheImages = "auto"
    batch_norm: Literal["auto", "train", "freeze"] = Field(
        "auto",
        description="statistics of BatchNorm layers: frozen (auto, where they are pretrained) or "
        "updated; auto also corrects a momentum above 0.5, with which only the last batches count",
    )
    class_weights: ClassWeights = None
    positive: str | None = Field(
        default=None, description="the positive one of two classes; by default the last"
    )
    operating_point: str | None = Field(
        None,
        description="how the threshold for the positive class is chosen on validation: 'youden', "
        "'sensitivity >= 0.95' or 'specificity >= 0.9'; with 'sensitivity >= 0.95 with confidence "
        "0.95' the lower bound of the rate has to reach it; by default the more likely class is "
        "predicted",
    )

    @field_validator("levels")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError("are two numbers, of which the second is larger: [0, 4095]")
        return value

    @field_validator("operating_point")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            read_point(value)
        return value


class Point(NamedTuple):
    """A rule for the threshold: "youden", or the "sensitivity" or "specificity" to reach.

    confidence: of the lower bound that has to reach it; None where the rate itself has to.
    """

    rule: str
    wanted: float = 0.0
    confidence: float | None = None


def read_point(text: str) -> Point:
    """Return the rule that a text names."""
    share = r"(0?\.\d+|1(?:\.0*)?)"
    match = re.fullmatch(
        rf"\s*(sensitivity|specificity)\s*>=\s*{share}(?:\s+with\s+confidence\s+{share})?\s*", text
    )
    if text.strip() == "youden":
        return Point("youden")
    if match is None:
        raise ValueError("write youden, or 'sensitivity >= 0.95', or 'specificity >= 0.9', or "
                         "'sensitivity >= 0.95 with confidence 0.95'")  # fmt: skip
    found = Point(match[1], float(match[2]), float(match[3]) if match[3] else None)
    if found.confidence is not None and (found.wanted == 1 or not 0.5 <= found.confidence < 1):
        raise ValueError("no rows can show that: with a confidence (0.5 to 0.999), a share below 1")
    return found


def check_two_classes(options: ImageOptions, names: Sequence[str]) -> None:
    """Refuse options of two classes that do not fit the classes.

    Raises:
        RecipeError: `positive` is no class, or there are not two.
    """
    faults = positive_faults(options.positive, names)
    if options.operating_point is not None and len(names) != 2:
        what = f"is for two classes, and there are {len(names)}"
        faults.append(Fault("options.operating_point", what))
    if faults:
        raise RecipeError(faults)
