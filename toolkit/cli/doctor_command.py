"""`toolkit doctor`."""

from __future__ import annotations

import click

from toolkit.cli.echo import echo_check


@click.command("doctor")
@click.option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time limit for importing each plugin, metric or command of a package (60).",
)
def command(limit: float | None) -> None:
    """Check this machine: packages, extras, hardware, Hub, plugins."""
    from toolkit.testing import doctor, isolation

    failed = False
    for finding in doctor.findings(limit or isolation.SECONDS):
        failed |= finding.good is False
        echo_check(finding.good, f"{finding.what}: {finding.detail}")
    if failed:
        raise SystemExit(1)
