"""Charts by matplotlib, as SVG: reproducible to the byte, and legible without colours.

Colours are those of Okabe and Ito (2008), some darkened for contrast on white; every line also has
its own dashes or markers. On a page colours are CSS variables, which follow the dark mode; a chart
in a file of its own has a white background.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

from toolkit.reporting.formatting import cut
from toolkit.utils.text import printable_line

Point = tuple[float, float]

INK, RULE = "#1a1a1a", "#d9d9d9"
COLOURS = ("#0072b2", "#c75400", "#00805d", "#a8528a", "#6b6b6b", "#8f6500")
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (2, 2)), (0, (6, 2, 2, 2)))
RINGS = ("o", "s", "D", "^")  # around points that are marked
MARKERS = ("o", "s", "^", "D", "v", "P")
WIDTH = 5.2  # inches of 72 units: about as wide as a phone
POINTS = 300  # of a line, at most
FEW = 40  # points, up to which each is marked
LONGEST = 36  # characters of a name
NAME = 28  # of one beside an axis


def text(value: object, longest: int = LONGEST) -> str:
    """Return text for XML, in one line and without control characters."""
    return re.sub("[\ud800-\udfff\ufffe\uffff]", "\ufffd", printable_line(cut(value, longest)))


def thinned(points: Sequence[Any], most: int = POINTS) -> list[Any]:
    """Return points at even steps, including the first and the last."""
    if len(points) <= most:
        return list(points)
    step = (len(points) - 1) / (most - 1)
    return [points[round(place * step)] for place in range(most)]


def lines(
    drawn: Mapping[str, Sequence[Point]],
    x: str,
    y: str,
    marks: Mapping[str, Point] = {},
    *,
    title: str = "",
    name: str = "",
    key: str = "",
    page: bool = True,
    height: float = 3.4,
) -> str:
    """Return lines over two axes as SVG.

    Args:
        drawn: name -> points in their order. marks: name -> a highlighted point.
        title: drawn above a chart in a file of its own. name: for screen readers.
        key: unique among the charts of a page.
        page: whether it is part of a page, and uses its colours.
    """
    with _figure(key, height) as (figure, axes):
        for place, (line, points) in enumerate(drawn.items()):
            _plot(axes, place, line, thinned(points), 4)
        for place, (mark, point) in enumerate(marks.items()):  # named in the legend, on no line
            axes.plot(*point, RINGS[place % len(RINGS)], color=INK, markersize=9, fillstyle="none",
                      markeredgewidth=1.8, label=text(mark))  # fmt: skip
        _finish(figure, axes, x, y, title, len(drawn) + len(marks) > 1)
        return _svg(figure, name or title, page)


def intervals(
    rows: Sequence[tuple[str, Mapping[str, Any]]],
    x: str,
    *,
    strong: Sequence[int] = (),
    line: float | None = None,
    name: str = "",
    key: str = "",
) -> str:
    """Return values with their intervals, one below the other, on one axis.

    Args:
        rows: (name, {value, low, high}), the first on top. strong: those to highlight.
        line: a value to compare all with.
    """
    with _figure(key, 0.8 + 0.34 * len(rows)) as (figure, axes):
        for place, (_, score) in enumerate(rows):
            value, low, high = (score.get(key) for key in ("value", "low", "high"))
            if value is None:
                continue
            own = place in strong
            colour = COLOURS[0] if own else COLOURS[4]
            if low is not None and high is not None:
                axes.plot([low, high], [place, place], color=colour, linewidth=3.5 if own else 2)
            axes.plot(value, place, MARKERS[0] if own else MARKERS[1], color=colour,
                      markersize=8 if own else 5)  # fmt: skip
        if line is not None:
            axes.axvline(line, color=INK, linestyle=(0, (2, 2)), linewidth=1)
        axes.set_yticks(range(len(rows)), [text(label, NAME) for label, _ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.margins(x=0.06)
        _finish(figure, axes, x, "", "", False, "x")
        return _svg(figure, name, True)


def reliability(
    series: Mapping[str, Sequence[Point]],
    shares: Sequence[float],
    band: Sequence[tuple[float, float, float]] = (),
    *,
    name: str,
    key: str = "reliability",
) -> str:
    """Return a reliability diagram: accuracy over confidence, above a histogram of confidence.

    Args:
        series: name -> (confidence, accuracy) of each bin that is not empty. shares: of all rows,
            per bin of equal width. band: (confidence, low, high) of what chance allows.
    """
    with _figure(key, 4.2, [3, 1]) as (figure, (axes, below)):
        if band:
            label = "range if calibrated"
            axes.vlines(*zip(*band, strict=True), color=RULE, linewidth=9, label=label)
        for place, (line, points) in enumerate(series.items()):
            _plot(axes, place, line, points, 5)
        axes.plot([0, 1], [0, 1], color=INK, linestyle=(0, (1, 2)), linewidth=1, label="perfect")
        width = 1 / len(shares)
        middles = [(place + 0.5) * width for place in range(len(shares))]
        below.bar(middles, shares, width * 0.9, color=COLOURS[4])
        for part in (axes, below):
            part.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.tick_params(labelbottom=False)
        _finish(figure, axes, "", "accuracy", "", True)
        _finish(figure, below, "confidence", "share", "", False)
        return _svg(figure, name, True)


def points(
    series: Mapping[str, Sequence[Point]],
    x: str,
    y: str,
    mark: tuple[str, Point] | None = None,
    *,
    name: str = "",
    key: str = "",
) -> str:
    """Return points over two axes, each series with a marker of its own. mark: highlighted."""
    with _figure(key, 3.4) as (figure, axes):
        for place, (label, drawn) in enumerate(series.items()):
            across, up = zip(*drawn, strict=True) if drawn else ((), ())
            axes.plot(across, up, MARKERS[place % len(MARKERS)], label=text(label), markersize=6,
                      color=COLOURS[place % len(COLOURS)])  # fmt: skip
        if mark is not None:
            axes.plot(*mark[1], "o", color=INK, markersize=13, fillstyle="none",
                      markeredgewidth=1.8, label=text(mark[0]))  # fmt: skip
        _finish(figure, axes, x, y, "", bool(mark) or len(series) > 1)
        return _svg(figure, name, True)


def parallel(
    axes_named: Sequence[tuple[str, Mapping[float, str]]],
    lines_drawn: Sequence[tuple[Sequence[float | None], str]],
    *,
    name: str = "",
    key: str = "",
) -> str:
    """Return parallel coordinates: an axis from 0 to 1 for each setting, a line for each row.

    Args:
        axes_named: title of an axis, and places on it -> what stands there. lines_drawn: places on
            the axes (None: the row has none there), and how the line is drawn: "best", "upper"
            or "lower".
    """
    looks: dict[str, dict[str, Any]] = {
        "lower": {"color": COLOURS[4], "linewidth": 0.9, "linestyle": (0, (2, 2))},
        "upper": {"color": COLOURS[0], "linewidth": 1.8, "linestyle": "-"},
        "best": {"color": INK, "linewidth": 3.2, "linestyle": "-", "marker": "o"},
    }
    with _figure(key, 3.8) as (figure, axes):
        for look in looks:
            for places, own in lines_drawn:
                if own == look:
                    across = [at for at, place in enumerate(places) if place is not None]
                    axes.plot(across, [places[at] for at in across], **looks[look])
        for at, (_, ticks) in enumerate(axes_named):
            axes.axvline(at, color=INK, linewidth=0.8)
            for place, label in ticks.items():
                axes.annotate(text(label, 12), (at, place), xytext=(4, 0), fontsize=9,
                              textcoords="offset points", va="center")  # fmt: skip
        axes.set_xticks(range(len(axes_named)), [text(title, 22) for title, _ in axes_named])
        axes.set_yticks([])
        axes.set_ylim(-0.06, 1.06)
        axes.set_xlim(-0.25, len(axes_named) - 1 + 0.55)
        axes.spines["left"].set_visible(False)
        if len(axes_named) > 4:
            axes.tick_params(axis="x", labelrotation=30)
        _finish(figure, axes, "", "", "", False, "x")
        return _svg(figure, name, True)


def _plot(axes: Any, place: int, line: str, points: Sequence[Point], size: int) -> None:
    """Draw a line in the colour, dashes and markers of its place among the others."""
    x, y = zip(*points, strict=True) if points else ((), ())
    axes.plot(x, y, color=COLOURS[place % len(COLOURS)], linestyle=DASHES[place % len(DASHES)],
              marker=MARKERS[place % len(MARKERS)] if len(points) <= FEW else None,
              markersize=size, label=text(line))  # fmt: skip


@contextmanager
def _figure(key: str, height: float, ratios: Sequence[int] = (1,)) -> Iterator[tuple[Any, Any]]:
    """Return a figure and its axes, in a fixed style, whatever the user's matplotlibrc.

    key: makes the ids in the SVG unique among the charts of a page.
    """
    import matplotlib
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "none", "svg.hashsalt": f"toolkit {key}", "text.parse_math": False,
        "font.family": "sans-serif", "font.size": 11, "text.color": INK, "axes.edgecolor": INK,
        "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.linewidth": 0.8,
        "axes.spines.top": False, "axes.spines.right": False, "grid.color": RULE,
        "grid.linewidth": 0.8, "axes.axisbelow": True, "lines.linewidth": 1.8,
        "axes.unicode_minus": False, "axes.formatter.useoffset": False, "text.usetex": False,
        "path.simplify": True, "axes.facecolor": "none",
    }  # fmt: skip
    with warnings.catch_warnings(), matplotlib.rc_context():
        # Missing glyphs do not matter: the text is drawn with a font of the reader.
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        yield figure, figure.subplots(len(ratios), 1, height_ratios=ratios)


def _finish(
    figure: Any, axes: Any, x: str, y: str, title: str, legend: bool, grid: str = "both"
) -> None:
    axes.grid(axis=grid)
    axes.set_xlabel(text(x, 70))
    axes.set_ylabel(text(y, 40))
    if title:
        axes.set_title(text(title, 70), loc="left")
    if legend:
        longest = max(len(label) for label in axes.get_legend_handles_labels()[1])
        beside = max(1, int(72 * WIDTH / (60 + 6 * longest)))
        figure.legend(loc="outside upper left", ncols=beside, frameon=False, handlelength=3.2,
                      columnspacing=1.5, borderpad=0)  # fmt: skip


def _svg(figure: Any, name: str, page: bool) -> str:
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    file = io.StringIO()
    figure.set_facecolor("none" if page else "white")
    # Not `savefig`, which draws everything twice.
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(file, metadata=dict.fromkeys(("Date", "Type", "Format", "Creator")))
    found = file.getvalue()
    found = found[found.index("<svg") :].replace("xlink:href", "href")
    found = re.sub(r"<!--.*?-->|<style.*?</style>", "", found, flags=re.S)
    label = escape(text(name, 200))
    spaces = "" if page else ' xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"'
    look = f'role="img" aria-label="{label}" stroke-linejoin="round" stroke-linecap="butt"'
    title = "" if page else f"<title>{label}</title>"
    head, _, drawing = found.partition(">")
    box = re.findall(r'viewBox="[^"]*"', head)[0]
    found = f"<svg{spaces} {box} {look}>{title}{drawing}"
    found = re.sub(r"font-family: [^;\"]*(; )?", "", found)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', found))
    found = re.sub(r'\sid="([^"]*)"', lambda m: m[0] if m[1] in used else "", found)
    if page:
        found = found.replace(INK, "currentColor").replace(RULE, "var(--rule)")
        for place, colour in enumerate(COLOURS):
            found = found.replace(colour, f"var(--s{place})")
    return re.sub(r"\n\s*", "\n", found).strip() + "\n"
