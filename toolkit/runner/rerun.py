"""A run repeated from its folder: what differs from the first time, and how its scores compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from toolkit.errors import Fault, ToolkitError, UserError
from toolkit.recipe.library import find_recipe
from toolkit.runner import launch
from toolkit.runner.elastic import LaunchSpec
from toolkit.runner.prepare import Job, prepare
from toolkit.runs.folder import Run
from toolkit.runs.writer import RunWriter
from toolkit.training import ways
from toolkit.utils import hardware
from toolkit.utils.text import print_text


def rerun(
    path: Path,
    out: Path | None = None,
    console: Console | None = None,
    *,
    strict: bool = False,
    processes: int | None = None,
) -> Run | None:
    """Run the recipe in a run's folder again, and write how the new scores compare.

    Args:
        path: of a finished run. out, console: as of `runner.run`.
        strict: refuse to start where anything differs, and fail where scores do.
        processes: as the first run had them where not given.

    Raises:
        UserError: no finished run, a recipe that no longer fits, or (strict) what differs.
        ToolkitError: the run failed; or (strict) it gave other scores.
    """
    first = Run(path)
    path = first.path  # of a sweep, that of its chosen run
    if first.status != "finished":
        raise UserError(f"{path} is {first.status}: only a finished run can be repeated")
    # Timed again, another way of a step could be the faster one, whose rounding differs.
    way = ways.setting(first.record.get("training_way"))
    same = [] if way is None else [(("training", "step"), way)]
    draft = find_recipe(str(path / "recipe.yaml"), same)
    found = list(differences(first, prepare(draft)))
    if found and strict:
        raise UserError(found)
    if console is not None:
        for fault in found:
            print_text(console, f"differs: {fault}", "yellow")
    before = first.record["devices"]
    if processes is None and before["type"] == "cpu":
        processes = before["processes"]
    again = launch.run(draft, out, console, LaunchSpec(processes))
    if again is not None and launch.prints_result():
        unequal = dict(_unequal_scores(first.metrics, again.metrics))
        RunWriter.add(again.path, repeats={
            "run": str(path.resolve()),
            "differences": [str(fault) for fault in found],
            "unequal_scores": unequal,
        })  # fmt: skip
        again = Run(again.path)
        if unequal and strict:
            raise ToolkitError(
                f"{again.path} has other scores than {path}: {format_unequal(unequal)}"
            )
    return again


def differences(first: Run, job: Job) -> Iterator[Fault]:
    """Yield what has changed since the first run: versions, machine, model, rows."""
    was, now = first.record["environment"], hardware.describe()
    packages = sorted({*was["packages"], *now["packages"]})
    found = {name: (was["packages"].get(name), now["packages"].get(name)) for name in packages}
    found["python"] = was["python"], now["python"]
    for name in ("processor", "cores", "accelerators", "bf16"):
        found[f"hardware: {name}"] = was["hardware"].get(name), now["hardware"].get(name)
    model, rows = first.record["model"], "data (fingerprint of contents and splits)"
    found[f"model {model['id']}"] = model["revision"], job.files.revision
    found[rows] = first.record["data"]["fingerprint"], job.loaded.fingerprint
    for name, (before, after) in found.items():
        if before != after:
            yield Fault(name, f"was {before}, is {after}")


def _unequal_scores(
    first: Mapping[str, Any], again: Mapping[str, Any]
) -> Iterator[tuple[str, list[float | None]]]:
    """Yield "split.metric" -> the two values, where they are not equal to the bit."""
    for split in sorted({*first, *again}):
        one, other = first.get(split, {}), again.get(split, {})
        for name in sorted({*one, *other}):
            values = [scores.get(name, {}).get("value") for scores in (one, other)]
            if values[0] != values[1]:
                yield f"{split}.{name}", values


def format_unequal(unequal: Mapping[str, list[float | None]]) -> str:
    """Return the scores that differ, the first run's first."""
    return "; ".join(f"{name} {was} and now {now}" for name, (was, now) in unequal.items())
