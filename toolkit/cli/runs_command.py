"""`toolkit runs [FOLDER]`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("runs")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--limit", type=click.IntRange(1), default=30, show_default=True,
              help="Show only the newest N.")  # fmt: skip
def command(folder: Path, limit: int) -> None:
    """List runs, newest last: status, headline score, time.

    All runs below FOLDER (runs/) are listed. Runs with several seeds are one line; pass their
    folder to list each.
    """
    from rich.console import Console

    from toolkit.errors import UserError
    from toolkit.reporting.terminal import plain
    from toolkit.runs.seed_folder import FILE
    from toolkit.utils.text import print_text

    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; runs are made there by `toolkit run`")
    several = list(folder.rglob(f"*/{FILE}"))
    within = {file.parent for file in several}
    alone = [file for file in folder.rglob("run.json") if file.parent.parent not in within]
    files = sorted([*alone, *several], key=lambda file: (file.stat().st_mtime, str(file)))
    console = Console()
    if not files:
        print_text(console, f"no run below {folder}")
    if len(files) > limit:
        print_text(console, f"{len(files) - limit:,} older runs are not shown (--limit)")
    for file in files[-limit:]:
        try:
            line = _seeds(file.parent) if file.name == FILE else _run(file.parent)
        except UserError as error:
            line = f"[red]damaged[/]      {plain(file.parent)}: {plain(error)}"
        console.print(line.rstrip(), highlight=False, soft_wrap=True)


def _run(folder: Path) -> str:
    from toolkit.reporting.formatting import score
    from toolkit.reporting.terminal import plain
    from toolkit.runs.folder import Run

    run, text = Run(folder), ""
    headline = run.record.get("headline")
    if headline and headline["metric"] in run.metrics.get("test", {}):
        name = headline["metric"]
        text = f"{name} {score(run.metrics['test'][name])}"
    seconds = run.record.get("speed", {}).get("total_seconds")
    took = "" if seconds is None else f"{seconds:.0f} s"
    return f"{run.status:12} {plain(folder)}  {plain(text)}  {took}"


def _seeds(folder: Path) -> str:
    from toolkit.reporting.seed_report import headline
    from toolkit.reporting.terminal import plain
    from toolkit.runs.seed_folder import SeedRuns

    found = SeedRuns(folder)
    done = f"{len(found.runs)} of {len(found.seeds)} seeds"
    return f"{found.status:12} {plain(folder)}  {done}  {plain(headline(found))}"
