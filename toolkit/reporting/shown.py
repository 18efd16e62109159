"""What `Plugin.show` returns, as it is stored in a run's folder, and as HTML."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from markupsafe import Markup
from pydantic import BaseModel, Field

from toolkit.plugin_types import (
    Box,
    MarkedImage,
    MarkedText,
    PredictionFile,
    Series,
    Shown,
    SideBySide,
    Sound,
    open_file,
)
from toolkit.reporting import charts, marks
from toolkit.reporting.formatting import cut
from toolkit.reporting.images import as_jpeg
from toolkit.utils.pictures import FORMATS, resized, room_for

LONGEST = 2000  # characters of a text
SIDE = 320  # pixels of an image
SOUND = 400_000  # bytes of a sound
STEPS = 500  # of a line in a series
PREDICTED, ACTUAL = marks.PREDICTED, marks.ACTUAL
DATA = r"^(data:(image|audio)/[\w.+-]+;base64,[A-Za-z0-9+/=]*)?$"


Piece = tuple[str, str | None, str | None]


class Part(BaseModel):
    """A part of what is shown of a row.

    pieces: of a text, each with the label of a predicted and of an actual span (or None). beside:
    title -> pieces. data: an image or a sound as a data URI. lines: name -> (number of its first
    step, values).
    """

    kind: Literal["text", "beside", "image", "sound", "series"]
    pieces: list[Piece] = []
    beside: dict[str, list[Piece]] = {}
    data: Annotated[str, Field(pattern=DATA)] = ""
    lines: dict[str, tuple[int, list[float | None]]] = {}

    @property
    def marked(self) -> bool:
        """Whether it has what is predicted marked in it."""
        return self.kind in ("beside", "image", "series") or any(
            mark is not None for _, *marks in self.pieces for mark in marks
        )


def stored(parts: Iterable[Shown]) -> list[Part]:
    """Return parts as they are stored: texts cut, images small and with their marks drawn in.

    Raises:
        TypeError: something else than the types of `toolkit.plugin_types.shown`.
    """
    return [_stored(part) for part in parts]


def _stored(part: Shown) -> Part:
    if isinstance(part, str | MarkedText):
        return Part(kind="text", pieces=_pieces(part))
    if isinstance(part, SideBySide):
        beside = {title: _pieces(text) for title, text in part.texts.items()}
        return Part(kind="beside", beside=beside)
    if isinstance(part, MarkedImage):
        return Part(kind="image", data=_drawn(part))
    if isinstance(part, Sound):
        return _sound(part.file)
    if isinstance(part, Series):
        lines = {
            name: (start, [_number(value) for value in values[:STEPS]])
            for name, (start, values) in part.lines.items()
        }
        return Part(kind="series", lines=lines)
    raise TypeError(f"show returned {type(part).__name__}: it takes str, MarkedText, SideBySide, "
                    "MarkedImage, Sound and Series")  # fmt: skip


def _number(value: Any) -> float | None:
    found = float(value)
    return found if np.isfinite(found) else None


def _pieces(shown: str | MarkedText) -> list[Piece]:
    """Return the text, cut wherever a span begins or ends."""
    return list(_cut_at_spans(shown if isinstance(shown, MarkedText) else MarkedText(shown)))


def _cut_at_spans(marked: MarkedText) -> Iterable[Piece]:
    text = cut(marked.text, LONGEST)
    ends = {0, len(text), *(at for span in marked.spans for at in (span.start, span.end))}
    places = sorted(at for at in ends if 0 <= at <= len(text))
    for start, end in pairwise(places):
        labels: list[str | None] = [None, None]
        for span in marked.spans:
            if span.start <= start and end <= span.end:
                # A span's label stands once, at its end.
                labels[span.actual] = span.label if end == span.end else ""
        yield text[start:end], labels[0], labels[1]


def _sound(file: Any) -> Part:
    suffix = file.suffix if isinstance(file, PredictionFile) else _suffix(file)
    content = open_file(file).read()
    kind = mimetypes.guess_type(f"x{suffix}")[0] or ""
    if len(content) > SOUND or not kind.startswith("audio/"):
        note = f"({suffix or 'a file'} of {len(content):,} bytes)"
        return Part(kind="text", pieces=[(note, None, None)])
    return Part(kind="sound", data=f"data:{kind};base64,{base64.b64encode(content).decode()}")


def _suffix(cell: Any) -> str:
    path = str((cell.get("path") if isinstance(cell, dict) else cell) or "x.wav")[-8:]
    return "." + path.rpartition(".")[2].lower()


def _drawn(marked: MarkedImage) -> str:
    """Return an image with boxes and masks drawn in; the actual mask stands beside."""
    from PIL import Image, ImageOps

    image = marked.image
    if not isinstance(image, Image.Image):
        image = Image.open(open_file(image), formats=FORMATS)
    with room_for(image):
        whole = ImageOps.exif_transpose(image).convert("RGB")
        # A tiny image would leave no room for names.
        scale = min(SIDE / max(whole.size), max(1, SIDE // max(whole.size)))
        size = max(1, round(whole.width * scale)), max(1, round(whole.height * scale))
        small = resized(whole, size, Image.Resampling.NEAREST if scale > 1 else None)
    masks = [marks.small(mask, size) for mask in (marked.mask, marked.actual_mask)
             if mask is not None]  # fmt: skip
    panels = [marks.masked(small, mask) for mask in masks] or [small]
    for panel in panels:
        _draw_boxes(panel, marked.boxes, scale)
    joined = Image.new("RGB", (sum(p.width for p in panels) + 4 * len(panels) - 4, size[1]))
    for place, panel in enumerate(panels):
        joined.paste(panel, (place * (size[0] + 4), 0))
    return as_jpeg(marks.with_legend(joined, masks, marked.names))


def _draw_boxes(image: Any, boxes: Sequence[Box], scale: float) -> None:
    from PIL import ImageDraw

    pen = ImageDraw.Draw(image)
    for box in sorted(boxes, key=lambda box: not box.actual):  # predicted ones on top
        edges = [scale * at for at in (box.x_min, box.y_min, box.x_max, box.y_max)]
        left, right = sorted(edges[::2])
        top, bottom = sorted(edges[1::2])
        colour = ACTUAL if box.actual else PREDICTED
        pen.rectangle((left, top, right, bottom), outline=colour, width=1 if box.actual else 2)
        if box.label and not box.actual:
            pen.text((left + 3, top + 1), charts.text(box.label), fill=colour)


def html(parts: Sequence[Part], key: str, page: bool = True) -> Markup:
    """Return stored parts as HTML, all outside text in it escaped.

    Args:
        key: unique on a page. page: whether its style sheet has the colours of charts.
    """
    return Markup("").join(_html(part, f"{key} {place}", page) for place, part in enumerate(parts))


def _html(part: Part, key: str, page: bool) -> Markup:
    if part.kind == "image":
        alt = "the image with predicted (thick, orange) and actual (thin, blue) marks"
        return Markup('<img src="{}" alt="{}">').format(part.data, alt)
    if part.kind == "sound":
        return Markup('<audio controls preload="none" src="{}"></audio>').format(part.data)
    if part.kind == "series":
        drawn = {
            name: [(float(start + n), v) for n, v in enumerate(values) if v is not None]
            for name, (start, values) in part.lines.items()
        }
        svg = charts.lines(drawn, "step", "value", name="series", key=key, page=page, height=2.4)
        if page:
            return Markup(svg)  # noqa: S704 - `charts` escapes what it draws
        data = base64.b64encode(svg.encode()).decode()
        return Markup('<img src="data:image/svg+xml;base64,{}" alt="series">').format(data)
    if part.kind == "beside":
        texts = [Markup('<div><p class="tag">{}</p>{}</div>').format(title, _text(pieces))
                 for title, pieces in part.beside.items()]  # fmt: skip
        return Markup('<div class="beside">{}</div>').format(Markup("").join(texts))
    return _text(part.pieces)


def _text(pieces: Iterable[Piece]) -> Markup:
    """Return a text as HTML; its own letters say whether it runs from right to left."""
    marked = Markup("").join(_marked(*piece) for piece in pieces)
    return Markup('<p class="text long marked" dir="auto">{}</p>').format(marked)


def _marked(text: str, predicted: str | None, actual: str | None) -> Markup:
    if predicted is None and actual is None:
        return Markup("{}").format(text)
    found = {kind: label for kind, label in (("predicted", predicted), ("actual", actual))
             if label is not None}  # fmt: skip
    labels = [f"{kind} {cut(label, 40)}" for kind, label in found.items() if label]
    if predicted == actual:
        labels = [cut(actual, 40)] if actual else []
    small = Markup("<small> {}</small>").format(", ".join(labels)) if labels else ""
    return Markup('<mark class="{}">{}{}</mark>').format(" ".join(found), text, small)
