"""`toolkit plugin new NAME`, `toolkit plugin list` and `toolkit plugin check NAME`."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.echo import echo, echo_check


class Starts(click.Command):
    """A command whose help lists the templates."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the templates below the options."""
        from toolkit.testing import scaffold

        with formatter.section("Templates"):
            formatter.write_dl(list(scaffold.starts().items()))


@click.group("plugin")
def command() -> None:
    """List, create and check plugins."""


@command.command("new", cls=Starts)
@click.argument("name")
@click.option("--from", "start", default="text-classification", show_default=True,
              metavar="TEMPLATE", help="What to start from; see below.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR",
              help="A new or empty folder; default: ./NAME.")  # fmt: skip
def new(name: str, start: str, out: Path | None) -> None:
    """Create a package with a new scenario that runs and passes its tests."""
    from toolkit.testing import scaffold

    folder = out or Path(name)
    for path in scaffold.make(name, start, folder):
        echo(f"wrote {path}")
    echo(f"\nnext: cd {folder}\n      pip install -e '.[test]'\n      pytest\n"
         f"      toolkit run {name}")  # fmt: skip


@command.command("list")
def listed() -> None:
    """List installed plugins: scenario, distribution, version, recipes."""
    from toolkit import registry
    from toolkit.recipe import library

    recipes = library.recipes()
    for entry in registry.entries():
        wrong = registry.missing_module(entry)
        echo(f"{entry.name}  {entry.distribution} {entry.version}  {entry.target}")
        if wrong:
            echo(f"  broken: {wrong}")
        for item in recipes:
            if item.name.partition("/")[0] == entry.name:
                echo(f"  {item.name}")


@command.command("check")
@click.argument("name")
@click.option("--recipe", help="The recipe to check with; default: the scenario's own.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR",
              help="Keep the test data and runs in a new folder.")  # fmt: skip
def checked(name: str, recipe: str | None, keep: Path | None) -> None:
    """Run the conformance kit on a plugin."""
    import tempfile

    from toolkit.errors import UserError
    from toolkit.testing import conformance
    from toolkit.utils.logging import quiet_libraries

    quiet_libraries()
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise UserError(f"--keep {keep} is there already; name a new or empty folder")
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        for finding in conformance.findings(name, keep or Path(place), recipe):
            failed += not finding.good
            promise = f"{finding.check.name}: {finding.check.promise}"
            echo_check(
                finding.good, promise if finding.good else conformance.format_finding(finding)
            )
    if failed:
        raise SystemExit(1)
