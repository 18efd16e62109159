"""`toolkit check RECIPE`."""

from __future__ import annotations

import math

import click

from toolkit.cli.recipe_arguments import recipe_argument, recipe_options
from toolkit.recipe.overrides import overrides
from toolkit.utils import offline as network


@click.command("check")
@recipe_argument
@recipe_options
@click.option("--offline", is_flag=True, help="Ask the Hub for nothing.")
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    metavar="N",
    help="What the machine costs an hour; tells what the run will cost.",
)
@click.option(
    "--estimate/--no-estimate",
    default=True,
    help="Measure a few steps to tell time and memory, or do not; measured by default.",
)
def command(
    recipe: str,
    data: str | None,
    model: str | None,
    method: str | None,
    settings: tuple[str, ...],
    seed: int | None,
    offline: bool,
    price: float | None,
    estimate: bool,
) -> None:
    """Do everything that comes before training; say what would be trained on, and what it takes."""
    if price is not None and not math.isfinite(price):
        raise click.BadParameter("takes a finite number", param_hint="--price")
    changes = overrides(data, model, method, settings, seed)
    if offline:
        network.go()
    from rich.console import Console

    from toolkit.reporting import terminal
    from toolkit.runner.prepare import prepare

    console = Console()
    job = prepare(recipe, changes)
    terminal.checked(job, console)
    if estimate:
        from toolkit.runner.estimating.estimate import estimate as estimate_run

        terminal.estimated(estimate_run(job, price), console)
