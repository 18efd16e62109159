"""Python processes that the toolkit starts, which import what this one would."""

from __future__ import annotations

import sys


def python(*arguments: str) -> list[str]:
    """Return the command of a Python process without the current folder on its path.

    With `-m` and `-c` it would come first there, and a `random.py` or `datasets.py` beside a recipe
    would hide the library of that name.
    """
    return [sys.executable, "-P", *arguments]
