"""`toolkit check RECIPE`."""

from __future__ import annotations

import math

import click

from toolkit import offline as network
from toolkit.cli.recipe_arguments import overrides, recipe_argument, recipe_options


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

    from toolkit import runner
    from toolkit.reporting import terminal

    console = Console()
    job = runner.check(recipe, changes)
    terminal.checked(job, console)
    if estimate:
        from toolkit import estimating

        terminal.estimated(estimating.estimate(job, price), console)
