"""What a recipe may say about pictures."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, field_validator

from toolkit.plugin_types import Column, LabelColumn, Options
from toolkit_plugins.vision.augment import Augment
from toolkit_plugins.vision.images import SUFFIXES

ImageColumn = Annotated[str, Column("input", as_text=True, files=SUFFIXES)]


class ImageOptions(Options):
    """Options of image classification."""

    image: ImageColumn = Field("image", description="column of the picture, or of its path")
    label: LabelColumn = Field("label", description="column of the label; a folder's name")
    size: int | None = Field(
        None, ge=8, le=4096, description="pixels a side; by default as the model's processor says"
    )
    augment: Augment | None = Field(
        Augment(crop=0.5, flip="horizontal"), description="null leaves pictures as they are"
    )
    on_corrupt: Literal["error", "skip"] = Field(
        "error", description="files that cannot be read end the run, or are set aside and counted"
    )
    cache: Literal["auto", "always", "never"] = Field(
        "auto", description="keep decoded pictures on disk (auto: up to 2 GiB a split)"
    )
    batch_norm: Literal["auto", "train", "freeze"] = Field(
        "auto",
        description="statistics of BatchNorm layers: frozen (auto, where they are pretrained), or "
        "going on; auto also mends a momentum that follows the last batch alone",
    )
    class_weights: Literal["balanced"] | dict[str, PositiveFloat] | None = Field(
        default=None,
        description="'balanced' (inverse to the classes' frequency), or a weight per class",
    )
    positive: str | None = Field(
        default=None, description="the positive one of two classes; by default the last"
    )
    operating_point: str | None = Field(
        None,
        description="how the threshold for the positive class is chosen on validation: 'youden', "
        "'sensitivity >= 0.95' or 'specificity >= 0.9'; by default it is 0.5",
    )

    @field_validator("operating_point")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            read_point(value)
        return value

    @property
    def point(self) -> tuple[str, float]:
        """What `operating_point` says, see `read_point`."""
        return read_point(self.operating_point or "youden")


def read_point(text: str) -> tuple[str, float]:
    """Return "youden", "sensitivity" or "specificity", and the share that it must reach."""
    match = re.fullmatch(r"\s*(sensitivity|specificity)\s*>=\s*(0?\.\d+|1(?:\.0*)?)\s*", text)
    if text.strip() == "youden":
        return "youden", 0.0
    if match is None:
        raise ValueError("write youden, or 'sensitivity >= 0.95', or 'specificity >= 0.9'")
    return match[1], float(match[2])
