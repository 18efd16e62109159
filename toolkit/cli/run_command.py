"""`toolkit run RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.recipe_arguments import recipe_argument, recipe_options
from toolkit.recipe.overrides import overrides
from toolkit.utils import offline as network


@click.command("run")
@recipe_argument
@recipe_options
@click.option(
    "--seeds", type=int, metavar="N", help="Run with N seeds, from --seed on, on the same splits: "
    "mean and spread.",
)  # fmt: skip
@click.option("--offline", is_flag=True, help="Ask the Hub for nothing.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The run's folder (new or empty); "
    "otherwise runs/RECIPE/TIME.",
)  # fmt: skip
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in --out, or the recipe's last one, that did not get to its end.",
)
@click.option(
    "--processes",
    type=int,
    metavar="N",
    help="Processes on this machine; otherwise one per visible GPU, or one.",
)
@click.option("--nodes", type=int, metavar="N", default=1, help="Machines; run this on each.")
@click.option("--node-rank", type=int, metavar="I", help="Which of them this is, from 0.")
@click.option("--rendezvous", metavar="HOST:PORT", help="Where they meet: on machine 0.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    recipe: str,
    data: str | None,
    model: str | None,
    method: str | None,
    settings: tuple[str, ...],
    seed: int | None,
    seeds: int | None,
    offline: bool,
    out: Path | None,
    resume: bool,
    processes: int | None,
    nodes: int,
    node_rank: int | None,
    rendezvous: str | None,
    quiet: bool,
) -> None:
    """Fine-tune a model, evaluate it, save it and write a report."""
    changes = overrides(data, model, method, settings, seed)
    if offline:
        network.go()
    from rich.console import Console

    from toolkit.recipe.library import find_recipe
    from toolkit.reporting import terminal
    from toolkit.runner import launch
    from toolkit.runner.elastic import LaunchSpec

    console = Console(quiet=quiet)
    draft, spec = find_recipe(recipe, changes), LaunchSpec(processes, nodes, node_rank, rendezvous)
    if seeds is not None:
        from toolkit.reporting import seed_report as page
        from toolkit.runner import seeds as several

        page.summary(several.run(draft, seeds, out, console, spec, resume), console)
        return
    run = launch.run(draft, out, console, spec, resume)
    if launch.prints_result():
        if run is None:
            console.print("done; the run's folder is on the machine with --node-rank 0")
        else:
            terminal.summary(run, console)
