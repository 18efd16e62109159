"""Recipes by name or path: the core's own, and those that installed plugin packages ship.

A package that brings a plugin ships recipes in a folder `recipes/<scenario>/<name>.yaml` beside
its modules. `default.yaml` answers to the bare scenario's name.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from toolkit import registry
from toolkit.errors import Fault, RecipeError
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    from toolkit.recipe import Draft

SUFFIXES = (".yaml", ".yml")
MOST_BYTES = 100_000  # of a recipe; which takes seconds to read
# libyaml's loader, where PyYAML was built with it: listing reads every recipe. "Base": all
# scalars stay text, so that no recipe's odd date or number can end the listing.
_BaseLoader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True)
class Shelf:
    """A folder of recipes and the distribution that brings it."""

    folder: Path
    distribution: str


@dataclass(frozen=True)
class Listed:
    """A recipe that can be named: its name, file and distribution."""

    name: str
    path: Path
    distribution: str


def core_folder() -> Path:
    """Return the folder of the recipes that come with the toolkit."""
    package = Path(__file__).parents[1]
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def shelves() -> list[Shelf]:
    """Return every folder of recipes, the core's first; imports no plugin."""
    found = [Shelf(core_folder(), "toolkit")]
    for entry in registry.entries():
        package = entry.target.partition(":")[0].partition(".")[0]
        for folder in _package_folders(package):
            shelf = Shelf(folder / "recipes", entry.distribution)
            if shelf.folder.is_dir() and shelf.folder not in [s.folder for s in found]:
                found.append(shelf)
    return found


def _package_folders(package: str) -> list[Path]:
    """Return the folders of a top-level package, without importing it; [] for a lone module."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []


def recipes() -> list[Listed]:
    """Return every recipe of every shelf, sorted by name."""
    return sorted((item for shelf in shelves() for item in _on(shelf)), key=lambda item: item.name)


def _on(shelf: Shelf) -> Iterator[Listed]:
    for path in sorted(path for path in shelf.folder.glob("*/*") if _is_file_name(path.name)):
        scenario = path.parent.name
        name = scenario if path.stem == "default" else f"{scenario}/{path.stem}"
        yield Listed(name, path, shelf.distribution)


def _is_file_name(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def locate(name: str) -> Path:
    """Return the file of a recipe, given by its name or by a path.

    Raises:
        RecipeError: no such recipe (with the nearest and all names), or two of that name.
    """
    path = Path(os.path.expanduser(name))
    if _is_file_name(name):
        try:
            there = path.is_file()
            beside = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        except (OSError, ValueError):  # no file's name can be as long, or hold a NUL
            there, beside = False, []
        if not there and path.name in beside:
            kind = "a link to nothing" if path.is_symlink() and not path.exists() else "no file"
            raise RecipeError(Fault(name, f"is {kind}: a recipe is one YAML file"))
        if not there:
            raise RecipeError(Fault(name, f"there is no such file.{nearest(path.name, beside)}"))
        return path
    known = recipes()
    same = [item for item in known if item.name == name.removesuffix("/default")]
    if not same:
        names = [item.name for item in known]
        raise RecipeError(
            f"there is no recipe {name!r}.{nearest(name, names)} "
            f"Recipes: {listing(names, 40)}; or give the path of a .yaml file."
        )
    if len(same) > 1:
        sides = " and ".join(f"{item.distribution} ({item.path})" for item in same)
        raise RecipeError(f"recipe {name!r} is shipped twice, by {sides}: give the path of one.")
    return same[0].path


def name_of(path: Path) -> str:
    """Return the short name of a recipe file, as its run folders are called.

    The recipe that a run has written into its folder keeps the name of the one that it came from.
    """
    for record in ("run.json", "seeds.json") if path.name == "recipe.yaml" else ():
        name = _name_in(path.with_name(record))
        if name is not None:
            return name
    for item in recipes():
        if item.path == path:
            return item.name
    return path.stem


def _name_in(record: Path) -> str | None:
    try:
        name = json.loads(record.read_text(encoding="utf-8")).get("recipe")
    except (OSError, ValueError, AttributeError):
        return None
    # It becomes a folder's name: nothing that leads out of one.
    fits = isinstance(name, str) and re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", name)
    return str(name) if fits else None


def description(path: Path) -> str:
    """Return a recipe's `description:` for a listing, or what is wrong with the file."""
    try:
        # What is no file may never end, and what is huge is no recipe: neither holds up a listing.
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return f"[broken: no file of at most {MOST_BYTES:,} bytes]"
        text = path.read_text(encoding="utf-8-sig")
        values = yaml.load(text, _BaseLoader)  # noqa: S506 - makes texts, lists and maps only
        if not isinstance(values, dict):
            return "[broken: a recipe is a mapping of keys to values]"
        found = values.get("description", "")
        return found if isinstance(found, str) else "[broken: its description is no text]"
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        return f"[broken: {next(iter(str(error).splitlines()), type(error).__name__)}]"


def local_sources(path: Path) -> list[str]:
    """Return the data files that a recipe's own file names beside itself."""
    from toolkit.recipe import draft

    values = draft(path.resolve(), find=lambda other: locate(other).resolve()).values
    data = values.get("data")
    source = data.get("source", []) if isinstance(data, dict) else []
    flat = source.values() if isinstance(source, dict) else [source]
    names = [name for item in flat for name in (item if isinstance(item, list) else [item])]
    paths = [Path(name) for name in names if isinstance(name, str)]
    here = path.resolve().parent
    return [found.name for found in paths if found.parent == here and found.is_file()]


def find_recipe(name: str, overrides: Sequence[tuple[tuple[str, ...], Any]] = ()) -> Draft:
    """Return a recipe by name or path as a draft, overrides applied; `Draft.recipe()` checks it.

    Raises:
        RecipeError: no such recipe, or a file that is no YAML mapping.
    """
    from toolkit.recipe import draft

    path = locate(name)
    found = draft(path.resolve(), overrides, find=lambda other: locate(other).resolve())
    found.asked = name
    if not _is_file_name(name):
        found.name = name.removesuffix("/default")
    else:
        found.name = name_of(path.resolve()) if path.name == "recipe.yaml" else path.stem
    return found
