"""`toolkit compare RUN RUN...`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.recipe_arguments import complete_run


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", shell_complete=complete_run)
@click.option("--split", type=click.Choice(("test", "validation")), default="test",
              show_default=True, help="Rows to compare on; choose runs on validation.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE",
              help="Also write a self-contained HTML page.")  # fmt: skip
def command(runs: tuple[str, ...], split: str, as_json: bool, html: Path | None) -> None:
    """Compare finished runs with the first one, on the same rows.

    A RUN is a run's folder, or a recipe's (runs/RECIPE) for its newest finished run. Differences
    are shown with a 95% interval and p-value (paired bootstrap), for labels also with McNemar's
    test, beside the settings that differ. Folders of `toolkit run --seeds N` are compared by their
    mean scores. Runs with different rows cannot be compared.
    """
    import json

    from rich.console import Console

    from toolkit.errors import UserError
    from toolkit.reporting import comparison
    from toolkit.reporting.html.comparison import page
    from toolkit.runs.compare_seeds import compare_named
    from toolkit.utils.files import write_atomically
    from toolkit.utils.text import print_text

    reference, found = compare_named(runs, split)
    if html is not None:
        try:
            write_atomically(html, page(reference, found, split))
        except OSError as error:
            raise UserError(f"--html {html} cannot be written: {error.strerror}") from None
    if as_json:
        click.echo(json.dumps(comparison.as_json(reference, found, split), indent=2))
        return
    console = Console()
    comparison.show(reference, found, console, split)
    if html is not None:
        print_text(console, f"\nwritten: {html}")
