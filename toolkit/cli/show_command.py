"""`toolkit show NAME`."""

from __future__ import annotations

import click

from toolkit.cli.recipe_arguments import recipe_argument


@click.command("show")
@recipe_argument
def command(recipe: str) -> None:
    """Show a recipe's file, and what its `options:` may hold."""
    from toolkit.plugin import get
    from toolkit.plugin_types import column_markers
    from toolkit.recipe import library
    from toolkit.utils.text import printable

    path = library.locate(recipe)
    draft = library.find_recipe(recipe)
    text = path.read_text(encoding="utf-8-sig").rstrip()
    click.echo(printable(f"# {path}\n{text}\n"))
    checked = draft.checked()
    options = get(checked.scenario).Options
    markers = column_markers(options)
    click.echo(f"# options of {checked.scenario} (set one with --set options.NAME=VALUE):")
    for name, field in options.model_fields.items():
        kind = f"{markers[name].role} column" if name in markers else "setting"
        default = "required" if field.is_required() else f"default {field.default!r}"
        click.echo(f"#   {name}: {field.description or ''} ({kind}, {default})")
