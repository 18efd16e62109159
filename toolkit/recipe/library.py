"""Recipes by name or path: the core's own, and those of installed plugin packages.

A plugin's package has its recipes in `recipes/<scenario>/<name>.yaml` beside its modules. The
name of the scenario alone means `default.yaml`.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from toolkit import registry
from toolkit.errors import Fault, RecipeError
from toolkit.recipe.yaml_text import MOST_BYTES
from toolkit.utils.packages import DISTRIBUTION
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    from toolkit.recipe.draft import Draft, Overrides

SUFFIXES = (".yaml", ".yml")
# libyaml's loader, where PyYAML was built with it, as listing reads every recipe. "Base": all
# scalars stay text, so that no odd date or number can break the listing.
_BaseLoader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True)
class Listed:
    """A recipe that can be named: its name, file and distribution."""

    name: str
    path: Path
    distribution: str

    @property
    def description(self) -> str:
        """What the recipe says that it does."""
        return description(self.path)


def core_folder() -> Path:
    """Return the folder of the toolkit's own recipes: in the installed package, or beside it."""
    package = Path(__file__).parents[1]
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def recipes() -> list[Listed]:
    """Return all recipes, sorted by name; imports no plugin."""
    found = []
    for folder, distribution in _folders().items():
        for path in folder.glob("*/*"):
            if _is_file_name(path.name):
                name = f"{path.parent.name}/{path.stem}".removesuffix("/default")
                found.append(Listed(name, path, distribution))
    return sorted(found, key=lambda item: (item.name, item.path))


def _folders() -> dict[Path, str]:
    """Return every folder of recipes -> its distribution, the core's first."""
    found = {core_folder(): DISTRIBUTION}
    for entry in registry.entries():
        spec = registry.find_package(entry)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            folder = Path(place) / "recipes"
            if folder.is_dir():
                found.setdefault(folder, entry.distribution)
    return found


def _is_file_name(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def locate(name: str) -> Path:
    """Return the file of a recipe, given by name or path; no package takes a name of the toolkit's.

    Raises:
        RecipeError: no such recipe (with the nearest and all names), or two of that name.
    """
    path = Path(os.path.expanduser(name))
    if _is_file_name(name):
        if os.path.isfile(path):  # not `path.is_file()`, which raises for a name that is too long
            return path
        folder = path.parent
        beside = [p.name for p in folder.glob("*.y*ml")] if os.path.isdir(folder) else []
        if path.name in beside:
            kind = "no file" if path.exists() else "a link to nothing"
            raise RecipeError(Fault(name, f"is {kind}: a recipe is one YAML file"))
        raise RecipeError(Fault(name, f"there is no such file.{nearest(path.name, beside)}"))
    known = recipes()
    same = [item for item in known if item.name == name.removesuffix("/default")]
    if not same:
        names = [item.name for item in known]
        raise RecipeError(
            f"there is no recipe {name!r}.{nearest(name, names)} "
            f"Recipes: {listing(names, 40)}; or give the path of a .yaml file."
        )
    same = [item for item in same if item.distribution == DISTRIBUTION] or same
    if len(same) > 1:
        sides = " and ".join(f"{item.distribution} ({item.path})" for item in same)
        raise RecipeError(f"recipe {name!r} is installed twice, by {sides}: give the path of one.")
    return same[0].path


def name_of(path: Path) -> str:
    """Return the short name of a recipe file, as its run folders are called.

    The recipe in a run's folder keeps the name of the original.
    """
    for record in (
        ("run.json", "seeds.json", "folds.json", "sweep.json") if path.name == "recipe.yaml" else ()
    ):
        name = _name_in(path.with_name(record))
        if name is not None:
            return name
    return next((item.name for item in recipes() if item.path == path), path.stem)


def _name_in(record: Path) -> str | None:
    try:
        name = json.loads(record.read_text(encoding="utf-8")).get("recipe")
    except (OSError, ValueError, AttributeError):
        return None
    # It becomes a folder's name, which must not lead out of its parent.
    fits = isinstance(name, str) and re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", name)
    return str(name) if fits else None


def _find(name: str) -> Path:
    return locate(name).resolve()


def description(path: Path) -> str:
    """Return a recipe's `description:` for a listing, or what is wrong with the file."""
    try:
        # A pipe may never end, and a huge file is no recipe: neither must block the listing.
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
    from toolkit.recipe.reading import read_draft

    values = read_draft(path.resolve(), find=_find).values
    data = values.get("data")
    source = data.get("source", []) if isinstance(data, dict) else []
    flat = source.values() if isinstance(source, dict) else [source]
    names = [name for item in flat for name in (item if isinstance(item, list) else [item])]
    paths = [Path(name) for name in names if isinstance(name, str)]
    return [p.name for p in paths if p.parent == path.resolve().parent and p.is_file()]


def find_recipe(name: str, overrides: Overrides = ()) -> Draft:
    """Return a recipe by name or path, with overrides, before it is checked.

    Raises:
        RecipeError: no such recipe, or a file that is no YAML mapping.
    """
    from toolkit.recipe.reading import read_draft

    path = locate(name)
    found = read_draft(path.resolve(), overrides, _find)
    found.asked = name
    if not _is_file_name(name):
        found.name = name.removesuffix("/default")
    else:
        found.name = name_of(path.resolve()) if path.name == "recipe.yaml" else path.stem
    return found
