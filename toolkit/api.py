"""The same as the command line, as functions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from toolkit.errors import ToolkitError
from toolkit.runs.folder import Run

if TYPE_CHECKING:
    from toolkit.runs.seed_folder import SeedRuns


@overload
def run(
    recipe: str,
    *,
    data: str | Path | None = None,
    model: str | Path | None = None,
    method: str | None = None,
    seed: int | None = None,
    seeds: None = None,
    out: str | Path | None = None,
    resume: bool = False,
    offline: bool = False,
    processes: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Run: ...


@overload
def run(
    recipe: str,
    *,
    data: str | Path | None = None,
    model: str | Path | None = None,
    method: str | None = None,
    seed: int | None = None,
    seeds: int,
    out: str | Path | None = None,
    resume: bool = False,
    offline: bool = False,
    processes: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> SeedRuns: ...


def run(
    recipe: str,
    *,
    data: str | Path | None = None,
    model: str | Path | None = None,
    method: str | None = None,
    seed: int | None = None,
    seeds: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    offline: bool = False,
    processes: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Run | SeedRuns:
    """Run a recipe; return the finished run, or (`seeds`) the runs with several seeds.

    Args:
        recipe: a name as `toolkit list` shows it, or the path of a YAML file.
        data, model, method, seed, out, resume, offline: as the options of `toolkit run`.
        processes: how many share the work; None is one per visible GPU, or one where there is
            none. More than one are processes of their own, and print nothing.
        seeds: how many, from `seed` on; each is a run of its own, in a folder below `out`.
        settings: key path -> value, for example {"training.num_train_epochs": 2}.

    Raises:
        toolkit.errors.UserError: what the caller has to mend; nothing has been trained.
        toolkit.errors.ToolkitError: the run failed.
    """
    from toolkit.recipe.overrides import overrides
    from toolkit.runner import launch
    from toolkit.runner.elastic import LaunchSpec
    from toolkit.utils import offline as network

    if offline:
        network.go()
    changes = overrides(
        None if data is None else str(data), None if model is None else str(model), method, (), seed
    )
    changes += [(tuple(key.split(".")), value) for key, value in (settings or {}).items()]
    folder, fleet = None if out is None else Path(out), LaunchSpec(processes)
    if seeds is not None:
        from toolkit.runner import seeds as several

        return several.run(recipe, changes, seeds, folder, None, fleet, resume)
    run = launch.run(recipe, changes, folder, fleet=fleet, resume=resume)
    if run is None:
        raise ToolkitError("the run is done; its folder is on the machine of rank 0")
    return run


def load_run(path: str | Path) -> Run:
    """Return the run of a folder.

    Raises:
        toolkit.errors.UserError: the folder is no run.
    """
    return Run(path)
