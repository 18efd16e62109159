"""`toolkit push RUN OWNER/NAME`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from toolkit.cli.echo import echo
from toolkit.cli.recipe_arguments import complete_run


@click.command("push")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_run)
@click.argument("repo", metavar="OWNER/NAME")
@click.option("--private/--public", default=True, help="Visibility of a new repository: "
              "private (default) or public.")  # fmt: skip
@click.option("--revision", metavar="BRANCH", help="Branch, created if missing; "
              "default: main.")  # fmt: skip
@click.option("-m", "--message", help="Commit message; default: the recipe and its score.")
@click.option("--with-data", is_flag=True, help="Also upload files that show rows of data: "
              "predictions, examples in the report, images, slices by column.")  # fmt: skip
@click.option(
    "--dry-run", is_flag=True, help="Show what would be uploaded; do not contact the Hub."
)
def command(run: Path, repo: str, private: bool, dry_run: bool, **options: Any) -> None:
    """Push a finished run to the Hub: model, card, recipe, report.

    No rows of data are uploaded, unless --with-data is given.
    """
    from toolkit.deployment import publishing
    from toolkit.runs.folder import Run

    plan = publishing.prepare(Run(run), repo, private=private, **options)
    echo("\n".join(plan.summary()))
    seen = "private" if private else "public"
    echo(f"to {repo}, {seen} if it has to be made, branch {plan.branch}: {plan.message}")
    if dry_run:
        echo("nothing was sent (--dry-run)")
        return
    done = publishing.send(plan, progress=sys.stderr.isatty())
    for path in done.removed:
        echo(f"removed, as an earlier push had left it: {path}")
    for note in done.notes:
        echo(f"note: {note}")
    last = "" if done.changed else ", as it was: nothing has changed since the last push"
    echo(f"{done.url} ({'private' if done.private else 'public'}, {done.commit[:10]}){last}")
