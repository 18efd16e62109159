"""Options that several scenarios of images have, with what they mean."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from toolkit.plugin_types import Column
from toolkit_plugins.vision.images import SUFFIXES

ImageColumn = Annotated[
    str,
    Column("input", kind="text", files=SUFFIXES),
    Field(description="column of the image, or of its path"),
]
ObjectsColumn = Annotated[str, Column("target", kind="list")]
OnCorrupt = Annotated[
    Literal["error", "skip"],
    Field(description="unreadable files end the run, or are skipped and counted"),
]
CacheImages = Annotated[
    Literal["auto", "always", "never"],
    Field(description="cache decoded images on disk (auto: up to 2 GiB per split)"),
]
