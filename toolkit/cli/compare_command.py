"""`toolkit compare RUN RUN...`."""

from __future__ import annotations

import click


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...")
def command(runs: tuple[str, ...]) -> None:
    """Compare finished runs with the first one, on the same test rows.

    A RUN is a run's folder, or a recipe's (runs/RECIPE) for the newest finished run in it.
    Differences come with their 95% interval (paired bootstrap) and its p; where predictions are
    labels, with McNemar's test.
    """
    from rich.console import Console

    from toolkit import comparing
    from toolkit.reporting import comparison
    from toolkit.runs import Run

    folders = comparing.find(runs)
    comparison.show(Run(folders[0]), comparing.compare(folders), Console())
