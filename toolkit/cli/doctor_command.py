"""`toolkit doctor`."""

from __future__ import annotations

import click


@click.command("doctor")
def command() -> None:
    """Tell what this machine has: packages, hardware, Hub, mirrors, broken plugins."""
    from toolkit import doctor

    failed = False
    for finding in doctor.findings():
        failed |= not finding.good
        mark = click.style(
            "ok  " if finding.good else "FAIL", fg="green" if finding.good else "red"
        )
        click.echo(f"{mark} {finding.what}: {finding.detail}")
    if failed:
        raise SystemExit(1)
