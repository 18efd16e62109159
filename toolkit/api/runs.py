"""A run as a user holds it: it predicts, is scored on new rows, exported, served and pushed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.runs import fold_folder, folder, seed_folder
from toolkit.utils.text import print_text

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit.deployment.publishing import Pushed
    from toolkit.deployment.serving import Server
    from toolkit.plugin_types import Prediction
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
        from toolkit.runner.evaluate import evaluate
        from toolkit.runner.evaluation_rows import Reading
        from toolkit.runs.compute import ComputeConfig

        reading = Reading(split, key_paths(settings), columns or {})
        done = evaluate(
            self, source_of(rows, "rows"), None if out is None else Path(out), console_of(progress),
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


class FoldRuns(fold_folder.FoldRuns):
    """The folds of a cross-validation; `runs` are the finished ones."""

    run_class = Run


class SeedRuns(seed_folder.SeedRuns):
    """Runs of a recipe that differ in their seed; `runs` are the finished ones."""

    run_class = Run


def key_paths(settings: Mapping[str, Any] | None) -> list[tuple[tuple[str, ...], Any]]:
    """Return {"a.b": value} as key paths and values."""
    return [(tuple(key.split(".")), value) for key, value in (settings or {}).items()]


def console_of(progress: bool | None) -> Console | None:
    """Return where progress is shown; by default in terminals and notebooks alone."""
    from rich.console import Console

    console = Console()
    shown = console.is_terminal or console.is_jupyter if progress is None else progress
    return console if shown else None
