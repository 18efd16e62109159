"""Contact sheet of what training sees: augmented images with their boxes or masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.vision import contact_sheet
from toolkit_plugins.vision.annotated import Colour, annotated

if TYPE_CHECKING:
    from toolkit_plugins.vision.canvas import Canvas
    from toolkit_plugins.vision.dense_augment import DenseAugment

SHOWN = 12  # images: three lines of the sheet


def training_sheet(
    wanted: DenseAugment | None,
    canvas: Canvas,
    canvases: Any,
    contents: Any,
    colours: Mapping[str, Colour],
    seed: int,
    boxes: Sequence[Any] | None = None,
    labels: Sequence[Sequence[str]] | None = None,
    masks: Any = None,
    hidden: Sequence[str] = (),
) -> Any:
    """Return a contact sheet of images as a batch of training sees them; padding is cut off.

    Args:
        canvases, contents: as `Canvas.canvases` returns them.
        colours: of the classes, by `annotated.class_colours`.
        boxes, labels: of each image, (n, 4) in canvas pixels, and n classes.
        masks: as `Canvas.mask_canvases` returns them.
        hidden: classes of masks that are not painted.
    """
    import torch

    from toolkit_plugins.vision.dense_augment import moved

    images = torch.from_numpy(np.array(canvases)).permute(0, 3, 1, 2).float() / 255
    given = None
    if boxes is not None:
        given = [torch.tensor(np.asarray(one, np.float32).reshape(-1, 4)) for one in boxes]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = moved(wanted, canvas)(
            images,
            given,
            None if masks is None else torch.from_numpy(np.array(masks)),
            torch.from_numpy(np.array(contents)),
        )
    names = [name for one in labels or () for name in one]
    cells, captions = [], []
    for row, values in enumerate(contact_sheet.as_pixels(found.images)):
        height, width = found.content[row].tolist()
        objects = []
        if found.boxes is not None and found.kept is not None:
            pairs = zip(found.boxes[row].tolist(), found.kept[row].tolist(), strict=True)
            objects = [{"box": box, "label": names[place]} for box, place in pairs]
        mask = None if found.masks is None else found.masks[row, :height, :width].numpy()
        part = values[:height, :width]
        cells.append(annotated(part, colours, actual=objects, mask=mask, hidden=hidden))
        captions.append("" if found.boxes is None else f"{len(objects):,} objects")
    return contact_sheet.annotated_sheet(cells, captions, colours)
