"""Curves and images of a run: `figures/<name>.json` with the points, and an SVG or PNG to see."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from toolkit.evaluation.baselines import Attempt
from toolkit.plugin_types import Curve, Figure
from toolkit.reporting import charts
from toolkit.utils.files import write_atomically, writing


def write(
    run: Path,
    figures: Mapping[str, Figure],
    attempt: Attempt = lambda *what: nullcontext(),
) -> dict[str, str]:
    """Write figures into a run's folder; return name -> path of the image within the run."""
    found: dict[str, str] = {}
    stems: list[str] = []
    for name, figure in figures.items():
        stems.append(_stem(name, stems))
        path = run / "figures" / f"{stems[-1]}.{'svg' if isinstance(figure, Curve) else 'png'}"
        path.parent.mkdir(exist_ok=True)
        with attempt("figure", name):
            if isinstance(figure, Curve):
                write_atomically(path, svg(figure))
                points = json.dumps(asdict(figure), default=float)
                write_atomically(path.with_suffix(".json"), points + "\n")
            else:
                with writing(path, "wb") as file:
                    figure.save(file, "png")
            found[name] = path.relative_to(run).as_posix()
    return found


def _stem(name: str, taken: Collection[str]) -> str:
    """Return a name as a file's within the folder: a figure may be named after a class."""
    stem = re.sub(r"[^\w.-]+", "_", name).lstrip(".")[:100] or "figure"
    while stem in taken:
        stem += "_"
    return stem


def svg(curve: Curve) -> str:
    """Return a curve as a separate image, readable without colours."""
    return charts.lines(
        curve.lines, curve.x, curve.y, curve.marks, title=curve.title, page=False, height=4.0
    )
