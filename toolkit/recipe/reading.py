"""Recipe files: YAML with the line of every key, and `include:`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from toolkit.errors import Fault, RecipeError
from toolkit.recipe.draft import Draft, KeyPath, Overrides, root_paths
from toolkit.recipe.own import KEY, KINDS, inherited, is_another, keep, leave_out, place_of, unknown
from toolkit.recipe.schema import NAMED
from toolkit.recipe.yaml_text import MOST_BYTES, Loader, brief, construct, line_of
from toolkit.utils.text import nearest


def read_draft(
    path: Path, overrides: Overrides = (), find: Callable[[str], Path] | None = None
) -> Draft:
    """Read a recipe file and what it includes, and apply overrides.

    Args:
        path: the YAML file.
        overrides: (key path, value) pairs that replace those of the file.
        find: resolves an `include:` that is no path (a recipe's name).

    Raises:
        RecipeError: the file cannot be read, or is no YAML mapping.
    """
    own = _read(path)
    include = own.values.pop("include", None)
    if include is not None:
        base = _read(_included(own, path, include, find))
        if "include" in base.values:
            what = "an included recipe includes another; one level is all there is"
            raise RecipeError(Fault(own.where(("include",)), what))
        base.origins.pop((), None)
        own.values = _included_values(base.values, own.values)
        own.origins = {**base.origins, **own.origins}
        own.faults = base.faults + own.faults
    for kind, name in unknown(own.values):
        what = f"names {name!r}, which this recipe does not set"
        own.faults.append(Fault(own.where((KEY, kind)), what))
    own.override(overrides)
    return own


def _included_values(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe's values over those of the one it includes, without what suits that alone."""
    found = _merged(base, own)
    for kind in KINDS:
        if is_another(kind, place_of(base, kind), place_of(found, kind)):
            leave_out(base, kind, {})
    names, found = inherited(base, own), _merged(base, own)
    keep(found, names)
    return found


def _read(path: Path) -> Draft:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise RecipeError(Fault(str(path), f"larger than {MOST_BYTES:,} bytes: no recipe"))
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(Fault(str(path), f"is not UTF-8 text (byte {error.start})")) from None
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or error
        raise RecipeError(Fault(str(path), f"cannot be read: {what}")) from None
    try:
        values = construct(text)
        if not isinstance(values, dict):
            raise RecipeError(Fault(str(path), "a recipe is a mapping of keys to values"))
        found = Draft(path.name, values)
        _locate(yaml.compose(text, Loader), path, (), found)
    except yaml.YAMLError as error:
        raise RecipeError(Fault(f"{path}{line_of(error)}", f"is no YAML: {brief(error)}")) from None
    found.origins[()] = str(path)
    for key in ("options", "method", "training", "report"):
        if key in values and values[key] is None:
            del values[key]  # a block whose keys are all commented out
    root_paths(values, path.parent)
    return found


def _locate(node: Any, path: Path, keys: KeyPath, found: Draft) -> None:
    """Note the line of every key; duplicate keys become faults."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        below = (*keys, str(key.value))
        line = f"{path}:{key.start_mark.line + 1}"
        if below in found.origins:
            found.faults.append(Fault(f"{line} {'.'.join(below)}", "duplicate key"))
        found.origins[below] = line
        _locate(value, path, below, found)


def _included(own: Draft, path: Path, include: Any, find: Callable[[str], Path] | None) -> Path:
    where = own.where(("include",))
    if not isinstance(include, str):
        raise RecipeError(Fault(where, f"takes a file or a recipe's name, not {include!r}"))
    beside = path.parent / include
    if beside.suffix in {".yaml", ".yml"} or find is None:
        if not beside.is_file():
            names = [p.name for p in path.parent.glob("*.y*ml")]
            raise RecipeError(Fault(where, f"there is no file {beside}.{nearest(include, names)}"))
        return beside
    try:
        return find(include)
    except RecipeError as error:
        raise RecipeError([Fault(where, str(fault)) for fault in error.faults]) from None


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in own.items():
        below = result.get(key)
        if key in NAMED and isinstance(value, dict):
            if isinstance(below, str):
                below = {NAMED[key]: below}
            if isinstance(below, dict) and _is_another(key, below, value):
                below = None  # what the base sets for its model or method is not for this one
        # A source replaces another whole: files per split must not mix with those of the base.
        if isinstance(below, dict) and isinstance(value, dict) and key != "source":
            value = _merged(below, value)
        result[key] = value
    return result


def _is_another(key: str, below: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    """Return whether a block names or makes another model or method than the one below it."""
    name = below.get(NAMED[key])
    if value.get(NAMED[key], name) != name:
        return True
    if key != "model":
        return False
    old, new = below.get("from_config"), value.get("from_config")
    if isinstance(old, dict) and isinstance(new, dict):
        return bool(new.get("model_type", old.get("model_type")) != old.get("model_type"))
    return (old is None) is not (new is None) and bool({"id", "from_config"} & set(value))
