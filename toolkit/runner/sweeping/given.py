"""Search spaces as a user gives them: among `--set` options, in a YAML file, in Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from toolkit.errors import Fault, RecipeError
from toolkit.recipe import spaces
from toolkit.recipe.spaces import Space
from toolkit.recipe.yaml_text import MOST_BYTES, brief, construct, line_of

Given = tuple[dict[str, Space], dict[str, str]]


def from_options(settings: Iterable[str], file: Path | None) -> tuple[list[str], *Given]:
    """Return the `--set` options that set a value; key -> space; key -> where it was given.

    Raises:
        RecipeError: all spaces that are wrong.
    """
    plain: list[str] = []
    found, origins = from_file(file) if file is not None else ({}, {})
    faults: list[Fault] = []
    for text in settings:
        key, equals, value = text.partition("=")
        try:
            space = spaces.parse(value) if equals else None
        except RecipeError as error:
            faults += [Fault(f"--set {key}", fault.what) for fault in error.faults]
            continue
        if space is None:
            plain.append(text)
        else:
            found[key.strip()], origins[key.strip()] = space, "--set"
    if faults:
        raise RecipeError(faults)
    return plain, found, origins


def from_file(file: Path) -> Given:
    """Return key -> space of a YAML file, and key -> the file.

    Raises:
        RecipeError: the file cannot be read, or all spaces in it that are wrong.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise RecipeError(Fault(str(file), f"larger than {MOST_BYTES:,} bytes: no spaces"))
        values: Any = construct(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise RecipeError(Fault(str(file), f"cannot be read: {why}")) from None
    except yaml.YAMLError as error:
        raise RecipeError(Fault(f"{file}{line_of(error)}", f"is no YAML: {brief(error)}")) from None
    if not isinstance(values, Mapping) or not values:
        raise RecipeError(Fault(str(file), "takes lines of key: space, such as "
                                "training.learning_rate: loguniform(1e-5, 1e-3)"))  # fmt: skip
    found = spaces.read(values, str(file))
    return found, dict.fromkeys(found, str(file))


def from_python(given: Mapping[str, Any]) -> Given:
    """Return key -> space of what a caller of `toolkit.sweep` gives, and key -> "space".

    Raises:
        RecipeError: all spaces that are wrong.
    """
    found = spaces.read(given, "space")
    return found, dict.fromkeys(found, "space")
