"""`toolkit check RECIPE`."""

from __future__ import annotations

import math

import click

from toolkit.cli.recipe_arguments import RecipeChoice, offline_option, takes_recipe


@click.command("check")
@takes_recipe
@offline_option
@click.option("--price", type=click.FloatRange(min=0), metavar="N",
              help="Price of the machine per hour, to estimate the cost of the run.")  # fmt: skip
@click.option("--estimate/--no-estimate", default=True, show_default=True,
              help="Measure a few training steps to estimate time and memory.")  # fmt: skip
def command(choice: RecipeChoice, price: float | None, estimate: bool) -> None:
    """Validate recipe and data, estimate time and memory; train nothing."""
    if price is not None and not math.isfinite(price):
        raise click.BadParameter("takes a finite number", param_hint="--price")
    draft = choice.draft()
    from rich.console import Console

    from toolkit.reporting.terminal import plain
    from toolkit.runner.prepare import prepare

    console, job = Console(), prepare(draft)
    from toolkit.runner import check  # which needs the libraries, unlike most of what is wrong
    from toolkit.runner.estimating import estimate as estimating

    console.print(f"[bold]{plain(job.name)}[/]: ready to train", highlight=False)
    for line in check.facts(job):
        console.print(f"  {plain(line)}", highlight=False)
    for line in check.estimated(estimating.estimate(job, price)) if estimate else ():
        console.print(f"  {line}", highlight=False)
