"""`toolkit show NAME`."""

from __future__ import annotations

import click

from toolkit.cli.echo import echo
from toolkit.cli.recipe_arguments import recipe_argument


@click.command("show")
@recipe_argument
def command(recipe: str) -> None:
    """Print a recipe's file, and the options of its scenario."""
    from toolkit.plugin import get
    from toolkit.plugin_types import column_markers
    from toolkit.recipe import library

    path, draft = library.locate(recipe), library.find_recipe(recipe)
    echo(f"# {path}\n{path.read_text(encoding='utf-8-sig').rstrip()}\n")
    scenario = draft.checked().scenario
    options = get(scenario).Options
    markers = column_markers(options)
    click.echo(f"# options of {scenario} (set one with --set options.NAME=VALUE):")
    for name, field in options.model_fields.items():
        kind = f"{markers[name].role} column" if name in markers else "setting"
        default = "required" if field.is_required() else f"default {field.default!r}"
        click.echo(f"#   {name}: {field.description or ''} ({kind}, {default})")
