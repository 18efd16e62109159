"""`toolkit predict RUN INPUT`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.echo import echo

RUNTIMES = ("torch", "onnx", "int8")


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("source", metavar="INPUT")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="The file to write: .jsonl, .csv or .parquet.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on where an earlier call of the same stopped.")
@click.option("--runtime", type=click.Choice(RUNTIMES), default="torch", show_default=True,
              help="onnx and int8: what `toolkit export RUN --to` has written.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Show no progress.")
def command(run: Path, source: str, out: Path, resume: bool, runtime: str, quiet: bool) -> None:
    """Predict the rows of a table with a run's model, and write them with all their columns.

    INPUT is a csv, json, parquet or arrow file, or - for JSON lines from stdin. Rows that cannot be
    predicted go to OUT.rejected.jsonl with the reason.
    """
    from rich.console import Console

    from toolkit import bulk
    from toolkit.runs import Run

    found = bulk.predict(Run(run), source, out, resume, Console(stderr=True, quiet=quiet), runtime)
    echo(f"wrote {found.rows:,} rows to {found.path}")
    if found.rejected:
        echo(f"left out {found.rejected:,}, with the reasons in {found.rejected_path}")
