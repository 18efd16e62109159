"""Paths in recipes: relative to the recipe's file, or to the working directory for overrides."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from toolkit.recipe.yaml_text import NOT_TEXT


def root_paths(values: dict[str, Any], folder: Path) -> None:
    """Make the paths of data and model in a recipe's values absolute, in place."""
    data, model = values.get("data"), values.get("model")
    if isinstance(data, str | list):
        data = values["data"] = {"source": data}
    if isinstance(data, dict) and "source" in data:
        data["source"] = _rooted(data["source"], folder)
    if isinstance(model, dict) and model.get("id") is not None:
        model["id"] = _rooted_model(model["id"], folder)
    elif isinstance(model, str):
        values["model"] = _rooted_model(model, folder)


def _rooted_model(name: Any, folder: Path) -> Any:
    # "owner/name" is a Hub id; only an explicit ./ or ../ is a folder beside the recipe.
    here = isinstance(name, str) and (name in (".", "..") or name.startswith(("./", "../")))
    return _rooted(name, folder) if here else name


def _rooted(source: Any, folder: Path) -> Any:
    if isinstance(source, list):
        return [_rooted(item, folder) for item in source]
    if isinstance(source, dict):
        return {key: _rooted(item, folder) for key, item in source.items()}
    if not isinstance(source, str) or not source or NOT_TEXT.search(source):
        return source
    if source.startswith(("hub:", "plugin:")):
        return source
    path = folder / os.path.expanduser(source)
    try:
        # Without `..`, but under the name that was given: a link keeps its own.
        ends_above = path.name in ("", "..")
        return str(path.resolve() if ends_above else path.parent.resolve() / path.name)
    except (OSError, RuntimeError):  # a folder's name that is too long, or a link to itself
        return os.path.abspath(path)
