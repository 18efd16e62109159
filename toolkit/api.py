"""The Python API: what the command line does, as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

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
    """A run that can predict, serve and be pushed.

    path: the folder. record: run.json as a dict.

    Raises:
        UserError: the folder is no run, or run.json is damaged.
    """

    def predict(self, rows: Sequence[Mapping[str, Any]], **how: Any) -> list[Prediction]:
        """Return one prediction per row; rows map the recipe's input columns to values.

        how: runtime, dtype and devices of `toolkit.runs.compute.ComputeConfig`.
        """
        return self._predictor(**how).predict(list(rows))

    def explain(
        self, rows: Sequence[Mapping[str, Any]], top: int = 10, **how: Any
    ) -> list[dict[str, Any]]:
        """Return each row's `prediction`, and as `explanation` the parts that moved it most.

        See docs/explanations.md. top: how many parts. how: as for `predict`.
        """
        return self._predictor(**how).explain(list(rows), top)

    def _predictor(self, **how: Any) -> Predictor:
        from toolkit.runs.compute import ComputeConfig
        from toolkit.runs.predictor import load_predictor

        computing = ComputeConfig(**how)
        if computing not in self._restored:
            self._restored[computing] = load_predictor(self.path, computing)
        return self._restored[computing]

    def serve(self, *, block: bool = True, **settings: Any) -> Server:
        """Serve the model over HTTP (`settings`: `toolkit.deployment.serving.ServerSettings`).

        block: until Ctrl-C; otherwise in a thread, until `stop()` of the returned server.
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
        """The models loaded so far, by runtime, dtype and devices."""
        return {}

    def push(self, repo: str, **how: Any) -> Pushed:
        """Push it to the Hub as OWNER/NAME; `how`: `toolkit.deployment.publishing.prepare`."""
        from toolkit.deployment import publishing

        return publishing.send(publishing.prepare(self, repo, **how))

    def _repr_html_(self) -> str:
        from toolkit.reporting.display import run_html

        return run_html(self)


class SeedRuns(seed_folder.SeedRuns):
    """Runs of a recipe that differ in their seed; `runs` are the finished ones."""

    run_class = Run


class RunOptions(TypedDict, total=False):
    """The options of `run` but `seeds`, for type checkers."""

    data: str | Path | None
    model: str | Path | None
    method: str | None
    seed: int | None
    out: str | Path | None
    resume: bool
    offline: bool
    processes: int | None
    settings: Mapping[str, Any] | None


@overload
def run(recipe: str, *, seeds: None = None, **options: Unpack[RunOptions]) -> Run: ...
@overload
def run(recipe: str, *, seeds: int, **options: Unpack[RunOptions]) -> SeedRuns: ...
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
    """Run a recipe; return the finished run or, with `seeds`, the runs with several seeds.

    Args:
        recipe: a name as `toolkit list` shows it, or the path of a YAML file.
        data, model, method, seed, out, resume, offline: the options of `toolkit run`.
        processes: of this machine; None is one per visible GPU, or one if there is none. Several
            are started as new processes, which print nothing.
        seeds: number of runs, with seeds from `seed` on; each has its own folder below `out`.
        settings: key path -> value, for example {"training.num_train_epochs": 2}.

    Raises:
        toolkit.errors.UserError: the input is wrong; nothing has been trained.
        toolkit.errors.ToolkitError: the run failed.
    """
    from toolkit.recipe.library import find_recipe
    from toolkit.recipe.overrides import overrides
    from toolkit.runner import launch
    from toolkit.runner.elastic import LaunchSpec
    from toolkit.runs.restore import restore_named
    from toolkit.utils import offline as network

    if offline:
        network.go()
    if resume:
        restore_named(recipe)
    changes = overrides(data, model, method, (), seed)
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
