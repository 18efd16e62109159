"""`toolkit fetch RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.echo import echo
from toolkit.cli.recipe_arguments import RecipeChoice, takes_recipe


@click.command("fetch")
@takes_recipe
@click.option("--to", "folder", type=click.Path(path_type=Path), metavar="DIR",
              help="Copy model, data and recipe into a new folder, for another machine; default: "
              "download into the caches.")  # fmt: skip
def command(choice: RecipeChoice, folder: Path | None) -> None:
    """Download a recipe's model and data, to run without a network."""
    draft = choice.draft()
    from toolkit.runner.fetch import RECIPE, fetch
    from toolkit.utils.logging import quiet_libraries

    quiet_libraries()
    for item in fetch(draft, folder):
        echo(f"{item.kind}: {item.name}\n  {item.place}")
    here = choice if folder is None else RecipeChoice(str(folder / RECIPE))
    echo(f"without a network: toolkit run {here.shell_words()} --offline")
