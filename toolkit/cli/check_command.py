"""`toolkit check RECIPE`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from toolkit.cli.recipe_arguments import recipe_argument, recipe_options
from toolkit.recipe.overrides import overrides
from toolkit.utils import offline as network

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit.runner.estimating.estimate import Estimate
    from toolkit.runner.prepare import Job


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
    """Validate recipe and data, estimate time and memory; train nothing."""
    if price is not None and not math.isfinite(price):
        raise click.BadParameter("takes a finite number", param_hint="--price")
    changes = overrides(data, model, method, settings, seed)
    if offline:
        network.go()
    from rich.console import Console

    from toolkit.recipe.library import find_recipe
    from toolkit.runner.prepare import prepare

    console = Console()
    job = prepare(find_recipe(recipe, changes))
    _show_job(job, console)
    if estimate:
        from toolkit.runner.estimating.estimate import estimate as estimate_run

        _show_estimate(estimate_run(job, price), console)


def _show_job(job: Job, console: Console) -> None:
    """Print what a run would train on."""
    from toolkit.reporting.terminal import overlap, plain

    loaded = job.loaded
    console.print(f"[bold]{plain(job.name)}[/]: ready to train", highlight=False)
    lines = [
        f"model: {job.files.id} ({job.files.source}, {job.files.revision[:19]})",
        "rows: " + ", ".join(f"{name} {len(rows):,}" for name, rows in loaded.splits.items()),
        "overlap: " + overlap(loaded.overlap),
        *(f"{split}: {count:,} rows skipped ({reason})"
          for split, reasons in loaded.skipped.items() for reason, count in reasons.items()),
        *loaded.notes,
    ]  # fmt: skip
    for line in lines:
        console.print(f"  {plain(line)}", highlight=False)


def _show_estimate(found: Estimate, console: Console) -> None:
    """Print what a run will take."""
    from toolkit.reporting.formatting import duration

    bound = "at most " if found.at_most else "about "
    parts = " + ".join(f"{part} {duration(seconds)}" for part, seconds in found.seconds.items())
    kind = "of the accelerator" if found.on_accelerator else "of the process"
    lines = [
        f"time: {bound}{duration(found.total_seconds)} = {parts}",
        f"steps: {found.steps:,} of {found.step_seconds:.3f} s",
        f"memory: {found.memory / 2**30:.1f} GiB {kind} at its peak",
    ]
    if found.cost is not None:
        lines.append(f"cost: {bound}{found.cost:.4g}")
    lines.append(f"(from {found.measured_steps} measured steps, in {duration(found.spent)})")
    for line in lines:
        console.print(f"  {line}", highlight=False)
