"""What the command line or a caller changes in a recipe."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from toolkit.errors import Fault, RecipeError
from toolkit.recipe.draft import KeyPath, OptionPath
from toolkit.recipe.yaml_text import DEEPEST, brief, construct


def overrides(
    data: str | Path | list[str] | Mapping[str, str | list[str]] | None = None,
    model: str | Path | None = None,
    method: str | None = None,
    settings: Iterable[str] = (),
    seed: int | None = None,
) -> list[tuple[KeyPath, Any]]:
    """Return key paths and values; named options come first, so that --set can refine them.

    Raises:
        RecipeError: all malformed --set options.
    """
    found: list[tuple[KeyPath, Any]] = []
    if data is not None:
        source = str(data) if isinstance(data, Path) else data
        found.append((OptionPath(("data", "source")), source))
    if model is not None:
        found.append((OptionPath(("model",)), _resolved_folder(str(model))))
    if method is not None:
        found.append(
            (OptionPath(("method",)), {"name": method})
        )  # without settings of another method
    if seed is not None:
        found.append((OptionPath(("seed",)), seed))
    faults: list[Fault] = []
    for text in settings:
        try:
            found.append(parse_override(text))
        except RecipeError as error:
            faults += error.faults
    if faults:
        raise RecipeError(faults)
    return found


def _resolved_folder(model: str) -> str:
    folder = os.path.expanduser(model)
    return os.path.realpath(folder) if os.path.isdir(folder) else model


def parse_override(text: str) -> tuple[KeyPath, Any]:
    """Return (key path, typed value) of `a.b=c`; the value is read as YAML.

    Raises:
        RecipeError: there is no "=", an empty key, or a value that is no YAML.
    """
    path, equals, value = text.partition("=")
    keys = tuple(key.strip() for key in path.split("."))
    if not equals or not all(keys):
        raise RecipeError(Fault(f"--set {text}", "write it as key.path=value"))
    if len(keys) > DEEPEST:
        raise RecipeError(Fault(f"--set {path}", "is nested too deeply"))
    if len(value) == 1 and not value.isalnum() and value != "~":
        return keys, value  # a delimiter or a separator: most of them are signs of YAML
    try:
        found = construct(value)
    except yaml.YAMLError as error:
        raise RecipeError(Fault(f"--set {path}", f"the value is no YAML: {brief(error)}")) from None
    if isinstance(found, dict) and any(v is None and ":" in str(k) for k, v in found.items()):
        spaced = value.replace(":", ": ")
        raise RecipeError(Fault(f"--set {path}", f"a colon needs a space behind it: '{spaced}'"))
    return keys, found
