"""A recipe for data of one's own, on the settings of another: `toolkit init RECIPE --data FILE`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.data.proposals import propose
from toolkit.data.reader import ColumnRoles, read_raw_splits
from toolkit.plugin_types.columns import column_markers, marked
from toolkit.recipe.library import find_recipe
from toolkit.recipe.overrides import overrides
from toolkit.recipe.yaml_text import dump
from toolkit.runner.resolve import resolve_recipe
from toolkit.utils.text import listing, printable_line


@dataclass(frozen=True)
class OwnRecipe:
    """What `init` writes, and what it tells.

    columns: of the data. proposed: option -> column. open: option -> the column that it names,
    which is not there, and no other one fits. unset: options that name no column.
    """

    text: str
    columns: list[str]
    proposed: Mapping[str, str]
    open: Mapping[str, str]
    unset: list[str]
    notes: list[str]


def recipe_for(recipe: str, data: str, target: Path) -> OwnRecipe:
    """Return a recipe as another one is, for other data, whose columns its options name.

    Args:
        target: the file that it is for: paths below its folder are written relative to it.

    Raises:
        UserError: there is no such recipe, or the data cannot be read.
    """
    draft = find_recipe(recipe, overrides(data))
    checked, plugin = resolve_recipe(draft)
    wanted = marked(plugin.options)
    splits, _, _ = read_raw_splits(checked.data, ColumnRoles.of(wanted), plugin)
    rows = splits["train"]
    found = propose(rows, wanted)
    lacking = {option: name for option, (name, _) in wanted.items()
               if name not in rows.column_names and option not in found}  # fmt: skip
    values = {key: value for key, value in draft.values.items() if key != "only_for"}
    values["options"] = {**(values.get("options") or {}), **found}
    values["data"] = {**values["data"], "source": _relative(values["data"]["source"], target)}
    text = f"# toolkit check {printable_line(target)}\n# toolkit run {printable_line(target)}\n"
    unset = [name for name in column_markers(type(plugin.options))
             if getattr(plugin.options, name) is None]  # fmt: skip
    return OwnRecipe(text + dump(values), rows.column_names, found, lacking, unset, draft.notes)


def _relative(source: Any, target: Path) -> Any:
    """Return a path below the recipe's folder relative to that, so that both may be moved."""
    folder = os.path.realpath(target.parent)
    if isinstance(source, str) and source.startswith(folder + os.sep):
        return os.path.relpath(source, folder)
    return source


def lines(made: OwnRecipe) -> list[str]:
    """Return what to tell of a recipe: which columns were proposed, and what is left open."""
    found = [f"columns: {listing(made.columns, 40)}"]
    found += [f"  options.{option} = {column} (proposed)"
              for option, column in made.proposed.items()]  # fmt: skip
    found += [f"  options.{option} names {name!r}: no column fits; write the right one into the "
              "recipe" for option, name in made.open.items()]  # fmt: skip
    found += [f"  options left to the scenario: {listing(made.unset)} (`toolkit check` shows which "
              "columns it takes)"] if made.unset else []  # fmt: skip
    return found + made.notes
