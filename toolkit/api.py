"""The same as the command line, as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from toolkit.errors import ToolkitError
from toolkit.runs import folder, seed_folder
from toolkit.utils.text import print_text

if TYPE_CHECKING:
    from toolkit.deployment.publishing import Pushed
    from toolkit.deployment.serving import Server
    from toolkit.plugin_types import Prediction
    from toolkit.runs.compute import ComputeConfig
    from toolkit.runs.predictor import Predictor


class Run(folder.Run):
    """A run, and what can be done with it.

    path: the folder. record: run.json as a dict.

    Raises:
        UserError: the folder is no run, or run.json is damaged.
    """

    def predict(self, rows: Sequence[Mapping[str, Any]], **how: Any) -> list[Prediction]:
        """Return one prediction per row, a mapping from the recipe's input columns to values.

        how: runtime, dtype and devices, as `toolkit.runs.compute.ComputeConfig` takes them.
        """
        from toolkit.runs.compute import ComputeConfig
        from toolkit.runs.predictor import load_predictor

        computing = ComputeConfig(**how)
        if computing not in self._restored:
            self._restored[computing] = load_predictor(self.path, computing)
        return self._restored[computing].predict(list(rows))

    def serve(self, *, block: bool = True, **settings: Any) -> Server:
        """Answer requests for predictions over HTTP (see `toolkit.deployment.serving.ServerSettings`).

        block: until Ctrl-C; otherwise in a thread, until `stop()` of what is returned.
        """
        from toolkit.deployment.serving import Server, ServerSettings

        server = Server({self.path.resolve().name: self}, ServerSettings(**settings))
        if not block:
            return server.start()
        from rich.console import Console

        print_text(Console(stderr=True), f"serving at {server.url} (Ctrl-C ends it)")
        server.run()
        return server

    @cached_property
    def _restored(self) -> dict[ComputeConfig, Predictor]:
        """The models that were needed so far, by how they compute."""
        return {}

    def push(self, repo: str, **how: Any) -> Pushed:
        """Publish it on the Hub as OWNER/NAME; `how` as `toolkit.deployment.publishing.prepare` takes it."""
        from toolkit.deployment import publishing

        return publishing.send(publishing.prepare(self, repo, **how))

    def _repr_html_(self) -> str:
        from toolkit.reporting.display import run_html

        return run_html(self)


class SeedRuns(seed_folder.SeedRuns):
    """Runs of a recipe that differ in their seed; `runs` are those that are finished."""

    run_class = Run


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
    from toolkit.recipe.library import find_recipe
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
    draft, target = find_recipe(recipe, changes), None if out is None else Path(out)
    spec = LaunchSpec(processes)
    if seeds is not None:
        from toolkit.runner import seeds as several

        return SeedRuns(several.run(draft, seeds, target, None, spec, resume).path)
    done = launch.run(draft, target, spec=spec, resume=resume)
    if done is None:
        raise ToolkitError("the run is done; its folder is on the machine of rank 0")
    return Run(done.path)


def load_run(path: str | Path) -> Run:
    """Return the run of a folder.

    Raises:
        toolkit.errors.UserError: the folder is no run.
    """
    return Run(path)
