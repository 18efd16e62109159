"""`toolkit predict RUN INPUT`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.echo import echo
from toolkit.cli.ray_options import takes_ray
from toolkit.cli.recipe_arguments import complete_run
from toolkit.runs.compute import DTYPES, RUNTIMES, ComputeConfig

if TYPE_CHECKING:
    from toolkit.runner.on_ray.spec import RaySpec

runtime_option = click.option(
    "--runtime", type=click.Choice(RUNTIMES), default=RUNTIMES[0], show_default=True,
    help="onnx and int8 need `toolkit export RUN --to` first.",
)  # fmt: skip
dtype_option = click.option(
    "--dtype", type=click.Choice(DTYPES), default="auto", show_default=True,
    help="bfloat16 is less precise, and faster if the hardware supports it; auto is float32 on "
    "CPUs, and on GPUs bfloat16 for rows whose answer it does not change.",
)  # fmt: skip

column_option = click.option(
    "--column", "columns", multiple=True, metavar="NAME=COLUMN",
    help="Read the model's column NAME from COLUMN of the input; repeatable.",
)  # fmt: skip


def _count(_: click.Context, option: click.Parameter, value: str | None) -> int | None:
    """Return how many parts are asked for; click takes the next word for it, whatever it is."""
    from toolkit.runs.predictor import TOP

    if not value:
        return None if value is None else TOP
    if value.isdecimal() and int(value) > 0:
        return int(value)
    raise click.BadParameter(f"{value!r} is no number from 1 on; without one, put --explain last")


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_run)
@click.argument("source", metavar="INPUT")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="The file to write: .jsonl, .csv or .parquet.")  # fmt: skip
@click.option("--split", metavar="NAME", help="Split to predict, if INPUT has several.")
@click.option("--resume", is_flag=True, help="Resume an interrupted prediction.")
@runtime_option
@dtype_option
@click.option("--device", "devices", multiple=True, metavar="NAME",
              help="Torch device (cpu, cuda:1); repeat it to share the rows. Default: all GPUs, "
              "or the CPU.")  # fmt: skip
@column_option
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE",
              help="How to read the input, if not like the run's own data: data.encoding, "
              "data.delimiter, data.quote, data.escape.")  # fmt: skip
@click.option("--raw", is_flag=True, help="Write csv texts unchanged. By default, an apostrophe is "
              "put before texts that a spreadsheet would execute (=HYPERLINK(...)).")  # fmt: skip
@click.option("--explain", is_flag=False, flag_value="", metavar="[N]", callback=_count,
              help="Write for each row also the N (10) words, image patches or columns that moved "
              "its prediction most; takes as many predictions as a row has of these.")  # fmt: skip
@takes_ray
@click.option("--quiet", is_flag=True, help="Show no progress.")
def command(
    run: Path,
    source: str,
    out: Path,
    split: str | None,
    resume: bool,
    quiet: bool,
    raw: bool,
    explain: int | None,
    columns: tuple[str, ...],
    settings: tuple[str, ...],
    ray: RaySpec | None,
    **computing: Any,
) -> None:
    """Predict a table, a folder of images or a stream with a run's model.

    The output has all columns of the input. INPUT is a csv, json, parquet or arrow file,
    hub:OWNER/NAME, a folder of images, or - for JSON lines from stdin. Rows that cannot be
    predicted are written to OUT.rejected.jsonl with the reason.
    """
    from rich.console import Console

    from toolkit.deployment import predict_file
    from toolkit.recipe.overrides import overrides
    from toolkit.runs.folder import Run

    changes, names = overrides(settings=settings), pairs(columns)
    console = Console(stderr=True, quiet=quiet)
    how = ComputeConfig(**computing)
    found = predict_file.predict(
        Run(run),
        source,
        out,
        resume,
        console,
        how,
        split,
        raw,
        changes,
        names,
        explain,
        ray,
    )
    echo(f"wrote {found.rows:,} rows to {found.path}")
    if found.rejected:
        echo(f"skipped {found.rejected:,} rows, with the reasons in {found.rejected_path}")


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Return NAME -> COLUMN of --column options."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, column = text.partition("=")
        if not (name and equals and column) or name in found:
            why = "is given twice" if name in found else "write it as NAME=COLUMN"
            raise click.BadParameter(f"{text!r}: {why}", param_hint="--column")
        found[name] = column
    return found
