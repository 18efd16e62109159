"""A recipe before it is checked: its values, where each came from, and what overrides change."""

from __future__ import annotations

import copy
import os.path
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from toolkit.errors import NEVER_RUN, Fault, RecipeError
from toolkit.recipe import own
from toolkit.recipe.faults import distinct_faults, format_fault
from toolkit.recipe.schema import NAMED, Recipe
from toolkit.recipe.yaml_text import NOT_TEXT
from toolkit.utils.text import without_tokens

M = TypeVar("M", bound=BaseModel)
KeyPath = tuple[str, ...]


class OptionPath(tuple[str, ...]):
    """The key path that an option stands for: `--data`, `--model`, `--method` or `--seed`."""

    __slots__ = ()


Overrides = Sequence[tuple[KeyPath, Any]]
REMOTE_CODE = "trust_remote_code"
HELD = "holds a token of the Hub, which would be kept with the run: set HF_TOKEN instead"


@dataclass
class Draft:
    """A recipe as read, before it is checked: values, origins, faults so far.

    name: as its runs' folders are called. origins: key path -> "file:line" or "--set".
    asked: the name or path that a user gave. overrides: key paths and values that replaced those
    of the file. notes: what was left out as it suits other data or another model.
    """

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: str = ""
    overrides: list[tuple[KeyPath, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def changed(self, overrides: Overrides) -> Draft:
        """Return a copy with further overrides."""
        found = copy.deepcopy(self)
        found.override(overrides)
        return found

    def override(self, overrides: Overrides) -> None:
        """Apply overrides; tokens and keys that would run code become faults."""
        before = {kind: copy.deepcopy(own.place_of(self.values, kind)) for kind in own.KINDS}
        for keys, value in overrides:
            self._set(keys, value)
        self.overrides += overrides
        for kind, place in before.items():
            if own.is_another(kind, place, own.place_of(self.values, kind)):
                self._leave_out(kind)
        if overrides and own.KEY in self.values:
            names = {kind: own.names_in(self.values, kind) for kind in own.KINDS}
            own.keep(self.values, names, self.origins)
        for block, key, path, value in list(_walked(self.values)):
            what = ""
            if str(key).replace("-", "_").lower() == REMOTE_CODE:
                del block[key]
                what = NEVER_RUN
            elif isinstance(value, str) and without_tokens(value) != value:
                what = HELD
            if what and (fault := Fault(self.where(path), what)) not in self.faults:
                self.faults.append(fault)

    def _leave_out(self, kind: str) -> None:
        if gone := own.leave_out(self.values, kind, self.origins):
            what = f"left out, as fit for the recipe's own {kind} only: {', '.join(gone)}"
            self.notes.append(f"{what} (--set keeps a value)")

    def _set(self, keys: KeyPath, value: Any) -> None:
        block, by = self.values, f"--{keys[0]}" if isinstance(keys, OptionPath) else own.SET
        for depth, key in enumerate(keys[:-1], start=1):
            inner = block.setdefault(key, {})
            if isinstance(inner, str) and depth == 1 and key in NAMED:
                inner = block[key] = {NAMED[key]: inner}
            if not inner:
                self.origins.setdefault(keys[:depth], by)
            if not isinstance(inner, dict):
                what = f"cannot set a key inside {'.'.join(keys[:depth])}, which is {inner!r}"
                place = by if by != own.SET else f"{by} {'.'.join(keys)}"
                self.faults.append(Fault(place, what))
                return
            block = inner
        named = len(keys) == 2 and NAMED.get(keys[0]) == keys[1]
        if named and block.get(keys[1]) not in (None, value):
            # What is written beside the old name (a revision, a rank) belongs to the old one.
            for key in [key for key in block if not own.is_given(self.origins.get((keys[0], key)))]:
                del block[key]
        block[keys[-1]] = value
        self.origins[keys] = by
        if keys[0] in ("data", "model"):
            root_paths(self.values, Path.cwd())

    def where(self, path: Sequence[Any]) -> str:
        """Return "file:line key.path" for a key, or for the nearest key above it; or an option."""
        keys = tuple(str(key) for key in path)
        for end in range(len(keys), -1, -1):
            if keys[:end] in self.origins:
                by = self.origins[keys[:end]]
                if by == own.SET or not own.is_given(by):
                    return f"{by} {'.'.join(keys)}".strip()
                return by if end == len(keys) else f"{by}, {'.'.join(keys)}"
        return ".".join([self.name, *keys])

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Let faults of a key that an option stands for name the option, which the user wrote."""
        try:
            yield
        except RecipeError as error:
            options = {keys: by for keys, by in self.origins.items()
                       if by != own.SET and own.is_given(by)}  # fmt: skip
            faults = []
            for fault in error.faults:
                keys = tuple(fault.where.split("."))
                above = any(keys[:end] in options for end in range(1, len(keys) + 1))
                faults.append(Fault(self.where(keys), fault.what) if above else fault)
            raise RecipeError(faults) from error

    def check(self, model: type[M], values: Any, *prefix: str) -> M | None:
        """Return `values` as `model`, or None after noting every fault with its place."""
        try:
            return model.model_validate(values)
        except ValidationError as error:
            for keys, item in distinct_faults(error, values):
                where, what = self.where((*prefix, *keys)), format_fault(item, model)
                if item["type"] == "missing" and own.is_given(where):  # there is no line to mend
                    what += f": --set {'.'.join((*prefix, *keys))}=..."
                self.faults.append(Fault(where, what))
            return None

    def recipe(self) -> Recipe | None:
        """Return the checked recipe, or None with the reasons in `faults`."""
        return self.check(Recipe, self.values)

    def checked(self) -> Recipe:
        """Return the checked recipe.

        Raises:
            RecipeError: all faults.
        """
        found = self.recipe()
        if found is None or self.faults:
            raise RecipeError(self.faults)
        return found

    def stop_on_faults(self) -> None:
        """Raise RecipeError with all faults, if there are any."""
        if self.faults:
            raise RecipeError(self.faults)


def _walked(block: Any, above: KeyPath = ()) -> Iterator[tuple[Any, Any, KeyPath, Any]]:
    """Yield block, key, key path and value of all that nested values hold."""
    pairs: Iterable[tuple[Any, Any]] = block.items() if isinstance(block, dict) else ()
    for key, value in enumerate(block) if isinstance(block, list) else pairs:
        path = (*above, str(key))
        yield block, key, path, value
        yield from _walked(value, path)


def root_paths(values: dict[str, Any], folder: Path) -> None:
    """Make the paths of data and model absolute, in place: relative ones are below `folder`."""
    data, model = values.get("data"), values.get("model")
    if isinstance(data, str | list):
        data = values["data"] = {"source": data}
    if isinstance(data, dict) and "source" in data:
        data["source"] = rooted(data["source"], folder)
    if isinstance(model, dict) and model.get("id") is not None:
        model["id"] = _rooted_model(model["id"], folder)
    elif isinstance(model, str):
        values["model"] = _rooted_model(model, folder)


def _rooted_model(name: Any, folder: Path) -> Any:
    # "owner/name" is a Hub id; only an explicit ./ or ../ is a folder beside the recipe.
    here = isinstance(name, str) and (name in (".", "..") or name.startswith(("./", "../")))
    return rooted(name, folder) if here else name


def rooted(source: Any, folder: Path) -> Any:
    """Return the paths of a source absolute: relative ones are below `folder`."""
    if isinstance(source, list):
        return [rooted(item, folder) for item in source]
    if isinstance(source, dict):
        return {key: rooted(item, folder) for key, item in source.items()}
    if not isinstance(source, str) or not source or NOT_TEXT.search(source):
        return source
    if source.startswith(("hub:", "plugin:")):
        return source
    path = folder / os.path.expanduser(source)
    # Without `..`, but under the name that was given: a link keeps its own.
    if path.name in ("", ".."):
        return os.path.realpath(path)
    return os.path.join(os.path.realpath(path.parent), path.name)
