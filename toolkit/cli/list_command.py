"""`toolkit list`: no plugin and no heavy library is imported."""

from __future__ import annotations

import shutil
import textwrap

import click

from toolkit.cli.echo import echo


@click.command("list")
def command() -> None:
    """List recipes and scenarios, and who brings them."""
    from toolkit import registry
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
        broken = registry.missing_module(entry)
        state = f" [broken: {broken}]" if broken else ""
        echo(f"  {entry.name}{_by(entry.distribution)}{twice}{state}")
        seen.add(entry.name)
    _metrics()
    echo("\ntoolkit show NAME tells more; toolkit doctor tries every plugin.")


def _metrics() -> None:
    """Name the metrics that packages bring, where there are any."""
    from toolkit import registry
    from toolkit.evaluation.metrics import plugin_metrics

    installed = registry.entries(plugin_metrics.GROUP)
    if installed:
        echo("\nMetrics of installed packages (report: {metrics: [NAME]}):")
    for entry in installed:
        broken = registry.missing_module(entry)
        state = f" [broken: {broken}]" if broken else ""
        echo(f"  {plugin_metrics.in_whole(entry.distribution, entry.name)}{state}")


def _by(distribution: str) -> str:
    return "" if distribution == "toolkit" else f" (from {distribution})"
