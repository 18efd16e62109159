"""What the conformance kit looks at: a scenario, a recipe of it, and a short run on a few rows."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import ToolkitError
from toolkit.plugin import get
from toolkit.recipe.yaml_text import dump
from toolkit.testing import network
from toolkit.testing.forked_runs import ForkServer

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Prediction
    from toolkit.runner.prepare import Job

ROWS = {"train": 48, "validation": 12, "test": 12}
STEPS = 3
MOST_CLASSES = 10  # of a column that may be the target
SEED = 7
AT_ONCE = 2  # runs, beside the checks in the kit's own process

Ended = subprocess.CompletedProcess[str]


class NotReachedError(Exception):
    """A check stands upon something that another check has found wrong."""


@dataclass(frozen=True)
class Subject:
    """A scenario under test. What is made is made once, by the first check that needs it.

    scenario: its name. recipe: the one whose model and rows are used; a few of its rows are taken
    (of every class, where there are classes). folder: where rows and runs go.
    """

    scenario: str
    recipe: str
    folder: Path

    @cached_property
    def plugin_class(self) -> type[Plugin[Any]]:
        """The class behind the name."""
        return get(self.scenario)

    @cached_property
    def small(self) -> Path:
        """A recipe of a few rows and steps."""
        from toolkit.data import load_splits
        from toolkit.plugin_types import column_markers, columns
        from toolkit.recipe.library import find_recipe
        from toolkit.runner.prepare import import_libraries
        from toolkit.runner.resolve import resolve_recipe

        import_libraries()
        recipe, plugin = resolve_recipe(find_recipe(self.recipe))
        markers = column_markers(type(plugin.options))
        named = {
            key: (column, markers[key.split(".")[0]])
            for key, column in columns(plugin.options).items()
        }
        # Not as `derive` leaves them: the run derives them again.
        loaded = load_splits(recipe.data, named, recipe.seed)
        target = next((name for name, mark in named.values() if mark.role == "target"), None)
        self.folder.mkdir(parents=True, exist_ok=True)
        for split, rows in loaded.splits.items():
            few(rows, target, ROWS[str(split)]).to_parquet(self.folder / f"{split}.parquet")
        values = recipe.model_dump(mode="json", exclude_defaults=True)
        values["data"] = {
            "source": {str(split): f"{split}.parquet" for split in loaded.splits},
            "rename": recipe.data.rename,
        }
        values["report"] = {**values.get("report", {}), "slices": []}
        kept = {"learning_rate", "loss", "label_smoothing_factor"}
        values["training"] = {k: v for k, v in recipe.training.items() if k in kept} | {
            "max_steps": STEPS, "per_device_train_batch_size": 8, "eval_strategy": "steps",
            "save_strategy": "steps", "eval_steps": 1, "save_steps": 1, "save_total_limit": 2,
            # Every step has to show in what is compared, not the best of them alone.
            "warmup_steps": 0, "load_best_model_at_end": False,
        }  # fmt: skip
        values["method"] = {"name": "full"}
        path = self.folder / "small.yaml"
        path.write_text(dump(values), encoding="utf-8")
        return path

    @property
    def arguments(self) -> list[str]:
        """Of `toolkit run`, but for --out."""
        return [str(self.small), "--quiet", "--seed", str(SEED)]

    @cached_property
    def job(self) -> Job:
        """The small recipe, checked and ready to train."""
        from toolkit.recipe.library import find_recipe
        from toolkit.runner.prepare import prepare

        try:
            return prepare(find_recipe(str(self.small)))
        except ToolkitError as error:
            raise NotReachedError(str(error)) from error

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make the runs beside whatever is looked at meanwhile, not each when it is asked for."""
        try:
            self._copies.start()
            with _one_thread():
                with suppress(Exception):  # what is wrong is found by the checks
                    for runs in (self._first, self._killed, self._shared):
                        self._start(runs)
                yield
        finally:
            self._copies.close()
            self._workers.shutdown(cancel_futures=True)

    @cached_property
    def _copies(self) -> ForkServer:
        environment = {**network.without(self.folder / "no-network")}
        environment.setdefault("OMP_NUM_THREADS", "1")  # of several processes side by side
        return ForkServer(environment)

    @cached_property
    def _workers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="runs")

    @cached_property
    def _started(self) -> dict[str, Future[list[Ended]]]:
        return {}

    def _start(self, runs: Callable[[], list[Ended]]) -> Future[list[Ended]]:
        name = runs.__name__
        if name not in self._started:
            self.small  # noqa: B018 - it is made once, by one thread
            self._started[name] = self._workers.submit(runs)
        return self._started[name]

    def _ran(self, out: str, *further: str, kill: int = 0) -> Ended:
        """Run the small recipe without a network, to be killed in a step where one is given."""
        moment = ["step", str(kill), str(int(signal.SIGKILL)) if kill else "0"]
        asked = [*self.arguments, "--out", str(self.folder / out), *further]
        return self._copies.run([*moment, "run", *asked])

    def _first(self) -> list[Ended]:
        return [self._ran("run")]

    def _killed(self) -> list[Ended]:
        return [self._ran("killed", kill=2), self._ran("killed", "--resume")]

    def _again(self) -> list[Ended]:
        return [self._ran("again")]

    def _shared(self) -> list[Ended]:
        return [self._ran("shared", "--processes", "2")]

    @cached_property
    def first(self) -> tuple[Path, str]:
        """The folder of a short run without a network, and what it said where it failed."""
        (done,) = self._start(self._first).result()
        return self.folder / "run", done.stderr.strip() if done.returncode else ""

    @property
    def killed(self) -> tuple[Path, Ended, Ended]:
        """The folder of a run killed in its second step and resumed, and how both ended."""
        before, after = self._start(self._killed).result()
        return self.folder / "killed", before, after

    @property
    def again(self) -> tuple[Path, Ended]:
        """The folder of the short run made once more, and how it ended."""
        (done,) = self._start(self._again).result()
        return self.folder / "again", done

    @property
    def shared(self) -> tuple[Path, Ended]:
        """The folder of the short run shared by two processes, and how it ended."""
        (done,) = self._start(self._shared).result()
        return self.folder / "shared", done

    @property
    def run(self) -> Path:
        """The folder of that run.

        Raises:
            NotReachedError: it has failed.
        """
        out, wrong = self.first
        if wrong:
            raise NotReachedError("the short run fails")
        return out

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """The run's run.json."""
        found: dict[str, Any] = json.loads((self.run / "run.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def test(self) -> datasets.Dataset:
        """The test rows, as the run had them."""
        return self.job.loaded.splits["test"]

    def predict(self, rows: datasets.Dataset, batch_size: int) -> list[Prediction]:
        """Predict rows with the model as it is before training, so many at a time."""
        from toolkit.evaluation.predicting import predict

        plugin = self.job.plugin
        prepared = plugin.prepare(rows, "test")
        found = predict(plugin, plugin.model, rows, prepared, batch_size)
        return [prediction for batch in found for prediction in batch.predictions]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Leave cores to the runs: more threads than cores slow each other down many times."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def few(rows: datasets.Dataset, target: str | None, count: int) -> datasets.Dataset:
    """Return some rows in their order, of every class as far as they reach.

    Where no target is named, as a plugin may find it in the data, every column of few values counts
    as one.
    """
    import numpy as np

    from toolkit.data.splits import codes

    order = np.random.default_rng(SEED).permutation(len(rows))
    turns = []
    for column in _of_few_values(rows) if target is None else [target]:
        if column in rows.column_names:
            # The first of each class, then the second of each, ...
            turn, seen = np.zeros(len(order), np.int64), dict[int, int]()
            for place, kind in enumerate(codes(rows, column)[order].tolist()):
                turn[place] = seen[kind] = seen.get(kind, -1) + 1
            turns.append(turn)
    if turns:
        order = order[np.argsort(np.min(turns, axis=0), kind="stable")]
    return rows.select(np.sort(order[:count]))


def _of_few_values(rows: datasets.Dataset) -> list[str]:
    """Return the columns of single values that may be classes."""
    import datasets

    columns = [n for n, feature in rows.features.items() if isinstance(feature, datasets.Value)]
    return [name for name in columns if 2 <= len(rows.unique(name)) <= MOST_CLASSES]
