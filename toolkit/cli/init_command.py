"""`toolkit init RECIPE [FILE] [--data PATH]`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from toolkit.cli.echo import echo
from toolkit.cli.recipe_arguments import recipe_argument
from toolkit.errors import UserError
from toolkit.utils.files import write_atomically


@click.command("init")
@recipe_argument
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--data", type=click.Path(), metavar="PATH",
              help="Your data: the recipe names its file, and the columns that fit.")  # fmt: skip
def command(recipe: str, file: Path | None, data: str | None) -> None:
    """Copy a recipe for editing: with its data file, or for your own data."""
    from toolkit.recipe import library

    path = library.locate(recipe)
    target = file or Path(f"{library.name_of(path.resolve()).replace('/', '-')}.yaml")
    beside = [] if data else [path.parent / name for name in library.local_sources(path)]
    copies = {target: path, **{target.parent / item.name: item for item in beside}}
    _require_free(target, list(copies))
    if data is None:
        for copy, source in copies.items():
            _write(copy, partial(shutil.copyfile, source, copy))
    else:
        from toolkit.runner import own_data

        made = own_data.recipe_for(recipe, data, target)
        for line in own_data.lines(made):
            echo(line)
        _write(target, partial(write_atomically, target, made.text))
    echo(f"edit it, then: toolkit run {target}")


def _require_free(target: Path, files: list[Path]) -> None:
    from toolkit.recipe import library

    # A dangling link counts, too: copying onto it would write somewhere else.
    there = [str(copy) for copy in files if os.path.lexists(copy)]
    if there:
        raise UserError(f"{', '.join(there)} exists already; name another file")
    if target.suffix not in library.SUFFIXES:
        raise UserError(f"{target} must end with .yaml, or it cannot be run")
    if not target.parent.is_dir():
        raise UserError(f"the folder {target.parent} does not exist")


def _write(path: Path, write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
    echo(f"wrote {path}")
