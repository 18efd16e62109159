"""`toolkit report RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.echo import echo
from toolkit.cli.recipe_arguments import complete_run


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_run)
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False),
              help="The file to write; default: report.html in the run's folder.")  # fmt: skip
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def command(run: Path, out: Path | None, show: bool) -> None:
    """Write a run's report anew from the files in its folder; of a sweep, its page."""
    from toolkit.errors import UserError
    from toolkit.reporting import html
    from toolkit.reporting.html import sweep as page
    from toolkit.runs.folder import Run
    from toolkit.runs.sweep_folder import Sweep
    from toolkit.runs.sweeps import FILE

    if (run / FILE).is_file():
        if out is not None:
            raise UserError(
                f"{run} holds a sweep, whose page is {Sweep(run).report}: without --out"
            )
        page.write(found := Sweep(run))
        written = found.report
    else:
        written = html.write(Run(run), out)
    echo(written)
    if show:
        click.launch(str(written.resolve()))
