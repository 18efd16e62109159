"""From YAML to a checked recipe: `include:`, overrides, and every fault with its line."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from toolkit.errors import NEVER_RUN, Fault, RecipeError
from toolkit.recipe.faults import distinct, remote_code, words
from toolkit.recipe.schema import Recipe
from toolkit.recipe.yaml_text import DEEPEST, UNTOLD, brief, compose, construct, line_of
from toolkit.utils.text import has_token, nearest

MOST_BYTES = 100_000  # which takes seconds to read
KeyPath = tuple[str, ...]
HELD = "holds a token of the Hub, which would be kept with the run: set HF_TOKEN instead"
# Blocks that may be written as their name alone, and the key that the name stands for.
NAMED = {"model": "id", "method": "name"}


@dataclass
class Draft:
    """A recipe as read, before it is checked: values, where each came from, faults so far.

    name: as its runs' folders are called. asked: the name or path that a user gave. overrides: key
    paths and values that won over the file.
    """

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: str = ""
    overrides: list[tuple[KeyPath, Any]] = field(default_factory=list)

    def changed(self, overrides: Sequence[tuple[KeyPath, Any]]) -> Draft:
        """Return a copy with further overrides."""
        found = copy.deepcopy(self)
        found.override(overrides)
        return found

    def override(self, overrides: Sequence[tuple[KeyPath, Any]]) -> None:
        """Apply overrides, and note what none may hold: tokens, and keys that run code."""
        for keys, value in overrides:
            _override(self, keys, value)
        self.overrides += overrides
        found = [Fault(self.where(keys), NEVER_RUN) for keys in remote_code(self.values)]
        found += [Fault(self.where(keys), HELD) for keys in _with_tokens(self.values, ())]
        self.faults += [fault for fault in found if fault not in self.faults]

    def where(self, path: Sequence[Any]) -> str:
        """Return "file:line key.path" for a key, or for the nearest key above it."""
        keys = tuple(str(key) for key in path)
        for end in range(len(keys), -1, -1):
            if keys[:end] in self.origins:
                return f"{self.origins[keys[:end]]} {'.'.join(keys)}".strip()
        return ".".join([self.name, *keys])

    def check(self, model: type[BaseModel], values: Any, *prefix: str) -> BaseModel | None:
        """Return `values` as `model`, or None after noting every fault with its place."""
        try:
            return model.model_validate(values)
        except ValidationError as error:
            self.faults += [
                Fault(self.where((*prefix, *keys)), words(item, model))
                for keys, item in distinct(error, values)
            ]
            return None

    def recipe(self) -> Recipe | None:
        """Return the checked recipe, or None with the reasons in `faults`."""
        checked = self.check(Recipe, self.values)
        return checked if isinstance(checked, Recipe) else None

    def checked(self) -> Recipe:
        """Return the checked recipe.

        Raises:
            RecipeError: all faults.
        """
        found = self.recipe()
        self.stop_on_faults()
        if found is None:
            raise RecipeError(f"{self.name} cannot be read")
        return found

    def stop_on_faults(self) -> None:
        """Raise RecipeError with all faults, if there are any."""
        if self.faults:
            raise RecipeError(self.faults)


def draft(
    path: Path,
    overrides: Sequence[tuple[KeyPath, Any]] = (),
    find: Callable[[str], Path] | None = None,
) -> Draft:
    """Read a recipe file, what it includes, and the overrides.

    Args:
        path: the YAML file.
        overrides: (key path, value) pairs that win over the file.
        find: resolves an `include:` that is no path (a recipe's name).

    Raises:
        RecipeError: the file cannot be read, or is no YAML mapping.
    """
    own = _read(path)
    include = own.values.pop("include", None)
    if include is not None:
        base = _read(_included(own, path, include, find))
        if "include" in base.values:
            raise RecipeError(Fault(own.where(("include",)), "an included recipe includes another; "
                                    "one level is all there is"))  # fmt: skip
        base.origins.pop((), None)
        own = Draft(
            own.name,
            _merged(base.values, own.values),
            {**base.origins, **own.origins},
            base.faults + own.faults,
        )
    own.override(overrides)
    return own


def parse_override(text: str) -> tuple[KeyPath, Any]:
    """Return (key path, typed value) of `a.b=c`; the value is read as YAML.

    Raises:
        RecipeError: there is no "=" or an empty key.
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


def _with_tokens(value: Any, keys: KeyPath) -> Iterator[KeyPath]:
    """Yield the key paths of texts that hold a token."""
    if isinstance(value, str) and has_token(value):
        yield keys
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _with_tokens(inner, (*keys, str(key)))
    elif isinstance(value, list):
        for inner in value:
            yield from _with_tokens(inner, keys)


def _override(target: Draft, keys: KeyPath, value: Any) -> None:
    block = target.values
    for depth, key in enumerate(keys[:-1], start=1):
        inner = block.setdefault(key, {})
        if isinstance(inner, str) and depth == 1 and key in NAMED:
            inner = block[key] = {NAMED[key]: inner}
        if key in block and not inner:
            target.origins.setdefault(keys[:depth], "--set")
        if not isinstance(inner, dict):
            what = f"cannot set a key inside {'.'.join(keys[:depth])}, which is {inner!r}"
            target.faults.append(Fault(f"--set {'.'.join(keys)}", what))
            return
        block = inner
    named = len(keys) == 2 and NAMED.get(keys[0]) == keys[1]
    if named and block.get(keys[1]) not in (None, value):
        # What stands beside the old name (a revision, a rank) was said of the old one.
        for key in [key for key in block if target.origins.get((keys[0], key)) != "--set"]:
            del block[key]
    block[keys[-1]] = value
    target.origins[keys] = "--set"
    if keys[0] in ("data", "model"):
        _root_paths(target.values, Path.cwd())


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
        found = Draft(path.name, values if isinstance(values, dict) else {})
        if not isinstance(values, dict):
            raise RecipeError(Fault(str(path), "a recipe is a mapping of keys to values"))
        _locate(compose(text), path, (), found)
    except yaml.YAMLError as error:
        raise RecipeError(Fault(f"{path}{line_of(error)}", f"is no YAML: {brief(error)}")) from None
    found.origins[()] = str(path)
    for key in ("options", "method", "training", "report"):
        if key in found.values and found.values[key] is None:
            del found.values[key]  # a block whose keys are all commented out
    _root_paths(found.values, path.parent)
    return found


def _locate(node: Any, path: Path, keys: KeyPath, found: Draft) -> None:
    """Note the line of every key, and keys that stand twice."""
    for key, value in _pairs(node):
        below = (*keys, str(key.value))
        line = f"{path}:{key.start_mark.line + 1}"
        if below in found.origins:
            found.faults.append(Fault(f"{line} {'.'.join(below)}", "the key stands twice"))
        found.origins[below] = line
        _locate(value, path, below, found)


def _pairs(node: Any) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    return iter(node.value if isinstance(node, yaml.MappingNode) else ())


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


def _root_paths(values: dict[str, Any], folder: Path) -> None:
    data, model = values.get("data"), values.get("model")
    if isinstance(data, str | list):
        data = values["data"] = {"source": data}
    if isinstance(data, dict) and "source" in data:
        data["source"] = _rooted(data["source"], folder)
    if isinstance(model, dict) and model.get("id") is not None:
        model["id"] = _model(model["id"], folder)
    elif isinstance(model, str):
        values["model"] = _model(model, folder)


def _model(name: Any, folder: Path) -> Any:
    # "owner/name" is a Hub id; only an explicit ./ or ../ is a folder beside the recipe.
    here = isinstance(name, str) and (name in (".", "..") or name.startswith(("./", "../")))
    return _rooted(name, folder) if here else name


def _rooted(source: Any, folder: Path) -> Any:
    if isinstance(source, str):
        if not source or source.startswith(("hub:", "plugin:")) or UNTOLD.search(source):
            return source
        return _absolute(folder / os.path.expanduser(source))
    if isinstance(source, list):
        return [_rooted(item, folder) for item in source]
    if isinstance(source, dict):
        return {key: _rooted(item, folder) for key, item in source.items()}
    return source


def _absolute(path: Path) -> str:
    """Return a path without `..`, by the name that it was given: a link keeps its own."""
    try:
        if path.name in ("", ".."):
            return str(path.resolve())
        return str(path.parent.resolve() / path.name)
    except (OSError, RuntimeError):  # a folder's name that is too long, or a link to itself
        return os.path.abspath(path)


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in own.items():
        below = result.get(key)
        if key in NAMED and isinstance(value, dict):
            if isinstance(below, str):
                below = {NAMED[key]: below}
            # Another model or method: what was said of the base's says nothing of it.
            if isinstance(below, dict) and value.get(NAMED[key], below.get(NAMED[key])) != (
                below.get(NAMED[key])
            ):
                below = None
            if key == "model" and isinstance(below, dict) and _other_kind(below, value):
                below = None
        # A source replaces another whole: files per split must not mix with those of the base.
        deep = isinstance(below, dict) and isinstance(value, dict) and key != "source"
        result[key] = _merged(below, value) if deep else value  # type: ignore[arg-type]  # deep says so
    return result


def _other_kind(below: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    """Return whether one names a model and the other makes one, or they make different ones."""
    old, new = below.get("from_config"), value.get("from_config")
    if isinstance(old, dict) and isinstance(new, dict):
        return bool(new.get("model_type", old.get("model_type")) != old.get("model_type"))
    return (old is None) is not (new is None) and bool({"id", "from_config"} & set(value))
