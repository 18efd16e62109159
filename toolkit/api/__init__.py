"""The Python API: what the command line does, as functions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from toolkit.api.comparison import RunComparison
from toolkit.api.runs import Data, FoldRuns, Run, SeedRuns, console_of, key_paths
from toolkit.api.sweeping import Sweep
from toolkit.errors import ToolkitError, UserError
from toolkit.recipe.library import Listed
from toolkit.runs import folder, seed_folder

if TYPE_CHECKING:
    from toolkit.recipe.draft import Draft
    from toolkit.runner.check import Check
    from toolkit.runner.elastic import LaunchSpec
    from toolkit.runner.on_ray.spec import RaySpec

__all__ = ["FoldRuns", "Run", "RunComparison", "SeedRuns", "Sweep", "check", "compare", "evaluate",
           "export", "load_run", "recipes", "run", "sweep"]  # fmt: skip


class RecipeOptions(TypedDict, total=False):
    """What `run` and `check` change in a recipe, for type checkers."""

    data: Data
    model: str | Path | None
    method: str | None
    seed: int | None
    settings: Mapping[str, Any] | None


class RunOptions(RecipeOptions, total=False):
    """The options of `run` but `seeds` and `folds`, for type checkers."""

    out: str | Path | None
    resume: bool
    offline: bool
    processes: int | None
    on: str | RaySpec | None
    workers: int | None
    progress: bool | None


@overload
def run(
    recipe: str | Path, *, seeds: None = None, folds: None = None, **options: Unpack[RunOptions]
) -> Run: ...
@overload
def run(recipe: str | Path, *, seeds: int, **options: Unpack[RunOptions]) -> SeedRuns: ...
@overload
def run(recipe: str | Path, *, folds: int, **options: Unpack[RunOptions]) -> FoldRuns: ...
def run(
    recipe: str | Path,
    *,
    seeds: int | None = None,
    folds: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    offline: bool = False,
    processes: int | None = None,
    on: str | RaySpec | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    **changes: Unpack[RecipeOptions],
) -> Run | SeedRuns | FoldRuns:
    """Run a recipe; return the finished run or, with `seeds` or `folds`, the several runs.

    Args:
        recipe: a name as `toolkit list` shows it, or the path of a YAML file.
        changes: data, model, method and seed, the options of `toolkit run`; settings, key path ->
            value, for example {"training.num_train_epochs": 2}. data: a path or several, a pandas
            or polars DataFrame, a Dataset or DatasetDict, a list of dicts, or a mapping of train,
            validation and test to these.
        out, resume, offline: the options of `toolkit run`.
        processes: of this machine; None is one per visible GPU, or one if there is none. Several
            are started as new processes.
        on, workers: the options of `toolkit run`, or for all that a cluster is asked, a
            `toolkit.runner.on_ray.spec.RaySpec`.
        seeds: number of runs, with seeds from `seed` on; each has its own folder below `out`.
        folds: number of parts of the rows, each of which is the test split of a run: not with
            `seeds`.
        progress: whether it is shown; None shows it in terminals and notebooks.

    Raises:
        toolkit.errors.UserError: the input is wrong; nothing has been trained.
        toolkit.errors.ToolkitError: the run failed.
    """
    from toolkit.runner import launch, several
    from toolkit.runs.restore import restore_named
    from toolkit.utils import offline as network

    if offline:
        network.go()
    if resume:
        restore_named(str(recipe))
    draft, target = _draft(recipe, **changes), None if out is None else Path(out)
    spec, console = _spec(processes, on, workers), console_of(progress)
    if seeds is not None and folds is not None:
        raise UserError("seeds and folds: give one of them")
    if seeds is not None:
        from toolkit.runner.seeds import Seeds

        return SeedRuns(several.run(Seeds(), draft, seeds, target, console, spec, resume).path)
    if folds is not None:
        from toolkit.runner.folds import Folds

        return FoldRuns(several.run(Folds(), draft, folds, target, console, spec, resume).path)
    done = launch.run(draft, target, console, spec, resume)
    if done is None:
        raise ToolkitError("the run is done; its folder is on the machine of rank 0")
    return Run(done.path)


def sweep(
    recipe: str | Path,
    space: Mapping[str, Any] | None = None,
    *,
    trials: int | None = None,
    minutes: float | None = None,
    search: str | None = None,
    prune: str | None = None,
    grace: int | None = None,
    metric: str | None = None,
    default: bool | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    offline: bool = False,
    progress: bool | None = None,
    **changes: Unpack[RecipeOptions],
) -> Sweep:
    """Search a recipe's settings; return the sweep, whose `best` run is scored on test.

    Args:
        recipe, changes, offline, progress: as of `run`.
        space: key path -> `toolkit.spaces.loguniform(1e-5, 1e-3)`, its text, or a list of values.
            It may be left out where a sweep is resumed.
        trials, minutes, search, prune, grace, metric, out, resume: the options of `toolkit sweep`.
        default: False leaves out the recipe as it is, which else is the first trial.

    Raises:
        toolkit.errors.UserError: the input is wrong; nothing has been trained.
        toolkit.errors.ToolkitError: no trial has a score, or the best one could not be scored.
    """
    from toolkit.runner.sweeping import sweep as searching
    from toolkit.runner.sweeping.asked import Options
    from toolkit.runner.sweeping.given import from_python
    from toolkit.runs.restore import restore_named
    from toolkit.utils import offline as network

    if offline:
        network.go()
    if resume:
        restore_named(str(recipe))
    found, origins = from_python(space or {})
    options = Options(found, origins, trials, search, prune, grace, metric, minutes, default)
    target = None if out is None else Path(out)
    draft, console = _draft(recipe, **changes), console_of(progress)
    return Sweep(searching.run(draft, options, target, console, resume).path)


def check(
    recipe: str | Path,
    *,
    estimate: bool = True,
    price: float | None = None,
    **changes: Unpack[RecipeOptions],
) -> Check:
    """Validate a recipe and its data, and estimate time and memory; nothing is trained.

    Args:
        recipe, changes: as of `run`.
        estimate: whether a few training steps are measured. price: per hour, for the cost.

    Raises:
        toolkit.errors.UserError: everything that is wrong with recipe or data.
    """
    from toolkit.runner.check import check as checked

    return checked(_draft(recipe, **changes), price, estimate=estimate)


def compare(
    *runs: str | Path | folder.Run | seed_folder.SeedRuns, split: str = "test"
) -> RunComparison:
    """Compare finished runs, or evaluations on the same rows, with the first one.

    Args:
        runs: folders, or what `run` and `evaluate` return; also several seeds of a recipe.
        split: "test", or "validation" to choose a run without a look at the test rows.

    Raises:
        toolkit.errors.UserError: fewer than two, an unfinished one, or runs of other rows.
    """
    return RunComparison([str(getattr(run, "path", run)) for run in runs], split)


def evaluate(run: str | Path | folder.Run, rows: Data, **how: Any) -> Run:
    """Score a finished run on new labelled rows; see `Run.evaluate`."""
    return _run(run).evaluate(rows, **how)


def export(run: str | Path | folder.Run, to: str, out: str | Path | None = None) -> Path:
    """Write a run's model in another form; see `Run.export`."""
    return _run(run).export(to, out)


