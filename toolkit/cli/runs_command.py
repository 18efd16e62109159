"""`toolkit runs [FOLDER]`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("runs")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--limit", type=click.IntRange(1), default=30, show_default=True,
              help="Show only the newest N.")  # fmt: skip
def command(folder: Path, limit: int) -> None:
    """List runs, newest last: date, status, recipe, model, method, rows, score.

    All runs below FOLDER (runs/) are listed. Runs with several seeds or over folds, and sweeps, are
    one entry; pass their folder to list each. A run is "dead" if its process has ended without
    recording how.
    """
    from rich.console import Console

    from toolkit.errors import UserError
    from toolkit.reporting import run_list
    from toolkit.runs import sweeps
    from toolkit.utils.text import print_text

    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; runs are made there by `toolkit run`")
    names = (*run_list.SEVERAL, sweeps.FILE)
    several = [file for name in names for file in folder.rglob(f"*/{name}")]
    within = {file.parent for file in several}
    alone = [file for file in folder.rglob("run.json") if file.parent.parent not in within]
    files = sorted([*alone, *several], key=lambda file: (file.stat().st_mtime, str(file)))
    console = Console()
    if not files:
        print_text(console, f"no run below {folder}")
    if len(files) > limit:
        print_text(console, f"{len(files) - limit:,} older runs are not shown (--limit)")
    if files:
        run_list.show([run_list.listed(file) for file in files[-limit:]], console)
