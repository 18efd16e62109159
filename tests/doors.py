"""The doors through which others' input comes, for tests that throw anything at them.

Each takes bytes (or text) and an empty folder, and returns None where the toolkit takes the input
or refuses it in its own words; whatever else happens is a fault.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

from toolkit.errors import ToolkitError

Door = Callable[[bytes, Path], None]


def recipe(data: bytes, folder: Path) -> None:
    """A recipe's file, to its options, method and training settings checked."""
    from toolkit.recipe.library import find_recipe
    from toolkit.runner.resolve import resolve_recipe

    path = folder / "r.yaml"
    path.write_bytes(data)
    _own_words_only(lambda: resolve_recipe(find_recipe(str(path))))


def overrides(data: bytes, folder: Path) -> None:
    """What stands behind --set, several of them one to a line."""
    from toolkit.recipe.library import find_recipe
    from toolkit.recipe.overrides import parse_override
    from toolkit.runner.resolve import resolve_recipe

    texts = data.decode("utf-8", "surrogateescape").split("\n")[:5]

    def read() -> None:
        resolve_recipe(find_recipe("text-classification", [parse_override(text) for text in texts]))

    _own_words_only(read)


def table(suffix: str) -> Door:
    """A file of rows: read, checked, split, compared between splits, its classes found."""
    from toolkit.data import ClassLabels, load_splits
    from toolkit.plugin_types import Column
    from toolkit.recipe.schema import DataSpec

    columns = {
        "text": ("text", Column("input", "text")),
        "label": ("label", Column("target", "text")),
    }

    def door(data: bytes, folder: Path) -> None:
        path = folder / f"rows{suffix}"
        path.write_bytes(data)

        def read() -> None:
            loaded = load_splits(DataSpec(source=str(path)), columns, 0)
            ClassLabels.of(loaded.splits["train"], "label")

        _own_words_only(read)

    return door


def run(data: bytes, folder: Path) -> None:
    """A run's folder with such a run.json: read, summed up, described."""
    from rich.console import Console

    from toolkit import Run
    from toolkit.recipe.library import find_recipe
    from toolkit.reporting import card, terminal
    from toolkit.runner.resume import run_to_resume

    (folder / "run.json").write_bytes(data)

    def read() -> None:
        found = Run(folder)
        if found.status == "finished":
            terminal.summary(found, Console(file=io.StringIO()))
            card.card(found.record)
        with run_to_resume(find_recipe("text-classification"), folder):
            pass

    _own_words_only(read)


def everything(folder: Path) -> set[str]:
    """Return all that stands below a folder, links not followed."""
    return {
        str(Path(base, name).relative_to(folder))
        for base, folders, files in os.walk(folder)
        for name in [*folders, *files]
    }


def _own_words_only(action: Callable[[], object]) -> None:
    try:
        action()
    except ToolkitError as error:
        if not str(error).strip():
            raise AssertionError("a message that says nothing") from error
