"""What the command line or a caller changes in a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.errors import Fault, RecipeError
from toolkit.recipe.reading import parse_override

Overrides = Sequence[tuple[tuple[str, ...], Any]]


def _folder(model: str) -> str | None:
    """Return the whole path where a model is named by its folder."""
    try:
        folder = Path(model).expanduser()
        return str(folder.resolve()) if model and folder.is_dir() else None
    except (OSError, ValueError, RuntimeError):  # what no folder is called
        return None


def overrides(
    data: str | None,
    model: str | None,
    method: str | None,
    settings: tuple[str, ...],
    seed: int | None,
) -> list[tuple[tuple[str, ...], Any]]:
    """Return key paths and values; the named options first, so that --set can go beyond them.

    Raises:
        RecipeError: every --set that is malformed.
    """

    named: list[tuple[tuple[str, ...], Any]] = []
    if data is not None:
        named.append((("data", "source"), data))
    if model is not None:
        named.append((("model",), _folder(model) or model))
    if method is not None:
        named.append((("method",), {"name": method}))  # with the settings of that method only
    if seed is not None:
        named.append((("seed",), seed))
    faults: list[Fault] = []
    for text in settings:
        try:
            named.append(parse_override(text))
        except RecipeError as error:
            faults += error.faults
    if faults:
        raise RecipeError(faults)
    return named
