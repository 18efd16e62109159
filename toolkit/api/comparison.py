"""Runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


class RunComparison:
    """Finished runs beside the first of them, on the same rows; see `compare`.

    reference: the first run. others: each other, with `differences` (metric -> difference, its 95%
    interval, p and verdict), the rows that changed, and the settings that differ.
    """

    def __init__(self, runs: Sequence[str], split: str) -> None:
        from toolkit.runs.compare_seeds import compare_named

        self.split = split
        self.reference, self.others = compare_named(runs, split)

    def to_dict(self) -> dict[str, Any]:
        """Return what `toolkit compare --json` prints."""
        from toolkit.reporting import comparison

        return comparison.as_json(self.reference, self.others, self.split)

    def summary(self) -> None:
        """Print what `toolkit compare` prints."""
        from rich.console import Console

        from toolkit.reporting import comparison

        comparison.show(self.reference, self.others, Console(), self.split)

    def write_html(self, path: str | Path) -> Path:
        """Write the comparison as one page, and return its path."""
        from toolkit.reporting.html.comparison import page
        from toolkit.utils.files import write_atomically

        write_atomically(Path(path), page(self.reference, self.others, self.split))
        return Path(path)
