"""Curves and pictures of a run: `figures/<name>.json` with the points, and an SVG or PNG to see."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from toolkit import shown

if TYPE_CHECKING:
    from PIL.Image import Image

Point = tuple[float, float]

WIDTH, HEIGHT, LEFT, TOP, BELOW = 480, 320, 56, 32, 44
COLOURS = ("#0060a8", "#c04000", "#2f7d32", "#7b3fa0", "#8a6d00", "#555555")


@dataclass(frozen=True)
class Curve:
    """Lines over two axes.

    title, x, y: what is shown, and what the axes measure. lines: name -> points (x, y), drawn in
    their order. marks: name -> a point that stands out, the threshold that was chosen, say.
    """

    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[Point]]
    marks: Mapping[str, Point] = field(default_factory=dict)


Figure: TypeAlias = Union[Curve, "Image"]


def write(run: Path, figures: Mapping[str, Figure]) -> dict[str, str]:
    """Write figures into a run's folder; return name -> path of the picture within the run."""
    found: dict[str, str] = {}
    stems: list[str] = []
    for name, figure in figures.items():
        stems.append(_stem(name, stems))
        (run / "figures").mkdir(exist_ok=True)
        if isinstance(figure, Curve):
            path = run / "figures" / f"{stems[-1]}.svg"
            points = json.dumps(asdict(figure), default=float)
            path.with_suffix(".json").write_text(points + "\n", encoding="utf-8")
            path.write_text(svg(figure), encoding="utf-8")
        else:
            path = run / "figures" / f"{stems[-1]}.png"
            figure.save(path)
        found[name] = path.relative_to(run).as_posix()
    return found


def _text(text: str) -> str:
    """Return text as SVG holds it: XML knows no control characters, not even written out."""
    return escape(shown.line(text))


def _stem(name: str, taken: Collection[str]) -> str:
    """Return a name as a file's within the folder: a figure may be named after a class."""
    stem = re.sub(r"[^\w.-]+", "_", name).lstrip(".")[:100] or "figure"
    while stem in taken:
        stem += "_"
    return stem


def svg(curve: Curve) -> str:
    """Return a curve as a picture that stands alone, and can be read without colours."""
    points = [p for line in curve.lines.values() for p in line] + list(curve.marks.values())
    x, y = (_Axis.over([p[side] for p in points]) for side in (0, 1))

    def place(point: Point) -> str:
        across = LEFT + x.share(point[0]) * (WIDTH - LEFT - 16)
        return f"{across:.1f},{HEIGHT - BELOW - y.share(point[1]) * (HEIGHT - TOP - BELOW):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="11" fill="#222">',
        f"<title>{_text(curve.title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="13">{_text(curve.title)}</text>',
    ]
    for tick in x.ticks:
        foot = place((tick, y.low)).split(",")
        parts.append(f'<path d="M{place((tick, y.low))}L{place((tick, y.high))}" stroke="#ddd"/>')
        parts.append(f'<text x="{foot[0]}" y="{float(foot[1]) + 14}" '
                     f'text-anchor="middle">{tick:.4g}</text>')  # fmt: skip
    for tick in y.ticks:
        start = place((x.low, tick)).split(",")
        parts.append(f'<path d="M{place((x.low, tick))}L{place((x.high, tick))}" stroke="#ddd"/>')
        parts.append(f'<text x="{float(start[0]) - 6}" y="{float(start[1]) + 4}" '
                     f'text-anchor="end">{tick:.4g}</text>')  # fmt: skip
    middle = (HEIGHT - BELOW + TOP) / 2
    parts.append(f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">'
                 f"{_text(curve.x)}</text>")  # fmt: skip
    parts.append(f'<text transform="translate(14,{middle}) rotate(-90)" text-anchor="middle">'
                 f"{_text(curve.y)}</text>")  # fmt: skip
    for number, (name, line) in enumerate(curve.lines.items()):
        colour, dashes = COLOURS[number % len(COLOURS)], ("", "6 3", "2 3")[number % 3]
        drawn = " ".join(map(place, line))
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" '
                     f'stroke-width="1.6" stroke-dasharray="{dashes}"/>')  # fmt: skip
        height = TOP + 12 + 15 * number
        parts.append(f'<path d="M{WIDTH - 150},{height - 4}h22" stroke="{colour}" '
                     f'stroke-width="1.6" stroke-dasharray="{dashes}"/>')  # fmt: skip
        parts.append(f'<text x="{WIDTH - 124}" y="{height}">{_text(name)}</text>')
    for name, point in curve.marks.items():
        at = place(point).split(",")
        parts.append(f'<circle cx="{at[0]}" cy="{at[1]}" r="4" stroke="#000" fill="none"/>')
        parts.append(f'<text x="{float(at[0]) + 7}" y="{float(at[1]) + 12}">'
                     f"{_text(name)}</text>")  # fmt: skip
    return "\n".join([*parts, "</svg>\n"])


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    ticks: list[float]

    @classmethod
    def over(cls, values: Sequence[float]) -> _Axis:
        """Return an axis over values, with about five round ticks."""
        import numpy as np

        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0  # shares keep their frame, so that runs can be compared by eye
        if low == high:
            low, high = low - 0.5, high + 0.5
        rough = (high - low) / 5
        size = 10.0 ** np.floor(np.log10(rough))
        step = float(size * next(m for m in (1, 2, 5, 10) if m * size >= rough * 0.999))
        ticks = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
        return cls(low, high, [float(tick) for tick in ticks])

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)
