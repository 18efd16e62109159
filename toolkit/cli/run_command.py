"""`toolkit run RECIPE`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.ray_options import takes_ray
from toolkit.cli.recipe_arguments import RecipeChoice, offline_option, takes_recipe

if TYPE_CHECKING:
    from toolkit.runner.on_ray.spec import RaySpec


@click.command("run")
@takes_recipe
@click.option("--seeds", type=int, metavar="N",
              help="Repeat the run with N seeds, from --seed on, on the same splits.")  # fmt: skip
@click.option("--folds", type=int, metavar="K",
              help="Cross-validate: run K folds, each the test split once.")  # fmt: skip
@offline_option
@click.option("--out", type=click.Path(path_type=Path),
              help="The run's folder (new or empty); default: runs/RECIPE/TIME.")  # fmt: skip
@click.option("--resume", is_flag=True,
              help="Resume the interrupted run in --out, or the recipe's last one.")  # fmt: skip
@click.option("--processes", type=int, metavar="N",
              help="Processes on this machine; default: one per visible GPU, or one.")  # fmt: skip
@click.option("--nodes", type=int, metavar="N", default=1,
              help="Number of machines; run this on each, with its --node-rank.")  # fmt: skip
@click.option("--node-rank", type=int, metavar="I", help="This machine's number, from 0.")
@click.option("--rendezvous", metavar="HOST:PORT", help="Address and free port of machine 0.")
@takes_ray
@click.option("--quiet", is_flag=True, help="Print errors only.")
def command(
    choice: RecipeChoice,
    seeds: int | None,
    folds: int | None,
    out: Path | None,
    resume: bool,
    quiet: bool,
    ray: RaySpec | None,
    **processes: Any,
) -> None:
    """Fine-tune a model, evaluate it, save it and write a report.

    RECIPE is a name that `toolkit list` shows, or a YAML file. For your own table, name its
    columns: --data tickets.csv --set options.text=message --set options.label=team
    """
    if resume:  # the recipe may be the run's own
        from toolkit.runs.restore import restore_named

        restore_named(choice.recipe)
    draft = choice.draft()
    from rich.console import Console

    from toolkit.errors import UserError
    from toolkit.reporting import fold_report, seed_report, terminal
    from toolkit.runner import launch, several
    from toolkit.runner.elastic import LaunchSpec
    from toolkit.runner.folds import Folds
    from toolkit.runner.seeds import Seeds

    console, spec = Console(quiet=quiet), ray or LaunchSpec(**processes)
    if ray is not None and LaunchSpec(**processes) != LaunchSpec():
        raise click.UsageError(
            "--on ray has its own --workers: leave out --processes, --nodes, --node-rank and "
            "--rendezvous"
        )
    if seeds is not None:
        if folds is not None:
            raise UserError("--seeds and --folds: give one of them")
        done = several.run(Seeds(), draft, seeds, out, console, spec, resume)
        seed_report.summary(done, console)
        return
    if folds is not None:
        fold_report.summary(several.run(Folds(), draft, folds, out, console, spec, resume), console)
        return
    run = launch.run(draft, out, console, spec, resume)
    if not launch.prints_result():
        return
    if run is None:
        console.print("done; the run's folder is on the machine with --node-rank 0")
    else:
        terminal.summary(run, console)
