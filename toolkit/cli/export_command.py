"""`toolkit export RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.echo import echo
from toolkit.cli.recipe_arguments import complete_run

FORMS = ("merged", "onnx", "int8")


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_run)
@click.option("--to", "form", type=click.Choice(FORMS), help="merged: adapter merged into a plain "
              "model, same probabilities within 1e-4. onnx: for onnxruntime, verified on the test "
              "split. int8: quantized ONNX, with its loss in score.")  # fmt: skip
@click.option("--merge", "merge", is_flag=True, help="The same as --to merged.")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR",
              help="A new or empty folder; default: RUN/merged, RUN/onnx or RUN/int8, where "
              "--runtime finds it.")  # fmt: skip
def command(run: Path, form: str | None, merge: bool, out: Path | None) -> None:
    """Export a run's model to ONNX, int8 ONNX, or a merged adapter."""
    from toolkit.deployment import exporting
    from toolkit.errors import UserError
    from toolkit.runs.folder import Run

    if merge and form not in (None, "merged"):
        raise UserError(f"--merge and --to {form} are two exports: ask for one at a time")
    form = "merged" if merge else form
    if form is None:
        raise UserError("say what to export: --merge gives a plain model, --to onnx and --to int8 "
                        "one for onnxruntime")  # fmt: skip
    folder, done = exporting.export(Run(run), form, out)
    echo(f"{done}\nwrote {folder}")
