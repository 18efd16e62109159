"""The Python API: what the command line does, as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from toolkit.errors import ToolkitError
from toolkit.recipe.library import Listed
from toolkit.runs import folder, seed_folder
from toolkit.utils.text import print_text

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit.deployment.publishing import Pushed
    from toolkit.deployment.serving import Server
    from toolkit.plugin_types import Prediction
    from toolkit.recipe.draft import Draft
    from toolkit.runner.check import Check
    from toolkit.runs.compute import ComputeConfig
    from toolkit.runs.predictor import Predictor

#: Rows, or where they are: see `toolkit.data.in_memory.TAKEN`.
Data = Any


class Run(folder.Run):
    """A run that can predict, serve and be pushed.

    path: the folder. record: run.json as a dict.

    Raises:
        UserError: the folder is no run, or run.json is damaged.
    """

    def predict(self, rows: Data, **how: Any) -> Any:
        """Return a prediction for each row, or the one of a single row.

        Args:
            rows: a DataFrame, a Dataset, or a list of dicts, with the columns that the model reads.
                Where it reads one column, also a list of its values; one dict or text is one row.
            how: runtime, dtype and devices of `toolkit.runs.compute.ComputeConfig`.

        Raises:
            UserError: a row lacks a column, or holds what the model does not read.
        """
        predictor = self._predictor(**how)
        single = isinstance(rows, str | bytes | Mapping)
        found: list[Prediction] = predictor.predict(predictor.rows([rows] if single else rows))
        return found[0] if single else found

    def explain(self, rows: Data, top: int = 10, **how: Any) -> Any:
        """Return prediction and explanation of each row, or of a single one.

        Args:
            rows, how: as of `predict`.
            top: how many parts of a row (words, image patches, columns) that moved its prediction.

        Raises:
            UserError: as of `predict`, or the scenario explains nothing.
        """
        predictor = self._predictor(**how)
        single = isinstance(rows, str | bytes | Mapping)
        found = predictor.explain(predictor.rows([rows] if single else rows), top)
        return found[0] if single else found

    def evaluate(
        self,
        rows: Data,
        *,
        out: str | Path | None = None,
        split: str | None = None,
        baselines: bool = True,
        columns: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        progress: bool | None = None,
        **how: Any,
    ) -> Run:
        """Score the model on new labelled rows, as the test split was; return the evaluation.

        Args:
            rows: a path, or rows as `run` takes them for `data`; all of them are test rows.
            out, split, baselines: the options of `toolkit evaluate`. columns: the model's name of
                a column -> what it is called in the rows. settings: how a file is read, such as
                {"data.delimiter": ";"}. progress: as of `run`.
            how: runtime, dtype and devices of `toolkit.runs.compute.ComputeConfig`.

        Raises:
            UserError: the run is not finished, or the rows cannot be used.
        """
        from toolkit.data.in_memory import source_of
        from toolkit.runner.evaluate import Reading, evaluate
        from toolkit.runs.compute import ComputeConfig

        reading = Reading(split, _settings(settings), columns or {})
        done = evaluate(
            self, source_of(rows, "rows"), None if out is None else Path(out), _console(progress),
            reading=reading, computing=ComputeConfig(**how), baselines=baselines,
        )  # fmt: skip
        return type(self)(done.path)

    def export(self, to: str, out: str | Path | None = None) -> Path:
        """Write the model in another form, verified; return the folder.

        Args:
            to: "onnx", "int8", or "merged" for an adapter.
            out: a new or empty folder; RUN/<to> where not given.

        Raises:
            UserError: the run is not finished, or the folder is taken.
            ToolkitError: the exported model does not predict as the run's does.
        """
        from toolkit.deployment import exporting

        return exporting.export(self, to, None if out is None else Path(out))[0]

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

    def push(self, repo: str, **how: Any) -> Pushed:
        """Push it to the Hub as OWNER/NAME; `how`: `toolkit.deployment.publishing.prepare`."""
        from toolkit.deployment import publishing

        return publishing.send(publishing.prepare(self, repo, **how))

    def summary(self) -> None:
        """Print the scores and facts of a finished run, as `toolkit run` does at its end."""
        from rich.console import Console

        from toolkit.reporting import terminal

        terminal.summary(self, Console())

    def _predictor(self, **how: Any) -> Predictor:
        from toolkit.runs.compute import ComputeConfig
        from toolkit.runs.predictor import load_predictor
        from toolkit.utils.logging import quiet_libraries

        computing = ComputeConfig(**how)
        if computing not in self._restored:
            quiet_libraries()
            self._restored[computing] = load_predictor(self.path, computing)
        return self._restored[computing]

    @cached_property
    def _restored(self) -> dict[ComputeConfig, Predictor]:
        """The models loaded so far, by runtime, dtype and devices."""
        return {}

    def _repr_html_(self) -> str:
        from toolkit.reporting.display import run_html

        return run_html(self)


class SeedRuns(seed_folder.SeedRuns):
    """Runs of a recipe that differ in their seed; `runs` are the finished ones."""

    run_class = Run


class RecipeOptions(TypedDict, total=False):
    """What `run` and `check` change in a recipe, for type checkers."""

    data: Data
    model: str | Path | None
    method: str | None
    seed: int | None
    settings: Mapping[str, Any] | None


class RunOptions(RecipeOptions, total=False):
    """The options of `run` but `seeds`, for type checkers."""

    out: str | Path | None
    resume: bool
    offline: bool
    processes: int | None
    progress: bool | None


@overload
def run(recipe: str | Path, *, seeds: None = None, **options: Unpack[RunOptions]) -> Run: ...
@overload
def run(recipe: str | Path, *, seeds: int, **options: Unpack[RunOptions]) -> SeedRuns: ...
def run(
    recipe: str | Path,
    *,
    seeds: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    offline: bool = False,
    processes: int | None = None,
    progress: bool | None = None,
    **changes: Unpack[RecipeOptions],
) -> Run | SeedRuns:
    """Run a recipe; return the finished run or, with `seeds`, the runs with several seeds.

    Args:
        recipe: a name as `toolkit list` shows it, or the path of a YAML file.
        changes: data, model, method and seed, the options of `toolkit run`; settings, key path ->
            value, for example {"training.num_train_epochs": 2}. data: a path or several, a pandas
            or polars DataFrame, a Dataset or DatasetDict, a list of dicts, or a mapping of train,
            validation and test to these.
        out, resume, offline: the options of `toolkit run`.
        processes: of this machine; None is one per visible GPU, or one if there is none. Several
            are started as new processes.
        seeds: number of runs, with seeds from `seed` on; each has its own folder below `out`.
        progress: whether it is shown; None shows it in terminals and notebooks.

    Raises:
        toolkit.errors.UserError: the input is wrong; nothing has been trained.
        toolkit.errors.ToolkitError: the run failed.
    """
    from toolkit.runner import launch
    from toolkit.runner.elastic import LaunchSpec
    from toolkit.runs.restore import restore_named
    from toolkit.utils import offline as network

    if offline:
        network.go()
    if resume:
        restore_named(str(recipe))
    draft, target = _draft(recipe, **changes), None if out is None else Path(out)
    spec, console = LaunchSpec(processes), _console(progress)
    if seeds is not None:
        from toolkit.runner import seeds as several

        return SeedRuns(several.run(draft, seeds, target, console, spec, resume).path)
    done = launch.run(draft, target, console, spec, resume)
    if done is None:
        raise ToolkitError("the run is done; its folder is on the machine of rank 0")
    return Run(done.path)


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

    source = None if data is None else source_of(data)
    changes = overrides(source, model, method, (), seed)
    return find_recipe(str(recipe), [*changes, *_settings(settings)])


def _settings(settings: Mapping[str, Any] | None) -> Sequence[tuple[tuple[str, ...], Any]]:
    return [(tuple(key.split(".")), value) for key, value in (settings or {}).items()]


def _console(progress: bool | None) -> Console | None:
    from rich.console import Console

    console = Console()
    shown = console.is_terminal or console.is_jupyter if progress is None else progress
    return console if shown else None
