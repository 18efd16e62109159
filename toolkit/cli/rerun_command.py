"""`toolkit rerun RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.recipe_arguments import complete_run, offline_option


@click.command("rerun")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_run)
@click.option("--out", type=click.Path(path_type=Path),
              help="The new run's folder (new or empty); default: runs/RECIPE/TIME.")  # fmt: skip
@click.option("--strict", is_flag=True, help="Do not start if versions, machine, model or rows "
              "differ; fail if scores differ.")  # fmt: skip
@click.option("--processes", type=int, metavar="N",
              help="As for `toolkit run`; default: as many as the first run had.")  # fmt: skip
@offline_option
def command(run: Path, out: Path | None, strict: bool, processes: int | None) -> None:
    """Repeat a run from its folder, and report what differs."""
    from rich.console import Console

    from toolkit.reporting import terminal
    from toolkit.runner import launch
    from toolkit.runner.rerun import format_unequal, rerun
    from toolkit.utils.text import print_text

    console = Console()
    again = rerun(run, out, console, strict=strict, processes=processes)
    if again is None or not launch.prints_result():
        return
    terminal.summary(again, console)
    unequal = again.record["repeats"]["unequal_scores"]
    said = f"other scores than {run}: {format_unequal(unequal)}" if unequal else (
        f"the same scores as {run}, to the bit"
    )  # fmt: skip
    print_text(console, said)
