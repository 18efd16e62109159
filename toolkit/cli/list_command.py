"""`toolkit list`; imports no plugin and no heavy library."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

import click

from toolkit.cli.echo import echo
from toolkit.utils.packages import DISTRIBUTION

if TYPE_CHECKING:
    from toolkit.registry import Entry


@click.command("list")
def command() -> None:
    """List recipes, scenarios and metrics, and their packages."""
    from toolkit import registry
    from toolkit.evaluation import run_metrics
    from toolkit.recipe import library

    width = min(shutil.get_terminal_size().columns, 100)
    echo("Recipes (toolkit run NAME):")
    for item in library.recipes():
        echo(f"  {item.name}{_by(item.distribution)}")
        for line in textwrap.wrap(library.description(item.path), max(width - 6, 20)):
            echo(f"      {line}")
    echo("\nScenarios:")
    seen: set[str] = set()
    for entry in registry.entries():
        twice = " [installed twice: see toolkit doctor]" if entry.name in seen else ""
        echo(f"  {entry.name}{_by(entry.distribution)}{twice}{_state(entry)}")
        seen.add(entry.name)
    metrics = registry.entries(run_metrics.GROUP)
    if metrics:
        echo("\nMetrics of installed packages (report: {metrics: [NAME]}):")
    for entry in metrics:
        echo(f"  {run_metrics.full_name(entry.distribution, entry.name)}{_state(entry)}")
    echo("\ntoolkit show NAME prints a recipe; toolkit doctor checks every plugin.")


def _by(distribution: str) -> str:
    return "" if distribution == DISTRIBUTION else f" (from {distribution})"


def _state(entry: Entry) -> str:
    from toolkit import registry

    broken = registry.missing_module(entry)
    return f" [broken: {broken}]" if broken else ""
