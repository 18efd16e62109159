"""`toolkit export RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.echo import echo


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--merge", "form", flag_value="merged", help="A plain model, which loads without "
              "peft: its probabilities are the run's within 1e-4.")  # fmt: skip
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR",
              help="Where to; a new or empty folder, otherwise RUN/merged.")  # fmt: skip
def command(run: Path, form: str | None, out: Path | None) -> None:
    """Write a finished run's model in another form."""
    from toolkit import exporting
    from toolkit.errors import UserError
    from toolkit.runs import Run

    if form is None:
        raise UserError("say what to export: --merge gives a plain model")
    folder, done = exporting.export(Run(run), form, out)
    echo(f"{done}\nwrote {folder}")
