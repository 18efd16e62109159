"""`toolkit plugin new NAME`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.echo import echo


class Starts(click.Command):
    """Its help names what there is to start from."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the starts below the options."""
        from toolkit.testing import scaffold

        with formatter.section("Starts"):
            formatter.write_dl(list(scaffold.starts().items()))


@click.command("new", cls=Starts)
@click.argument("name")
@click.option("--from", "start", default="text-classification", show_default=True, metavar="START",
              help="What it is at first; see below.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR",
              help="Where to; a new or empty folder, otherwise ./NAME.")  # fmt: skip
def command(name: str, start: str, out: Path | None) -> None:
    """Make a package that brings a scenario: it runs as it is, and passes its tests."""
    from toolkit.testing import scaffold

    folder = out or Path(name)
    for path in scaffold.make(name, start, folder):
        echo(f"wrote {path}")
    echo(f"\nnext: cd {folder}\n      pip install -e '.[test]'\n      pytest\n"
         f"      toolkit run {name}")  # fmt: skip
