"""What is said of a run within a second: paths where nothing is, and what will be trained.

Importing the libraries takes several.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from rich.console import Console

from toolkit.data.sources import missing
from toolkit.errors import DataError, Fault, ModelError
from toolkit.models.find import find_model
from toolkit.recipe.draft import Draft
from toolkit.recipe.schema import Recipe
from toolkit.runner.resolve import needs_no_library, resolve_recipe
from toolkit.utils.text import printable


def first_look(draft: Draft, quiet: bool) -> None:
    """Say on stderr what will be run, and check what needs none of the libraries.

    A mistake that is found later leaves stdout empty.

    Raises:
        UserError: paths where nothing is; or what else is wrong, where all of that shows already.
    """
    recipe = require_paths(draft)
    if recipe is not None:
        model = recipe.model.id or "a model from_config"
        sources = ", ".join(map(_shown, _sources(recipe)))
        console = Console(stderr=True, quiet=quiet)
        what = printable(f"{draft.name}: {model} on {sources}")
        console.print(what, style="dim", highlight=False, markup=False, soft_wrap=True)
    if needs_no_library(draft):
        resolve_recipe(draft.changed(()))


def require_paths(draft: Draft) -> Recipe | None:
    """Return the recipe whose data and model are not at paths where nothing is.

    None is returned for one that `resolve_recipe` refuses, which says all that is wrong with it.

    Raises:
        DataError, ModelError: each path where nothing is, with the nearest that there is.
    """
    seen = draft.changed(())  # which keeps what is found to itself
    recipe = seen.recipe()
    if recipe is None or seen.faults:
        return None
    with draft.placing():
        faults = missing(recipe.data.source)
        model = recipe.model.id
        path = os.path.expanduser(model or "")
        if model and path.startswith(("/", "./", "../")) and not os.path.exists(path):
            try:
                find_model(model)
            except ModelError as error:
                if not faults:
                    raise
                faults += [Fault("model", fault.what) for fault in error.faults]
        if faults:
            raise DataError(faults)
    return recipe


def _sources(recipe: Recipe) -> Iterator[str]:
    """Yield the paths or addresses of a recipe's rows."""
    source = recipe.data.source
    for item in source.values() if isinstance(source, dict) else [source]:
        yield from [item] if isinstance(item, str) else item


def _shown(source: str) -> str:
    """Return a file's name; an address on the Hub, or a plugin's, as it is."""
    return source if re.match(r"\w+:", source) else os.path.basename(source) or source
