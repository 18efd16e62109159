"""From YAML to a checked recipe: `include:`, overrides, and every fault with its line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from toolkit.errors import Fault, RecipeError, listing, nearest
from toolkit.recipe.schema import Recipe

MOST_BYTES = 1_000_000
KeyPath = tuple[str, ...]
# Blocks that may be written as their name alone, and the key that the name stands for.
NAMED = {"model": "id", "method": "name"}
# Characters that no path, id or name can hold, and that YAML lets through by escapes.
UNTOLD = re.compile("[\0\ud800-\udfff]")


class _Loader(yaml.SafeLoader):
    """Safe YAML with the scalars of YAML 1.2: `no` is text, `1e-4` a number, dates stay text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute


for _tag, _pattern, _first in [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|[-+]?\.(inf|Inf)|\.(nan|NaN)",
     list("-+.0123456789")),
]:  # fmt: skip
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first
    )
# PyYAML's own takes 010 for eight.
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))


@dataclass
class Draft:
    """A recipe as read, before it is checked: values, where each came from, faults so far."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

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
                Fault(self.where((*prefix, *keys)), _words(item, model))
                for keys, item in _distinct(error, values)
            ]
            return None

    def recipe(self) -> Recipe | None:
        """Return the checked recipe, or None with the reasons in `faults`."""
        checked = self.check(Recipe, self.values)
        return checked if isinstance(checked, Recipe) else None

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
    for keys, value in overrides:
        _override(own, keys, value)
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
    if len(value) == 1 and not value.isalnum() and value != "~":
        return keys, value  # a delimiter or a separator: most of them are signs of YAML
    try:
        return keys, _construct(value)
    except yaml.YAMLError as error:
        raise RecipeError(
            Fault(f"--set {path}", f"the value is no YAML: {_brief(error)}")
        ) from None


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
    if (
        NAMED.get(keys[0]) == keys[-1]
        and len(keys) == 2
        and block.get(keys[1]) not in (None, value)
    ):
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
        values = _construct(text)
        found = Draft(path.name, values if isinstance(values, dict) else {})
        if not isinstance(values, dict):
            raise RecipeError(Fault(str(path), "a recipe is a mapping of keys to values"))
        _locate(yaml.compose(text, _Loader), path, (), found)
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeError(Fault(f"{path}{_line(error)}", f"is no YAML: {_brief(error)}")) from None
    found.origins[()] = str(path)
    for key in ("options", "method", "training", "report"):
        if key in found.values and found.values[key] is None:
            del found.values[key]  # a block whose keys are all commented out
    _root_paths(found.values, path.parent)
    return found


def _construct(text: str) -> Any:
    for event in yaml.parse(text, _Loader):
        mark: Any = event.start_mark
        refused = _refused(event)
        if refused:
            raise yaml.MarkedYAMLError(problem=refused, problem_mark=mark)
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - _Loader is a SafeLoader
    except ValueError as error:  # a number of thousands of digits
        raise yaml.YAMLError(str(error)) from None


def _refused(event: Any) -> str:
    # Aliases are what a few lines of YAML need to unfold into gigabytes; no recipe needs them.
    if isinstance(event, yaml.AliasEvent):
        return "aliases (*name) are not allowed in a recipe"
    if getattr(event, "tag", None) is not None:
        return f"tags ({event.tag}) are not allowed in a recipe"
    if isinstance(event, yaml.ScalarEvent) and UNTOLD.search(event.value):
        return f"{event.value!r} holds a character that is no text"
    return ""


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
    if isinstance(model, dict):
        model["id"] = _model(model.get("id"), folder)
    elif isinstance(model, str):
        values["model"] = _model(model, folder)


def _model(name: Any, folder: Path) -> Any:
    # "owner/name" is a Hub id; only an explicit ./ or ../ is a folder beside the recipe.
    here = isinstance(name, str) and (name in (".", "..") or name.startswith(("./", "../")))
    return _rooted(name, folder) if here else name


def _rooted(source: Any, folder: Path) -> Any:
    if isinstance(source, str):
        if not source or source.startswith("hub:") or UNTOLD.search(source):
            return source
        return str((folder / os.path.expanduser(source)).resolve())
    if isinstance(source, list):
        return [_rooted(item, folder) for item in source]
    if isinstance(source, dict):
        return {key: _rooted(item, folder) for key, item in source.items()}
    return source


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
        # A source replaces another whole: files per split must not mix with those of the base.
        deep = isinstance(below, dict) and isinstance(value, dict) and key != "source"
        result[key] = _merged(below, value) if deep else value  # type: ignore[arg-type]  # deep says so
    return result


def _keys(loc: Sequence[Any], values: Any, missing: bool) -> list[str]:
    """Return the part of pydantic's location that the user wrote (not its union branch names)."""
    keys: list[str] = []
    for item in loc:
        if isinstance(values, Mapping) and item in values:
            keys, values = [*keys, str(item)], values[item]
        elif isinstance(values, list) and isinstance(item, int):
            keys, values = [*keys, str(item)], values[item] if item < len(values) else None
        elif missing and isinstance(values, Mapping) and item == loc[-1]:
            keys.append(str(item))
    return keys


def _distinct(error: ValidationError, values: Any) -> list[tuple[list[str], Any]]:
    """Return one fault a key: a union reports each of its branches."""
    items: dict[str, tuple[list[str], Any]] = {}
    for item in error.errors(include_url=False, include_context=True):
        keys = _keys(item["loc"], values, item["type"] == "missing")
        items.setdefault(repr(keys), (keys, item))
    return list(items.values())


def _words(item: Any, model: type[BaseModel]) -> str:
    """Return pydantic's finding in the words of a person who wrote YAML."""
    known = _siblings(model, item["loc"][:-1])
    if item["type"] == "extra_forbidden":
        name = str(item["loc"][-1])
        return f"unknown key.{nearest(name, known)} Known: {listing(sorted(known), 40)}."
    if item["type"] == "missing":
        return "is missing"
    if item["loc"][-1:] == ("[key]",):
        return "the key must be text: put it in quotes"
    if item["type"] in ("model_type", "dict_type"):
        return f"should be a block of keys, not {item['input']!r}"
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{message}, not {item['input']!r}" if "should" in message else (
        f"{item['input']!r}: {message}"
    )  # fmt: skip


def _siblings(model: Any, loc: Sequence[Any]) -> list[str]:
    for key in loc:
        options = getattr(model, "model_fields", {})
        if key not in options:
            continue
        inner = options[key].annotation
        model = next(
            (a for a in [inner, *getattr(inner, "__args__", ())] if hasattr(a, "model_fields")),
            None,
        )
    return list(getattr(model, "model_fields", {}))


def _line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}" if mark is not None else ""


def _brief(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(getattr(error, "problem", None) or str(error).splitlines()[0])
