"""`toolkit check RECIPE`."""

from __future__ import annotations

import click

from toolkit.cli.recipe_arguments import overrides, recipe_argument, recipe_options


@click.command("check")
@recipe_argument
@recipe_options
def command(
    recipe: str,
    data: str | None,
    model: str | None,
    method: str | None,
    settings: tuple[str, ...],
    seed: int | None,
) -> None:
    """Do everything that comes before training, and say what would be trained on."""
    changes = overrides(data, model, method, settings, seed)
    from rich.console import Console

    from toolkit import runner
    from toolkit.reporting import terminal

    terminal.checked(runner.check(recipe, changes), Console())
