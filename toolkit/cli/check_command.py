"""`toolkit check RECIPE`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from toolkit.cli.recipe_arguments import RecipeChoice, offline_option, takes_recipe
from toolkit.utils.text import listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from toolkit.runner.estimating.estimate import Estimate
    from toolkit.runner.prepare import Job


@click.command("check")
@takes_recipe
@offline_option
@click.option("--price", type=click.FloatRange(min=0), metavar="N",
              help="Price of the machine per hour, to estimate the cost of the run.")  # fmt: skip
@click.option("--estimate/--no-estimate", default=True, show_default=True,
              help="Measure a few training steps to estimate time and memory.")  # fmt: skip
def command(choice: RecipeChoice, price: float | None, estimate: bool) -> None:
    """Validate recipe and data, estimate time and memory; train nothing."""
    if price is not None and not math.isfinite(price):
        raise click.BadParameter("takes a finite number", param_hint="--price")
    draft = choice.draft()
    from rich.console import Console

    from toolkit.runner.prepare import prepare

    console = Console()
    job = prepare(draft)
    _show_job(job, console)
    if estimate:
        from toolkit.runner.estimating.estimate import estimate as estimate_run

        _show_estimate(estimate_run(job, price), console)


def _show_job(job: Job, console: Console) -> None:
    """Print the model and rows that a run would use."""
    from toolkit.reporting import overlap
    from toolkit.reporting.terminal import plain

    loaded = job.loaded
    console.print(f"[bold]{plain(job.name)}[/]: ready to train", highlight=False)
    lines = [
        f"model: {job.files.id} ({job.files.source}, {job.files.revision[:19]})",
        "rows: " + ", ".join(f"{name} {len(rows):,}" for name, rows in loaded.splits.items()),
        *_classes(job),
        _visible(job),
        *overlap.lines(loaded.overlap, loaded.known.record() if loaded.known else None),
        *(f"{split}: {count:,} rows skipped ({reason})"
          for split, reasons in loaded.skipped.items() for reason, count in reasons.items()),
        *loaded.notes,
    ]  # fmt: skip
    for line in lines:
        console.print(f"  {plain(line)}", highlight=False)


def _classes(job: Job) -> Iterator[str]:
    """Yield how many training rows each class has."""
    from toolkit.data import ClassLabels
    from toolkit.evaluation.bootstrap import FEWEST
    from toolkit.plugin_types.columns import columns

    labels = getattr(job.plugin, "labels", None)
    for name in columns(job.plugin.options, "target").values():
        if isinstance(labels, ClassLabels):
            counts = labels.counts(job.loaded.splits["train"], name).most_common()
            there = listing((f"{label} {n:,}" for label, n in counts), 20)
            yield f"{name} in train: {there}"
            tested = labels.counts(job.loaded.splits["test"], name)
            few = [label for label in labels.names if tested[label] < FEWEST]
            if few:
                yield (f"test is small for its classes: {len(few)} of {len(labels.names)} have "
                       f"under {FEWEST} rows ({listing(few, 5)}); scores that are means over "
                       "classes will have no interval")  # fmt: skip


def _visible(job: Job) -> str:
    """Return which difference so many test rows, or groups of them, can show."""
    from toolkit.data import groups
    from toolkit.evaluation.bootstrap import unit_count
    from toolkit.reporting.verdicts import visible

    of = groups.of_columns(job.loaded.groups.get("test", {}))
    count = unit_count(len(job.loaded.splits["test"]), of)
    what = "rows" if of is None else "groups"
    said = f"with {count:,} test {what} a difference in shares, such as accuracy, will mostly show"
    return f"{said} from about {visible(count):.2f} on"


def _show_estimate(found: Estimate, console: Console) -> None:
    """Print the time, memory and cost of a run."""
    from toolkit.reporting.formatting import duration

    bound = "at most " if found.at_most else "about "
    parts = " + ".join(f"{part} {duration(seconds)}" for part, seconds in found.seconds.items())
    kind = "of the accelerator" if found.on_accelerator else "of the process"
    lines = [
        f"time: {bound}{duration(found.total_seconds)} = {parts}",
        f"steps: {found.steps:,} of {found.step_seconds:.3f} s",
        f"memory: {found.memory / 2**30:.1f} GiB {kind} at its peak",
    ]
    if found.cost is not None:
        lines.append(f"cost: {bound}{found.cost:.4g}")
    lines.append(f"(from {found.measured_steps} measured steps, in {duration(found.spent)})")
    for line in lines:
        console.print(f"  {line}", highlight=False)
