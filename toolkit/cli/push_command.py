"""`toolkit push RUN OWNER/NAME`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from toolkit.cli.echo import echo


@click.command("push")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("repo", metavar="OWNER/NAME")
@click.option("--private/--public", default=True, help="Who can see a repository that is made: "
              "you and your organisation (the default), or everybody.")  # fmt: skip
@click.option("--revision", metavar="BRANCH", help="A branch, made where it is not there; "
              "otherwise main.")  # fmt: skip
@click.option("-m", "--message", help="Of the commit; otherwise the recipe and its score.")
@click.option("--with-data", is_flag=True, help="Send what shows rows of data, too: predictions, "
              "examples in the report, pictures, slices by column.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would be sent; ask the Hub nothing.")
def command(
    run: Path,
    repo: str,
    private: bool,
    revision: str | None,
    message: str | None,
    with_data: bool,
    dry_run: bool,
) -> None:
    """Publish a finished run on the Hub: model, card, recipe, report. No rows of data are sent."""
    from toolkit.deployment import publishing
    from toolkit.runs.folder import Run

    plan = publishing.prepare(
        Run(run), repo, private=private, revision=revision, message=message, with_data=with_data
    )
    echo("\n".join(plan.in_words()))
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
