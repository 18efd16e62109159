"""`toolkit eject RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit import offline as network
from toolkit.cli.recipe_arguments import overrides, recipe_argument, recipe_options, spelled


@click.command("eject")
@recipe_argument
@recipe_options
@click.option("--offline", is_flag=True, help="Ask the Hub for nothing.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), metavar="FILE",
    help="Write the script there; otherwise it is printed.",
)  # fmt: skip
def command(
    recipe: str,
    data: str | None,
    model: str | None,
    method: str | None,
    settings: tuple[str, ...],
    seed: int | None,
    offline: bool,
    out: Path | None,
) -> None:
    """Print one plain Python script that trains the same, without toolkit."""
    changes = overrides(data, model, method, settings, seed)
    if offline:
        network.go()
    from toolkit import ejecting
    from toolkit.cli.echo import echo
    from toolkit.errors import UserError

    # A file is never lost: not that of an earlier script, which may have been edited.
    if out is not None and (out.exists() or out.is_symlink()):
        raise UserError(f"{out} exists already; name another file")
    if out is not None and not out.parent.is_dir():
        raise UserError(f"the folder {out.parent} does not exist")
    text = ejecting.eject(recipe, changes, spelled(recipe, data, model, method, settings, seed))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from None
    echo(f"wrote {out}; run it: python {out}")
