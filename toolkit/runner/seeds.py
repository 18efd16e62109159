"""A recipe run with several seeds: how much of its score is luck, and how much the test rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import Fault, Interrupted, ToolkitError, UserError
from toolkit.recipe import library
from toolkit.runner import launch
from toolkit.runner.elastic import LaunchSpec
from toolkit.runner.prepare import resolve_recipe
from toolkit.runner.resume import unequal_values
from toolkit.runs.compare import incomparable, resampled_scores
from toolkit.runs.folder import Run, resume_command
from toolkit.runs.record import SCHEMA_VERSION
from toolkit.runs.seed_folder import (
    FILE,
    SeedRuns,
    last_unfinished,
    spread_record,
)
from toolkit.runs.seed_folder import write as write_record
from toolkit.runs.writer import RunWriter
from toolkit.utils import distributed, locks
from toolkit.utils.text import listing, print_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from toolkit.recipe import Draft, Recipe

MOST = 2**32 - 1


def run(
    draft: Draft,
    count: int,
    out: Path | None = None,
    console: Console | None = None,
    spec: LaunchSpec | None = None,
    resume: bool = False,
) -> SeedRuns:
    """Run a recipe with its seed and the ones that follow, on the same splits, one after another.

    A run that fails is noted, and the others are run; what a user has to mend ends them all.

    Args:
        count: of seeds, two or more.
        out: the folder of the runs; runs/<recipe>/<time> where not given. spec: as of
            `launching.run`.
        resume: go on with the runs in `out` (or the recipe's last ones): finished ones are kept,
            and `count` may be larger than before.

    Raises:
        UserError: what the user has to mend.
        ToolkitError: runs failed; the others are there, and summed up.
        Interrupted: a signal came; `resume` goes on.
    """
    spec = spec or LaunchSpec()
    _refuse(count, spec)
    recipe = _with_split_seed(resolve_recipe(draft)[0])
    seeds = [recipe.seed + number for number in range(count)]
    if seeds[-1] > MOST:
        raise UserError(f"--seeds {count}: seeds from {recipe.seed} on go beyond {MOST}")
    with _folder(draft.name, recipe, seeds, out, resume) as found:
        if found.status != "finished":
            _run_all(found, draft, console, spec, resume)
    return found


def _refuse(count: int, spec: LaunchSpec) -> None:
    if count < 2:
        raise UserError(f"--seeds {count}: a spread takes two seeds or more")
    if spec.nodes > 1:
        raise UserError("--seeds runs on one machine: with --nodes, start each seed with --seed")
    if distributed.launched():
        raise UserError(
            "--seeds is for `toolkit run` alone, which starts the processes of each run "
            "(--processes); torchrun or accelerate launch has started this one"
        )


def _with_split_seed(recipe: Recipe) -> Recipe:
    """Return the recipe with splits that stay the same, whatever the seed."""
    split = recipe.data.split
    seed = recipe.seed if split.seed is None else split.seed
    data = recipe.data.model_copy(update={"split": split.model_copy(update={"seed": seed})})
    return recipe.model_copy(update={"data": data})


@contextmanager
def _folder(
    title: str, recipe: Recipe, seeds: list[int], out: Path | None, resume: bool
) -> Iterator[SeedRuns]:
    """Make the folder, or take it up again; hold its lock, and say in it how that ended."""
    before = (out or last_unfinished(title)) if resume else None
    if before is None or not before.is_dir() or not any(before.iterdir()):
        folder = RunWriter.create(out, title)
        folder.write_recipe(recipe)
        write_record(folder.path, {
            "schema_version": SCHEMA_VERSION, "status": "running", "recipe": title,
            "seeds": seeds, "split_seed": recipe.data.split.seed,
        })  # fmt: skip
    else:
        _require_same(SeedRuns(before), recipe, seeds)
        folder = RunWriter.reopen(before)
    found = SeedRuns(folder.path)
    if seeds != found.seeds:
        found.write(seeds=seeds, status="running")
    try:
        yield found
    except KeyboardInterrupt as error:
        found.write(status="interrupted")
        raise Interrupted(f"{_first_part(error, found)}; {how(found)}") from None
    except BaseException:
        if _is_untouched(found):
            _remove(found)
        else:
            found.write(status="failed")
        raise
    finally:
        locks.release(folder.path)


def _require_same(found: SeedRuns, recipe: Recipe, seeds: Sequence[int]) -> None:
    """Raise UserError where the runs in a folder were begun with another recipe or other seeds."""
    old = library.find_recipe(str(found.path / "recipe.yaml")).checked()
    one, other = (r.model_dump(mode="json") for r in (old, recipe))
    where = f"of the runs in {found.path}"
    faults = [Fault(key, f"is {after!r}, but {before!r} in the recipe {where}")
              for key, (before, after) in unequal_values(one, other)]  # fmt: skip
    if not faults and found.seeds != list(seeds[: len(found.seeds)]):
        asked = f"asks for {listing(seeds)}; those {where} are {listing(found.seeds)}"
        faults = [Fault("--seeds", f"{asked}: more may be added, none left out")]
    if faults:
        raise UserError(faults)


def _run_all(
    found: SeedRuns,
    draft: Draft,
    console: Console | None,
    spec: LaunchSpec,
    resume: bool,
) -> None:
    split = (("data", "split", "seed"), found.record["split_seed"])
    failed: dict[str, str] = {}
    first: Run | None = None
    for number, seed in enumerate(found.seeds, start=1):
        if console is not None:
            console.print(f"\n[bold]seed {seed}[/] ({number} of {len(found.seeds)})")
        folder = found.folder_of(seed)
        try:
            done = launch.run(
                draft.changed([split, (("seed",), seed)]), folder, console, spec, resume
            )
        except UserError:
            raise
        except ToolkitError as error:
            failed[str(seed)] = str(error)
            if console is not None:
                print_text(console, f"seed {seed} failed: {error}", "red")
            continue
        first = _same_rows(first, done or Run(folder))
    _sum_up(found, failed)


def _same_rows(first: Run | None, run: Run) -> Run:
    """Return the first of the runs.

    Raises:
        UserError: the other one was scored on other rows: the data has changed in between.
    """
    why = incomparable(first, run) if first is not None else None
    if first is not None and why:
        raise UserError(Fault(str(run.path), f"differs from {first.path}: {why}"))
    return first or run


def _sum_up(found: SeedRuns, failed: dict[str, str]) -> None:
    """Write what the finished runs gave together, and raise where some have failed."""
    from toolkit.reporting import seed_report as page

    runs = found.runs
    status = "failed" if failed else "finished"
    if len(runs) >= 2:
        found.write(status=status, failed=failed, **_summary(runs))
        page.write(found)
    else:
        found.write(status=status, failed=failed)
    if failed:
        seed, why = next(iter(failed.items()))
        others = f"; the others are summed up in {found.path / 'README.md'}" * (len(runs) >= 2)
        raise ToolkitError(
            f"{len(failed)} of {len(found.seeds)} runs failed, the first with seed {seed}: {why}"
            f"{others}; {how(found)}"
        )


def _summary(runs: Sequence[Run]) -> dict[str, Any]:
    from toolkit.evaluation.seed_variance import spread

    drawn = [resampled_scores(run) for run in runs]
    scores = [run.metrics["test"] for run in runs]
    baselines = [run.record["baselines"] for run in runs]
    headline = runs[0].record["headline"]
    return {
        "headline": headline["metric"] if headline else None,
        "rows": runs[0].record["data"]["rows"]["test"],
        "finished": [run.record["seed"] for run in runs],
        "metrics": {
            name: {
                "values": [one[name]["value"] for one in scores],
                **spread_record(spread(
                    [_number(one[name]["value"]) for one in scores],
                    [one[name][0] for one in drawn],
                )),
            }
            for name in scores[0]
        },
        "baselines": {
            baseline: {name: _mean([one[baseline][name]["value"] for one in baselines])
                    for name in baselines[0][baseline]}
            for baseline in baselines[0] if all(baseline in one for one in baselines)
        },
    }  # fmt: skip


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _first_part(error: BaseException, found: SeedRuns) -> str:
    """Return why it ended, without how to go on with the one run."""
    said = str(error)
    for seed in found.seeds:
        said = said.removesuffix(f"; {resume_command(found.folder_of(seed))}")
        said = said.removesuffix(resume_command(found.folder_of(seed)))
    return said or "stopped"


def _is_untouched(found: SeedRuns) -> bool:
    """Return whether no run had begun: what is wrong was seen before."""
    return not any(found.folder_of(seed).exists() for seed in found.seeds)


def _remove(found: SeedRuns) -> None:
    for name in (FILE, "recipe.yaml", locks.NAME):
        (found.path / name).unlink(missing_ok=True)
    if not any(found.path.iterdir()):
        found.path.rmdir()


def how(found: SeedRuns) -> str:
    """Return the command that goes on with the runs."""
    path = found.path
    return (
        f"go on with: toolkit run {path / 'recipe.yaml'} --seeds {len(found.seeds)} --out {path} "
        "--resume"
    )
