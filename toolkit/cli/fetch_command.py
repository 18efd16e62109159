"""`toolkit fetch RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.echo import echo
from toolkit.cli.recipe_arguments import recipe_argument, recipe_options, spelled
from toolkit.recipe.overrides import overrides


@click.command("fetch")
@recipe_argument
@recipe_options
@click.option("--to", "folder", type=click.Path(path_type=Path), metavar="DIR",
              help="Copy model, rows and recipe into a new folder, to be taken elsewhere; "
              "otherwise they stay in the caches.")  # fmt: skip
def command(
    recipe: str,
    data: str | None,
    model: str | None,
    method: str | None,
    settings: tuple[str, ...],
    seed: int | None,
    folder: Path | None,
) -> None:
    """Bring a recipe's model and rows here, so that it runs without a network."""
    changes = overrides(data, model, method, settings, seed)
    from toolkit.recipe.library import find_recipe
    from toolkit.runner.fetch import RECIPE, fetch
    from toolkit.utils.logging import quiet_libraries

    quiet_libraries()
    for item in fetch(find_recipe(recipe, changes), folder):
        echo(f"{item.kind}: {item.name}\n  {item.place}")
    if folder is None:
        asked = spelled(recipe, data, model, method, settings, seed)
    else:
        asked = spelled(str(folder / RECIPE), None, None, None, (), None)
    echo(f"without a network: toolkit run {asked} --offline")
