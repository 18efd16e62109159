"""What the conformance kit checks: a scenario, one of its recipes, and short runs on a few rows."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import ToolkitError
from toolkit.plugin import get
from toolkit.recipe.yaml_text import dump
from toolkit.testing import interruptions, network

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
#: Run -> for each of its processes: the step in which it is killed (0: none), further arguments.
RUNS: Mapping[str, list[tuple[int, list[str]]]] = {
    "run": [(0, [])],
    "killed": [(2, []), (0, ["--resume"])],
    "shared": [(0, ["--processes", "2"])],
    "again": [(0, [])],  # only where resuming fails
}

Ended = subprocess.CompletedProcess[str]


class NotReachedError(Exception):
    """A check depends on something that another check has found wrong."""


@dataclass(frozen=True)
class Subject:
    """A scenario under test. Everything is made once, by the first check that needs it.

    scenario: its name. recipe: the one whose model and a few of whose rows (of every class, where
    there are classes) are used. folder: where rows and runs go.
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
        from toolkit.recipe.library import find_recipe
        from toolkit.runner.prepare import import_libraries
        from toolkit.runner.resolve import marked_columns, resolve_recipe

        import_libraries()
        recipe, plugin = resolve_recipe(find_recipe(self.recipe))
        named = marked_columns(plugin)
        # Split as the scenario plans it, without the columns that `add_features` adds: the run adds
        # them again.
        plain = load_splits(recipe.data, named, recipe.seed, plugin=plugin, features=False)
        loaded = load_splits(recipe.data, named, recipe.seed, plugin=plugin)
        target = next((name for name, mark in named.values() if mark.role == "target"), None)
        self.folder.mkdir(parents=True, exist_ok=True)
        own = plain.splits["train"].column_names
        for split, rows in loaded.splits.items():
            few(rows.select_columns(own), target, ROWS[str(split)]).to_parquet(
                self.folder / f"{split}.parquet"
            )
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
        values.pop("only_for", None)  # it may name what is not set any more
        path = self.folder / "small.yaml"
        path.write_text(dump(values), encoding="utf-8")
        return path

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
        """Start the runs beside the checks of this process, not each when it is asked for."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # more threads than cores slow the runs down many times
        try:
            with suppress(Exception):  # faults are found by the checks
                self._started  # noqa: B018 - made here
            yield
        finally:
            torch.set_num_threads(threads)
            self._workers.shutdown(cancel_futures=True)

    @cached_property
    def _environment(self) -> Mapping[str, str]:
        # One thread each, as several processes run side by side.
        return {"OMP_NUM_THREADS": "1", **network.without(self.folder / "no-network")}

    @cached_property
    def _workers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="runs")

    @cached_property
    def _started(self) -> dict[str, Future[list[Ended]]]:
        self.small  # noqa: B018 - it is made once, by one thread
        return {name: self._workers.submit(self.ran, name) for name in RUNS if name != "again"}

    def ran(self, name: str) -> list[Ended]:
        """Run the small recipe without a network, once for each entry of RUNS."""
        asked = [str(self.small), "--quiet", "--seed", str(SEED), "--out", str(self.folder / name)]
        return [
            interruptions.alone([*asked, *further], self._environment, "step", step)
            for step, further in RUNS[name]
        ]

    def ended(self, name: str) -> list[Ended]:
        """Wait for a run, and return how each of its processes ended."""
        return self._started[name].result()

    @property
    def run(self) -> Path:
        """The folder of the plain run.

        Raises:
            NotReachedError: it has failed.
        """
        if self.ended("run")[0].returncode:
            raise NotReachedError("the short run fails")
        return self.folder / "run"

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
        """Predict rows with the model as it is before training, so many at a time.

        Raises:
            NotReachedError: a hook raises something else than a ToolkitError.
        """
        from toolkit.evaluation.predicting import predict

        plugin = self.job.plugin
        try:
            prepared = plugin.prepare(rows, "test")
            found = predict(plugin, plugin.model, rows, prepared, batch_size)
            return [prediction for batch in found for prediction in batch.predictions]
        except ToolkitError:
            raise
        except Exception as error:  # what is under test may raise anything
            raise NotReachedError(f"predicting fails: {type(error).__name__}: {error}") from error


def few(rows: datasets.Dataset, target: str | None, count: int) -> datasets.Dataset:
    """Return `count` rows in their order, of every class where there is room.

    Without a named target (a plugin may find it in the data), every column of few values counts.
    """
    import datasets
    import numpy as np

    from toolkit.data.splits import codes

    order = np.random.default_rng(SEED).permutation(len(rows))
    turns = []
    for name, feature in rows.features.items():
        if target is None and isinstance(feature, datasets.Value):
            chosen = 2 <= len(rows.unique(name)) <= MOST_CLASSES
        else:
            chosen = name == target
        if chosen:
            # The first of each class, then the second of each, ...
            turn, seen = np.zeros(len(order), np.int64), Counter[int]()
            for place, code in enumerate(codes(rows, name)[order].tolist()):
                turn[place] = seen[code]
                seen[code] += 1
            turns.append(turn)
    if turns:
        order = order[np.argsort(np.min(turns, axis=0), kind="stable")]
    return rows.select(np.sort(order[:count]))
