"""What a run reads and writes, as its nodes see it: shared paths, or copies."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolkit.errors import Fault, UserError
from toolkit.recipe.draft import Draft
from toolkit.recipe.library import SUFFIXES
from toolkit.recipe.schema import Recipe
from toolkit.recipe.yaml_text import dump
from toolkit.runner.on_ray import files
from toolkit.runner.on_ray.files import HERE, Bundle
from toolkit.runs.restore import RECIPE
from toolkit.utils.files import write_atomically


def rooted_draft(draft: Draft) -> Draft:
    """Return a draft whose command names all paths from the root: nodes have other folders."""
    changes = [(keys, _at(draft.values, keys, value)) for keys, value in draft.overrides]
    named = draft.asked.lower().endswith(SUFFIXES)
    asked = os.path.abspath(os.path.expanduser(draft.asked)) if named else draft.asked
    return replace(draft, overrides=changes, asked=asked)


def _at(values: Any, keys: Sequence[str], given: Any) -> Any:
    """Return the value of a key path of data or model, whose paths are absolute there."""
    if keys[0] not in ("data", "model"):
        return given
    for key in keys:
        if not isinstance(values, Mapping) or key not in values:
            return given  # what is left out for other data, or a key within a name
        values = values[key]
    return values


@dataclass(frozen=True)
class Inputs:
    """The paths of this machine that a recipe names, by names that they have in a bundle.

    asked: the recipe's file, if it is none of the toolkit's.
    """

    recipe: Recipe
    name: str
    paths: Mapping[str, Path]
    asked: str | None

    @classmethod
    def of(cls, draft: Draft) -> Inputs:
        """Return what a draft names.

        Args:
            draft: as of `rooted_draft`.

        Raises:
            RecipeError: it is no valid recipe.
        """
        recipe = draft.changed(()).checked()
        named = draft.asked.lower().endswith(SUFFIXES)
        return cls(recipe, draft.name, dict(_paths(recipe)), draft.asked if named else None)

    def needed(self) -> list[str]:
        """Return what workers must see to run the command as it was given."""
        return [*map(str, self.paths.values()), *([self.asked] if self.asked else [])]

    def bundle(self) -> Bundle:
        """Return recipe, data and model as nodes get them that do not see these paths.

        Raises:
            DataError: they are too large.
        """
        places = {str(path): f"{HERE}/{name}" for name, path in self.paths.items()}
        values = self.recipe.model_dump(mode="json")
        values["data"]["source"] = _moved(values["data"]["source"], places)
        if self.recipe.model.id and "model" in self.paths:
            values["model"]["id"] = f"{HERE}/model"
        record = json.dumps({"recipe": self.name})  # by which the recipe keeps its name
        return files.pack(self.paths, {RECIPE: dump(values), "run.json": record})

    def name_originals(self, run: Path, place: str) -> None:
        """Let a run's record and recipe name the paths of this machine, not those of a bundle."""
        for file in (run / "run.json", run / RECIPE):
            if file.is_file():
                text = file.read_text(encoding="utf-8")
                for name, path in self.paths.items():
                    quoted = json.dumps(str(path))[1:-1]
                    text = text.replace(f"{place}/{name}", quoted)
                write_atomically(file, text)


def _paths(recipe: Recipe) -> Iterator[tuple[str, Path]]:
    """Yield name in the bundle and path of the local files of a recipe's data and model."""
    source: Any = recipe.data.source
    items = source.values() if isinstance(source, Mapping) else [source]
    flat = [one for item in items for one in ([item] if isinstance(item, str) else item)]
    for number, text in enumerate(dict.fromkeys(flat)):
        if os.path.exists(text):
            yield f"data-{number}/{os.path.basename(text)}", Path(text)
    model = os.path.expanduser(recipe.model.id or "")
    if model and os.path.isdir(model):
        yield "model", Path(model)


def _moved(source: Any, places: Mapping[str, str]) -> Any:
    if isinstance(source, Mapping):
        return {key: _moved(item, places) for key, item in source.items()}
    if isinstance(source, list):
        return [_moved(item, places) for item in source]
    return places.get(source, source)


def require_storage(lacking: Sequence[str], folder: Path, storage: str | None) -> None:
    """Raise UserError where nodes do not see a run's folder, and there is nothing in its place."""
    if lacking and storage is None:
        what = f"is not seen by {', '.join(lacking)}: take a folder that all nodes share (--out), "
        what += "or say where checkpoints go (--storage s3://BUCKET/FOLDER, or a shared folder)"
        raise UserError(Fault(str(folder), what))
