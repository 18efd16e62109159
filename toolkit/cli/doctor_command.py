"""`toolkit doctor`."""

from __future__ import annotations

import click


@click.command("doctor")
def command() -> None:
    """Tell what this machine has: packages, hardware, Hub, mirrors, broken plugins."""
    from toolkit import doctor, shown

    failed = False
    for finding in doctor.findings():
        failed |= not finding.good
        mark = click.style(
            "ok  " if finding.good else "FAIL", fg="green" if finding.good else "red"
        )
        said = shown.plain(f"{finding.what}: {finding.detail}")
        click.echo(f"{mark} {said}")
    if failed:
        raise SystemExit(1)
