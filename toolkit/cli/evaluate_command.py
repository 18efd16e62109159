"""`toolkit evaluate RUN FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from toolkit.cli.predict_command import column_option, pairs, runtime_option
from toolkit.cli.recipe_arguments import complete_run
from toolkit.runs.compute import PRECISIONS


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_run)
@click.argument("source", metavar="FILE")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR",
              help="A new or empty folder; default: RUN/evaluations/TIME.")  # fmt: skip
@click.option("--split", metavar="NAME", help="Which split, if FILE has several.")
@click.option("--baselines/--no-baselines", default=True, show_default=True,
              help="Fit the run's baselines again, and score them on the same rows.")  # fmt: skip
@runtime_option
@click.option("--dtype", type=click.Choice(PRECISIONS), default=PRECISIONS[0], show_default=True,
              help="bfloat16 is less precise, and faster if the hardware supports it.")  # fmt: skip
@click.option("--device", "devices", metavar="NAME", help="Torch device (cpu, cuda:1).")
@column_option
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE",
              help="How to read FILE, if not like the run's own data: data.encoding, "
              "data.delimiter, data.quote, data.escape.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    run: Path,
    source: str,
    out: Path | None,
    split: str | None,
    baselines: bool,
    devices: str | None,
    columns: tuple[str, ...],
    settings: tuple[str, ...],
    quiet: bool,
    **computing: Any,
) -> None:
    """Score a finished run on new labelled rows.

    The rows of FILE are scored as the run's test split was: with intervals, baselines, slices, and
    the overlap with the rows that the model was trained on. FILE is anything that --data takes;
    all its rows are test rows. The report is in RUN/evaluations/TIME.
    """
    from rich.console import Console

    from toolkit.recipe.overrides import overrides
    from toolkit.reporting import terminal
    from toolkit.runner.evaluate import evaluate
    from toolkit.runner.evaluation_rows import Reading
    from toolkit.runs.compute import ComputeConfig
    from toolkit.runs.folder import Run

    reading = Reading(split, overrides(settings=settings), pairs(columns))
    how = ComputeConfig(**computing, devices=(devices,) if devices else ())
    console = Console(quiet=quiet)
    found = evaluate(Run(run), source, out, console, reading=reading, computing=how,
                     baselines=baselines)  # fmt: skip
    terminal.summary(found, console)
