"""`toolkit run RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.recipe_arguments import overrides, recipe_argument, recipe_options


@click.command("run")
@recipe_argument
@recipe_options
@click.option(
    "--out", type=click.Path(path_type=Path), help="The run's folder (new or empty); "
    "otherwise runs/RECIPE/TIME.",
)  # fmt: skip
def command(
    recipe: str,
    data: str | None,
    model: str | None,
    method: str | None,
    settings: tuple[str, ...],
    seed: int | None,
    out: Path | None,
) -> None:
    """Fine-tune, score, save, prove and report."""
    changes = overrides(data, model, method, settings, seed)
    from rich.console import Console

    from toolkit import runner
    from toolkit.reporting import terminal

    console = Console()
    run = runner.run(recipe, changes, out, console)
    terminal.summary(run, console)
