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
    """Write a run's report anew from the files in its folder."""
    from toolkit.reporting import html
    from toolkit.runs.folder import Run

    written = html.write(Run(run), out)
    echo(written)
    if show:
        click.launch(str(written.resolve()))
