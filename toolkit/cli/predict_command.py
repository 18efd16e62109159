"""`toolkit predict RUN INPUT`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from toolkit.cli.echo import echo
from toolkit.runs.compute import DTYPES, RUNTIMES, ComputeConfig

F = TypeVar("F", bound=Callable[..., Any])


def computing_options(command: F) -> F:
    """Add `--runtime` and `--dtype`."""
    for option in (
        click.option("--dtype", type=click.Choice(DTYPES), default=DTYPES[0], show_default=True,
                     help="bfloat16 rounds, and is faster where the machine has it."),
        click.option("--runtime", type=click.Choice(RUNTIMES), default=RUNTIMES[0],
                     show_default=True,
                     help="onnx and int8: what `toolkit export RUN --to` has written."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("source", metavar="INPUT")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="The file to write: .jsonl, .csv or .parquet.")  # fmt: skip
@click.option("--split", metavar="NAME", help="Which one, of an INPUT that has several.")
@click.option("--resume", is_flag=True, help="Go on where an earlier call of the same stopped.")
@computing_options
@click.option("--device", "devices", multiple=True, metavar="NAME", help="As torch names it: cpu, "
              "cuda:1. Several times: they share the rows. Otherwise all GPUs, or the "
              "processor.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Show no progress.")
def command(
    run: Path,
    source: str,
    out: Path,
    split: str | None,
    resume: bool,
    runtime: str,
    dtype: str,
    devices: tuple[str, ...],
    quiet: bool,
) -> None:
    """Predict the rows of a table with a run's model, and write them with all their columns.

    INPUT is what recipes take as data: a csv, json, parquet or arrow file, hub:OWNER/NAME, or a
    folder of pictures; or - for JSON lines from stdin. Rows that cannot be predicted go to
    OUT.rejected.jsonl with the reason.
    """
    from rich.console import Console

    from toolkit.deployment import predict_file
    from toolkit.runs.folder import Run

    console = Console(stderr=True, quiet=quiet)
    how = ComputeConfig(runtime, dtype, devices)
    found = predict_file.predict(Run(run), source, out, resume, console, how, split)
    echo(f"wrote {found.rows:,} rows to {found.path}")
    if found.rejected:
        echo(f"left out {found.rejected:,}, with the reasons in {found.rejected_path}")
