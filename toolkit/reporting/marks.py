"""Masks drawn in their classes' colours, and what these stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.plugin_types import PredictionFile, open_file
from toolkit.reporting import charts
from toolkit.utils.pictures import FORMATS, resized, room_for

PREDICTED, ACTUAL = charts.COLOURS[1], charts.COLOURS[0]
#: Of classes 1, 2 and so on, and again from the start: Okabe and Ito's and Tol's, told apart by
#: most people who see few colours.
CLASSES = (PREDICTED, ACTUAL, *charts.COLOURS[2:], "#e6c229", "#56b4e9", "#882255", "#44aa99",
           "#ddcc77", "#332288", "#cc6677", "#117733", "#88ccee", "#aa4499", "#999933")  # fmt: skip
STRENGTH = 140  # of 255: how much a colour hides of the image
LEGEND = 24  # classes that are named, those with the most pixels
LINE, PATCH, GAP = 14, 10, 12  # pixels: of a line of the legend, its colours, and between names


def small(mask: Any, size: tuple[int, int]) -> Any:
    """Return class numbers at a size (width, height): each pixel is that of the nearest."""
    from PIL import Image

    if isinstance(mask, PredictionFile):
        opened = Image.open(open_file(mask), formats=FORMATS)
        with room_for(opened):
            return np.asarray(resized(opened, size, Image.Resampling.NEAREST)).astype(int)
    given = np.asarray(mask).astype(int)
    rows, columns = ((np.arange(new) + 0.5) * (old / new) for new, old in
                     zip(reversed(size), given.shape, strict=True))  # fmt: skip
    return given[np.ix_(rows.astype(int), columns.astype(int))]


def masked(image: Any, classes: Any) -> Any:
    """Return a Pillow image with a mask of its size over it, shape (height, width); 0 is clear."""
    from PIL import Image

    palette = np.array([tuple(bytes.fromhex(c[1:])) for c in CLASSES], np.uint8)
    colours = Image.fromarray(palette[(classes - 1) % len(palette)])
    seen = Image.fromarray(np.where(classes > 0, STRENGTH, 0).astype(np.uint8))
    return Image.composite(colours, image, seen)


def with_legend(image: Any, masks: Sequence[Any], names: Mapping[int, str]) -> Any:
    """Return an image with the names of the classes in its masks beneath, in their colours.

    Where there are two masks, it also says which is which. Without names nothing is added.
    """
    from PIL import Image, ImageDraw

    there = np.bincount(np.concatenate([mask[mask > 0].ravel() for mask in masks] or [[]])
                        .astype(int))  # fmt: skip
    shown = [int(n) for n in np.argsort(-there, kind="stable") if there[n] and n in names][:LEGEND]
    if not shown:
        return image
    pen = ImageDraw.Draw(image)
    places, x, y = list[tuple[int, int, int]](), 2, 2 + LINE * (len(masks) > 1)
    for number in shown:
        wide = PATCH + 4 + round(pen.textlength(_name(names[number])))
        if x + wide > image.width and x > 2:
            x, y = 2, y + LINE
        places.append((number, x, y))
        x += wide + GAP
    whole = Image.new("RGB", (image.width, image.height + y + LINE + 2), "white")
    whole.paste(image, (0, 0))
    pen = ImageDraw.Draw(whole)
    for place, title in enumerate(("predicted", "actual") if len(masks) > 1 else ()):
        pen.text((2 + place * (image.width + 4) // 2, image.height + 1), title, fill="black")
    for number, x, y in places:
        top = image.height + y
        colour = CLASSES[(number - 1) % len(CLASSES)]
        pen.rectangle((x, top + 1, x + PATCH, top + 1 + PATCH), fill=colour)
        pen.text((x + PATCH + 4, top), _name(names[number]), fill="black")
    return whole


def _name(name: str) -> str:
    return charts.text(name)
