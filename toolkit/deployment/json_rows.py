"""JSON lines to predict: those that are rows are copied, the others told one by one."""

from __future__ import annotations

import io
import json
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from toolkit.errors import DataError, Fault
from toolkit.plugin_types.columns import Column

TYPES = {"list": list, "object": dict, "number": int | float, "boolean": bool}  # of JSON


def copy_objects(
    lines: IO[bytes],
    clean: Path,
    named: Mapping[str, tuple[str, Column]],
    encoding: str,
    old: Mapping[str, str],
) -> tuple[Any, list[tuple[int, str, Any]]]:
    """Copy the lines that are JSON objects; return their numbers, and what is wrong with others.

    Args:
        encoding: of the lines. old: the model's name of a column -> another one in the lines.
    """
    inputs = {old.get(name, name): mark for name, mark in named.values() if mark.role != "target"}
    numbers, wrong = array("q"), list[tuple[int, str, Any]]()
    text = io.TextIOWrapper(lines, encoding, errors="surrogateescape", newline="\n")
    with clean.open("wb") as file:
        for number, read in enumerate(text, 1):
            line = read.removeprefix("\ufeff")
            if not line.strip():
                continue
            try:
                file.write(_normalized(json.loads(line), inputs))
                numbers.append(number)
                continue
            except RecursionError:
                why = "is nested too deeply"
            except DataError as error:
                why = str(error)
            except ValueError as error:  # also NaN, or half a character
                why = f"is not JSON: {error}"
            wrong.append((number, why, line[:1000].encode("utf-8", "replace").decode().strip()))
    text.detach()  # whoever opened the bytes closes them
    if not numbers:
        raise DataError(Fault("the input", f"holds no JSON object in its {len(wrong):,} lines"))
    return np.array(numbers), wrong


def _normalized(row: Any, inputs: Mapping[str, Column]) -> bytes:
    """Return a row as a line of JSON, numbers in columns of texts as text.

    Raises:
        DataError: it is not an object, or a column holds something else than its kind.
        ValueError: it cannot be written as JSON in UTF-8.
    """
    if not isinstance(row, dict):
        raise DataError("is not a JSON object")
    there = {name: mark for name, mark in inputs.items() if row.get(name) is not None}
    for name, mark in there.items():
        if mark.as_text:
            if isinstance(row[name], dict | list):
                if mark.lists:
                    continue
                raise DataError(f"{name} is not text")
            row[name] = str(row[name])
        elif not isinstance(row[name], TYPES.get(mark.kind, object)):
            raise DataError(f"{name} is {str(row[name])[:60]!r}: a {mark.kind} is expected")
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"
