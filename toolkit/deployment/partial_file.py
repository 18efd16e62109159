"""Predictions of an unfinished call, kept beside its output: a line about them, and one each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

from toolkit.errors import UserError


def start(path: Path, head: Mapping[str, str], resume: bool) -> int:
    """Start the file of predictions with a line that identifies them, or take up an earlier one.

    Return how many rows there are already; half a line at the end is cut off.
    """
    first, rows, end = f"{json.dumps(head)}\n".encode(), 0, 0
    path.open("ab" if resume else "wb").close()
    with path.open("r+b") as file:
        for rows, line in enumerate(takewhile(lambda line: line.endswith(b"\n"), file)):
            if not rows and line != first:
                raise UserError(f"{path} belongs to another model or another input: delete it")
            end += len(line)
        file.truncate(end)
        if not end:
            file.seek(0)
            file.write(first)
    return rows
