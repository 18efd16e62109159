"""Printing text that may contain control characters from names, paths or data."""

from __future__ import annotations

import click

from toolkit.utils.text import printable


def echo(text: object) -> None:
    """Print text with control characters escaped."""
    click.echo(printable(text))


def echo_check(good: bool | None, text: object) -> None:
    """Print the result of a check: ok, FAIL, or - for what is optional and absent; and its text."""
    mark = "-   " if good is None else click.style("ok  ", fg="green")
    mark = click.style("FAIL", fg="red") if good is False else mark
    click.echo(f"{mark} {printable(text)}")
