"""A recipe run with several seeds: how much its scores vary by seed, and by test rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from toolkit.errors import Fault, Interrupted, ToolkitError, UserError
from toolkit.evaluation.seed_variance import spread
from toolkit.recipe.draft import Draft
from toolkit.recipe.schema import Recipe
from toolkit.recipe.yaml_text import dump
from toolkit.reporting import seed_report
from toolkit.runner import launch
from toolkit.runner.elastic import LaunchSpec
from toolkit.runner.first_look import require_paths
from toolkit.runner.on_ray.spec import RaySpec
from toolkit.runner.resolve import resolve_recipe
from toolkit.runner.resume import changed_settings, settings_of
from toolkit.runs.compare import drawn_units, incomparable, resampled_scores
from toolkit.runs.folder import Run, last_unfinished, readable, resume_command
from toolkit.runs.restore import RECIPE, SETTINGS, restore
from toolkit.runs.seed_folder import FILE, SeedRuns
from toolkit.runs.seed_folder import write as write_record
from toolkit.runs.writer import RunWriter
from toolkit.utils import distributed, locks
from toolkit.utils.jsonable import finite
from toolkit.utils.text import listing, print_text

MOST = 2**32 - 1


def run(
    draft: Draft,
    count: int,
    out: Path | None = None,
    console: Console | None = None,
    spec: LaunchSpec | RaySpec | None = None,
    resume: bool = False,
) -> SeedRuns:
    """Run a recipe with its seed and the ones that follow, on the same splits, one after another.

    A run that fails is noted, and the others are run; wrong input ends them all.

    Args:
        count: of seeds, two or more.
        out: the folder of the runs; runs/<recipe>/<time> where not given.
        spec: as of `launch.run`.
        resume: go on with the runs in `out` (or the recipe's last ones): finished ones are kept,
            and `count` may be larger than before.

    Raises:
        UserError: the user's input is wrong.
        ToolkitError: runs failed; the others are there, and summed up.
        Interrupted: a signal came; `resume` goes on.
    """
    spec = spec or LaunchSpec()
    if count < 2:
        raise UserError(f"--seeds {count}: a spread takes two seeds or more")
    if isinstance(spec, LaunchSpec) and spec.nodes > 1:
        raise UserError("--seeds runs on one machine: with --nodes, start each seed with --seed")
    if distributed.launched():
        raise UserError(
            "--seeds is for `toolkit run` alone, which starts the processes of each run "
            "(--processes); torchrun or accelerate launch has started this one"
        )
    require_paths(draft)
    recipe = resolve_recipe(draft)[0]
    if recipe.data.split.seed is None:  # the splits stay the same, whatever the seed
        draft = draft.changed([(("data", "split", "seed"), recipe.seed)])
        recipe = draft.checked()
    seeds = [recipe.seed + number for number in range(count)]
    if seeds[-1] > MOST:
        raise UserError(f"--seeds {count}: seeds from {recipe.seed} on go beyond {MOST}")
    with _folder(draft.name, recipe, seeds, out, resume) as found:
        if found.status != "finished":
            _sum_up(found, _run_all(found, draft, console, spec, resume))
        else:  # rows, model and packages are compared as the first run does it
            _run_one(found, found.seeds[0], draft, None, spec, resume=True)
    return found


@contextmanager
def _folder(
    title: str, recipe: Recipe, seeds: list[int], out: Path | None, resume: bool
) -> Iterator[SeedRuns]:
    """Make the folder, or open it again; hold its lock, and write into it how that ended."""
    before = (out or last_unfinished(title, kind=SeedRuns, file=FILE)) if resume else None
    with ExitStack() as stack:
        if before is None:
            folder = RunWriter.create(out, title)
            stack.callback(folder.release)
        else:
            folder = stack.enter_context(RunWriter.held(before))
        found = _opened(folder, title, recipe, seeds)
        with _end_recorded(found):
            yield found


def _opened(folder: RunWriter, title: str, recipe: Recipe, seeds: list[int]) -> SeedRuns:
    """Return the runs in a folder; where nothing says what they are, they are those asked for."""
    path = folder.path
    if readable(path / FILE) is None:
        theirs = {locks.NAME, RECIPE, *seed_report.FILES, *(f"seed-{seed}" for seed in seeds)}
        if others := sorted(item.name for item in path.iterdir() if item.name not in theirs):
            what = f"no {FILE} that can be read, but {listing(others, 5)}"
            raise UserError(f"{path} holds no runs of these seeds: {what}")
        settings = dump(recipe.model_dump(mode="json"))
        write_record(path, {
            **{key: folder.record[key] for key in ("schema_version", "started", "command")},
            "status": "running", "recipe": title,
            "seeds": seeds, "split_seed": recipe.data.split.seed, SETTINGS: settings,
        })  # fmt: skip
        restore(path)
    found = SeedRuns(path)
    _require_same(found, recipe, seeds)
    if seeds != found.seeds:
        found.write(seeds=seeds, status="running")
    return found


@contextmanager
def _end_recorded(found: SeedRuns) -> Iterator[None]:
    """Write into the folder how runs ended that were interrupted or failed."""
    try:
        yield
    except KeyboardInterrupt as error:
        found.write(status="interrupted")
        reason = str(error).partition("go on with:")[0].rstrip("; ")  # what follows is of one run
        command = resume_command(found.path, len(found.seeds))
        raise Interrupted(f"{reason or 'stopped'}; {command}") from None
    except BaseException:
        if found.status == "finished":  # another recipe was asked for
            raise
        if any(found.folder_of(seed).exists() for seed in found.seeds):
            found.write(status="failed")
        else:  # what is wrong was seen before anything was run
            for name in (FILE, RECIPE, locks.NAME):
                (found.path / name).unlink(missing_ok=True)
            if not any(found.path.iterdir()):
                found.path.rmdir()
        raise


def _require_same(found: SeedRuns, recipe: Recipe, seeds: Sequence[int]) -> None:
    """Raise UserError where the runs in a folder were begun with another recipe or other seeds."""
    where = f"of the runs in {found.path}"
    faults = changed_settings(settings_of(found.path, found.record), recipe, where)
    if not faults and found.seeds != list(seeds[: len(found.seeds)]):
        asked = f"asks for {listing(seeds)}; those {where} are {listing(found.seeds)}"
        faults = [Fault("--seeds", f"{asked}: more may be added, none left out")]
    if faults:
        raise UserError(faults)


def _run_all(
    found: SeedRuns, draft: Draft, console: Console | None, spec: LaunchSpec | RaySpec, resume: bool
) -> dict[str, str]:
    """Run all seeds; return seed -> why it failed.

    Raises:
        UserError: a run was scored on other rows than the first: the data has changed in between.
    """
    failed: dict[str, str] = {}
    first: Run | None = None
    for number, seed in enumerate(found.seeds, start=1):
        if console is not None:
            console.print(f"\n[bold]seed {seed}[/] ({number} of {len(found.seeds)})")
        try:
            done = _run_one(found, seed, draft, console, spec, resume)
        except UserError:
            raise
        except ToolkitError as error:
            failed[str(seed)] = str(error)
            if console is not None:
                print_text(console, f"seed {seed} failed: {error}", "red")
            continue
        first = first or done
        if why := incomparable(first, done):
            raise UserError(Fault(str(done.path), f"differs from {first.path}: {why}"))
    return failed


def _run_one(
    found: SeedRuns, seed: int, draft: Draft, console: Console | None, spec: LaunchSpec | RaySpec,
    resume: bool,
) -> Run:  # fmt: skip
    changed, folder = draft.changed([(("seed",), seed)]), found.folder_of(seed)
    return launch.run(changed, folder, console, spec, resume) or Run(folder)


def _sum_up(found: SeedRuns, failed: dict[str, str]) -> None:
    """Write what the finished runs gave together, and raise where some have failed."""
    runs = found.runs
    several = len(runs) >= 2
    status = "failed" if failed else "finished"
    found.write(status=status, failed=failed, **(_summary(runs) if several else {}))
    if several:
        seed_report.write(found)
    if failed:
        seed, why = next(iter(failed.items()))
        others = f"; the others are summed up in {found.path / 'README.md'}" if several else ""
        raise ToolkitError(
            f"{len(failed)} of {len(found.seeds)} runs failed, the first with seed {seed}: {why}"
            f"{others}; {resume_command(found.path, len(found.seeds))}"
        )


def _summary(runs: Sequence[Run]) -> dict[str, Any]:
    drawn, units = [resampled_scores(run) for run in runs], drawn_units(runs[0])
    scores = [run.metrics["test"] for run in runs]
    baselines = [run.record["baselines"] for run in runs]
    headline = runs[0].record["headline"]
    metrics = {}
    for name in scores[0]:
        values = [one[name]["value"] for one in scores]
        # What has no interval in a run has none over runs: its resamples do not show its error.
        known = all(one[name].get("low") is not None for one in scores)
        draws = [one[name][0] for one in drawn] if known else []
        found = spread(np.array(values, float).tolist(), draws, units)
        metrics[name] = {"values": values, **finite(vars(found)), "shares": found.shares,
                         "share_ranges": finite(found.share_ranges)}  # fmt: skip
    return {
        "headline": headline["metric"] if headline else None,
        "rows": runs[0].record["data"]["rows"]["test"],
        "finished": [run.record["seed"] for run in runs],
        "metrics": metrics,
        "baselines": {
            baseline: {name: _mean([one[baseline][name]["value"] for one in baselines])
                    for name in baselines[0][baseline]}
            for baseline in baselines[0] if all(baseline in one for one in baselines)
        },
    }  # fmt: skip


def _mean(values: Sequence[float | None]) -> Any:
    return finite(float(np.mean(np.array(values, float))))  # unknown where one is
