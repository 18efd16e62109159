"""`toolkit doctor`."""

from __future__ import annotations

import click


@click.command("doctor")
@click.option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How long each thing that another package brings may take to import (60).",
)
def command(limit: float | None) -> None:
    """Tell what this machine has: packages, hardware, Hub, and plugins, each of them tried."""
    from toolkit.testing import doctor, isolation
    from toolkit.utils.text import printable

    failed = False
    for finding in doctor.findings(limit or isolation.SECONDS):
        failed |= not finding.good
        mark = click.style(
            "ok  " if finding.good else "FAIL", fg="green" if finding.good else "red"
        )
        said = printable(f"{finding.what}: {finding.detail}")
        click.echo(f"{mark} {said}")
    if failed:
        raise SystemExit(1)
