"""Everything that a recipe needs, downloaded while there is a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.data.plugin_source import PREFIX, read_plugin_source
from toolkit.data.reader import read_hub
from toolkit.data.sources import find_sources
from toolkit.errors import DataError, UserError
from toolkit.models import methods
from toolkit.models.find import find_model
from toolkit.recipe.draft import Draft
from toolkit.recipe.schema import Recipe
from toolkit.recipe.yaml_text import dump
from toolkit.utils.files import write_atomically
from toolkit.utils.text import printable_line

MODEL, DATA, RECIPE = "model", "data", "recipe.yaml"


@dataclass(frozen=True)
class Fetched:
    """One thing that a recipe needs: what it is, which one, and where it is now."""

    kind: str
    name: str
    place: str


def fetch(draft: Draft, folder: Path | None = None) -> list[Fetched]:
    """Download a recipe's model (at its revision) and rows to this machine.

    Args:
        draft: the recipe, as `toolkit.recipe.library.find_recipe` returns it.
        folder: new or empty; model, rows and a recipe that runs with them are copied there. None
            leaves them in the caches, where the same recipe finds them.

    Raises:
        UserError: what cannot be found, or a folder that cannot be filled.
    """
    recipe = draft.checked()
    if folder is not None:
        _claim(folder)
    found = list(_models(recipe))
    tables, where = _rows(recipe.data.source)
    source = str(recipe.data.source)
    if folder is None:
        return [*found, Fetched("rows", source, where)]
    values = recipe.model_dump(mode="json", exclude_defaults=True)
    if recipe.model.id is not None:
        shutil.copytree(found[0].place, folder / MODEL)
        values["model"] = f"./{MODEL}"
        found[0] = Fetched("model", found[0].name, str(folder / MODEL))
    if tables is not None or where != "made":
        values["data"]["source"] = _copied(recipe.data.source, tables, folder)
        where = str(folder / DATA)
    path = folder / RECIPE
    text = f"# toolkit run {printable_line(path)} --offline\n{dump(values)}"
    write_atomically(path, text)
    rows, own = Fetched("rows", source, where), Fetched("recipe", draft.asked, str(path))
    return [*found, rows, own]


def _claim(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"--to {folder} is not empty; name a new or empty folder")
    except OSError as error:
        raise UserError(f"--to {folder} cannot be written: {error.strerror}") from None


def _models(recipe: Recipe) -> Iterator[Fetched]:
    """Yield the model to train, and those that the method takes besides."""
    further = methods.method_for(recipe.method).models()
    wanted = [(name, None) for name in further if not (Path(name) / "run.json").is_file()]
    for name, revision in [(recipe.model.id, recipe.model.revision), *wanted]:
        if name is not None:
            files = find_model(name, revision)
            yield Fetched("model", f"{files.id}@{files.revision}", str(files.path))


def _rows(source: Any) -> tuple[Mapping[str, Any] | None, str]:
    """Return the splits of a data set of the Hub (None for anything else), and where rows are."""
    if isinstance(source, str) and source.startswith("hub:"):
        splits, _, _ = read_hub(source)
        first = next(iter(splits.values())).cache_files
        return splits, str(Path(first[0]["filename"]).parent) if first else "memory"
    if isinstance(source, str) and source.startswith(PREFIX):
        read_plugin_source(source)
        return None, "made"
    found, _ = find_sources(source)
    if "train" not in found:
        raise DataError(f"data.source has {', '.join(found)} but no train split")
    return None, "as it is, on this machine"


def _copied(source: Any, tables: Mapping[str, Any] | None, folder: Path) -> Any:
    """Copy rows into the folder; return the source that names them there, relative to it."""
    (folder / DATA).mkdir()
    if tables is not None:
        for split, rows in tables.items():
            rows.to_parquet(folder / DATA / f"{split}.parquet")
        return {split: f"{DATA}/{split}.parquet" for split in tables}
    if isinstance(source, Mapping):
        return {split: _files(value, folder, split) for split, value in source.items()}
    if Path(str(source)).is_dir():
        shutil.copytree(source, folder / DATA, dirs_exist_ok=True)
        return DATA
    return _files(source, folder, "")


def _files(source: str | list[str], folder: Path, split: str) -> str | list[str]:
    """Copy the files of one split; two of the same name stay apart."""
    names: list[str] = []
    for path in map(Path, [source] if isinstance(source, str) else source):
        target = folder / DATA / split / str(len(names) or "") / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        names.append(target.relative_to(folder).as_posix())
    return names[0] if isinstance(source, str) else names
