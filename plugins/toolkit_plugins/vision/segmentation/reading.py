"""Rows of images and masks, whatever they come as; and what of them decides how images are seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from toolkit.plugin_types import ReshapedRows
from toolkit.tasks.masks.png import image_size
from toolkit_plugins.vision.images import in_threads
from toolkit_plugins.vision.segmentation import kinds

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin_types import SourceRows
    from toolkit.recipe.schema import Source
    from toolkit_plugins.vision.masks.known import KnownMasks
    from toolkit_plugins.vision.masks.reading import MaskOptions
    from toolkit_plugins.vision.segmentation.options import SegmentationOptions

OBJECTS = "objects"  # the column of polygons, where these are what a source holds
MEASURED = 500  # training images by which the size is chosen


def read(source: Source, labelled: bool, options: SegmentationOptions) -> SourceRows | None:
    """Return the rows of folders of images and masks, or of annotation files with polygons."""
    from toolkit_plugins.vision import annotations, masks

    found = masks.read(source, labelled, options.image, options.mask or kinds.MASK)
    if found is not None or not labelled:
        return found
    return annotations.read(source, labelled, options.image, OBJECTS, shapes=True)


def reshaped(
    rows: datasets.Dataset, split: str, options: SegmentationOptions, known: KnownMasks | None
) -> tuple[ReshapedRows, KnownMasks | None]:
    """Return rows with masks in the canonical form, and how masks are read.

    Raises:
        DataError: masks cannot be read or understood.
    """
    from toolkit_plugins.vision import masks

    known_as = cast("MaskOptions", options)  # with a column of masks, as kind: semantic has one
    mask = known_as.mask
    if OBJECTS not in rows.column_names or mask in rows.column_names or split == "predict":
        return masks.reshaped(rows, split, known_as, known)
    names = list(known.source or known.names) if known is not None else None
    painted = masks.from_objects(rows, options.image, OBJECTS, mask, names, split)
    found, known = masks.reshaped(painted.rows, split, known_as, known)
    notes = [*(f"{split}: {note}" for note in painted.notes), *found.notes]
    return replace(found, notes=notes), known


def saved_processor(folder: Path) -> Any:
    """Return the image processor of a saved model."""
    from transformers import AutoImageProcessor

    auto: Any = AutoImageProcessor
    return auto.from_pretrained(folder, backend="pil")


def usual_size(train: datasets.Dataset, column: str) -> tuple[int, int]:
    """Return height and width that suit the training images: their medians, within a limit."""
    import torch

    from toolkit_plugins.vision import canvas

    step = max(1, len(train) // MEASURED)
    places: Iterable[int] = range(0, len(train), step)
    cells = train.select_columns([column]).select(places)[column]
    longest = canvas.LONGEST if torch.cuda.is_available() else canvas.LONGEST_ON_CPU
    return canvas.default_size(in_threads(image_size, cells), longest)
