"""Printing text that may contain control characters from names, paths or data."""

from __future__ import annotations

import click

from toolkit.utils.text import printable


def echo(text: object) -> None:
    """Print text with control characters escaped."""
    click.echo(printable(text))


def echo_check(good: bool, text: object) -> None:
    """Print the result of a check: ok or FAIL, and its text."""
    mark = click.style("ok  ", fg="green") if good else click.style("FAIL", fg="red")
    click.echo(f"{mark} {printable(text)}")
