"""What commands print that holds names, paths or texts of others."""

from __future__ import annotations

import click

from toolkit.utils.text import printable


def echo(text: object) -> None:
    """Print text with everything written out that a terminal would obey."""
    click.echo(printable(text))
