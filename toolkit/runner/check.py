"""Whether a recipe can run, on which rows, and what that would take: `toolkit check`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.data import ClassLabels, groups
from toolkit.evaluation.bootstrap import FEWEST, unit_count
from toolkit.plugin_types.columns import columns
from toolkit.recipe.draft import Draft
from toolkit.recipe.schema import Recipe
from toolkit.reporting import overlap
from toolkit.reporting.formatting import duration
from toolkit.reporting.verdicts import visible
from toolkit.runner.estimating import estimate as estimating
from toolkit.runner.estimating.estimate import Estimate
from toolkit.runner.prepare import Job, prepare
from toolkit.utils.text import listing


@dataclass(frozen=True)
class Check:
    """A recipe that can run.

    recipe: resolved. rows: of each split. facts: what else is known of model and rows, a line each.
    estimate: what the run would take; None where it was not asked for.
    """

    name: str
    recipe: Recipe
    rows: dict[str, int]
    facts: list[str]
    estimate: Estimate | None

    def __str__(self) -> str:
        more = [] if self.estimate is None else estimated(self.estimate)
        lines = [f"  {line}" for line in (*self.facts, *more)]
        return "\n".join([f"{self.name}: ready to train", *lines])

    __repr__ = __str__


def check(draft: Draft, price: float | None = None, *, estimate: bool = True) -> Check:
    """Validate a recipe and its data, and estimate time and memory; nothing is trained.

    Args:
        price: of the machine per hour, for the cost.
        estimate: whether a few training steps are measured.

    Raises:
        UserError: everything that is wrong with recipe or data.
    """
    job = prepare(draft)
    rows = {str(name): len(split) for name, split in job.loaded.splits.items()}
    found = estimating.estimate(job, price) if estimate else None
    return Check(job.name, job.recipe, rows, list(facts(job)), found)


def facts(job: Job) -> Iterator[str]:
    """Yield the model and the rows that a run would use."""
    loaded = job.loaded
    yield f"model: {job.files.id} ({job.files.source}, {job.files.revision[:19]})"
    yield "rows: " + ", ".join(f"{name} {len(rows):,}" for name, rows in loaded.splits.items())
    yield from _classes(job)
    yield _visible(job)
    yield from overlap.lines(loaded.overlap, loaded.known.record() if loaded.known else None)
    for split, reasons in loaded.skipped.items():
        yield from (f"{split}: {count:,} rows skipped ({why})" for why, count in reasons.items())
    yield from loaded.notes


def _classes(job: Job) -> Iterator[str]:
    """Yield how many training rows each class has."""
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
    of = groups.of_columns(job.loaded.groups.get("test", {}))
    count = unit_count(len(job.loaded.splits["test"]), of)
    what = "rows" if of is None else "groups"
    said = f"with {count:,} test {what} a difference in shares, such as accuracy, will mostly show"
    return f"{said} from about {visible(count):.2f} on"


def estimated(found: Estimate) -> Iterator[str]:
    """Yield the time, memory and cost of a run."""
    bound = "at most " if found.at_most else "about "
    parts = " + ".join(f"{part} {duration(seconds)}" for part, seconds in found.seconds.items())
    kind = "of the accelerator" if found.on_accelerator else "of the process"
    yield f"time: {bound}{duration(found.total_seconds)} = {parts}"
    yield f"steps: {found.steps:,} of {found.step_seconds:.3f} s"
    yield f"memory: {found.memory / 2**30:.1f} GiB {kind} at its peak"
    if found.cost is not None:
        yield f"cost: {bound}{found.cost:.4g}"
    yield f"(from {found.measured_steps} measured steps, in {duration(found.spent)})"