def recipes() -> list[Listed]:
    """Return the recipes that can be run by name: name, description, path and distribution."""
    from toolkit.recipe import library

    return library.recipes()


def load_run(path: str | Path) -> Run:
    """Return the run of a folder.

    Raises:
        toolkit.errors.UserError: the folder is no run.
    """
    return Run(path)


def _spec(
    processes: int | None, on: str | RaySpec | None, workers: int | None
) -> LaunchSpec | RaySpec:
    from toolkit.runner.elastic import LaunchSpec
    from toolkit.runner.on_ray.spec import RaySpec

    if on is None and workers is None:
        return LaunchSpec(processes)
    if on is None or processes is not None or (isinstance(on, RaySpec) and workers is not None):
        raise UserError("on='ray' takes workers; processes are of this machine, without it")
    return on if isinstance(on, RaySpec) else RaySpec(on, workers)


def _run(run: str | Path | folder.Run) -> Run:
    return run if isinstance(run, Run) else Run(run.path if isinstance(run, folder.Run) else run)


def _draft(
    recipe: str | Path,
    *,
    data: Data = None,
    model: str | Path | None = None,
    method: str | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Draft:
    from toolkit.data.in_memory import source_of
    from toolkit.recipe.library import find_recipe
    from toolkit.recipe.overrides import overrides
    from toolkit.utils.logging import quiet_libraries

    quiet_libraries()
    source = None if data is None else source_of(data)
    changes = overrides(source, model, method, (), seed)
    return find_recipe(str(recipe), [*changes, *key_paths(settings)])
