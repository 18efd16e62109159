"""`toolkit init RECIPE [FILE]`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from toolkit.cli.echo import echo
from toolkit.cli.recipe_arguments import recipe_argument


@click.command("init")
@recipe_argument
@click.argument("file", type=click.Path(path_type=Path), required=False)
def command(recipe: str, file: Path | None) -> None:
    """Copy a recipe, and the data file beside it, for editing."""
    from toolkit.errors import UserError
    from toolkit.recipe import library

    path = library.locate(recipe)
    target = file or Path(f"{library.name_of(path.resolve()).replace('/', '-')}.yaml")
    beside = [path.parent / name for name in library.local_sources(path)]
    copies = [(path, target), *((item, target.parent / item.name) for item in beside)]
    # A dangling link counts, too: copying onto it would write somewhere else.
    there = [str(copy) for _, copy in copies if os.path.lexists(copy)]
    if there:
        raise UserError(f"{', '.join(there)} exists already; name another file")
    if target.suffix not in library.SUFFIXES:
        raise UserError(f"{target} must end with .yaml, or it cannot be run")
    if not target.parent.is_dir():
        raise UserError(f"the folder {target.parent} does not exist")
    for source, copy in copies:
        try:
            shutil.copyfile(source, copy)
        except OSError as error:
            raise UserError(f"{copy} cannot be written: {error.strerror}") from None
        echo(f"wrote {copy}")
    echo(f"edit it, then: toolkit run {target}")
