"""`toolkit sweep RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.recipe_arguments import RecipeChoice, offline_option, takes_recipe


@click.command("sweep")
@takes_recipe
@click.option("--space", "file", type=click.Path(path_type=Path), metavar="FILE",
              help="YAML file of key: space; as with --set.")  # fmt: skip
@click.option("--trials", type=int, metavar="N",
              help="Number of trials; default: 20, or the whole grid.")  # fmt: skip
@click.option("--minutes", type=float, metavar="M",
              help="Begin no trial that would not end within so many minutes.")  # fmt: skip
@click.option("--search", metavar="NAME", help="random (default), tpe (needs optuna) or grid.")
@click.option("--prune", metavar="NAME",
              help="Stop poor trials early: asha or median; default: none.")  # fmt: skip
@click.option("--grace", type=int, metavar="N",
              help="Validations before a trial may be stopped; default: 1.")  # fmt: skip
@click.option("--metric", metavar="NAME",
              help="Compare trials by it, on validation; default: what the recipe is scored by "
              "first.")  # fmt: skip
@click.option("--without-default", is_flag=True,
              help="Do not try the recipe as it is as the first trial.")  # fmt: skip
@offline_option
@click.option("--out", type=click.Path(path_type=Path),
              help="The sweep's folder (new or empty); default: runs/RECIPE/TIME.")  # fmt: skip
@click.option("--resume", is_flag=True,
              help="Resume the interrupted sweep in --out, or the recipe's last one.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Print errors only.")
def command(
    choice: RecipeChoice,
    file: Path | None,
    trials: int | None,
    minutes: float | None,
    search: str | None,
    prune: str | None,
    grace: int | None,
    metric: str | None,
    without_default: bool,
    out: Path | None,
    resume: bool,
    quiet: bool,
) -> None:
    """Search settings by trials on validation; score the best one on test, once.

    A value of --set may be a space: uniform(0, 0.3), loguniform(1e-5, 1e-3), int(1, 8), logint(4,
    64), choice(full, lora); uniform and int take a step as third value. For example: --set
    'training.learning_rate=loguniform(1e-5, 1e-3)'
    """
    if resume:
        from toolkit.runs.restore import restore_named

        restore_named(choice.recipe)
    from toolkit.recipe.library import find_recipe
    from toolkit.recipe.overrides import overrides
    from toolkit.runner.sweeping.asked import Options
    from toolkit.runner.sweeping.given import from_options

    settings, spaces, origins = from_options(choice.settings, file)
    changes = overrides(choice.data, choice.model, choice.method, settings, choice.seed)
    draft = find_recipe(choice.recipe, changes)
    from rich.console import Console

    from toolkit.reporting import sweep_report
    from toolkit.runner.sweeping import sweep

    console = Console(quiet=quiet)
    options = Options(spaces, origins, trials, search, prune, grace, metric, minutes,
                      False if without_default else None)  # fmt: skip
    sweep_report.summary(sweep.run(draft, options, out, console, resume), console)
