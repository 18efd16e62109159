"""Batch prediction on a Ray cluster: blocks of rows by Ray Data, models as its actors.

Blocks are the windows of a prediction on one machine; they come back in order, and those of a
worker that was lost are done again.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from toolkit.deployment.windows import FEW, WINDOW, Line, predictions
from toolkit.errors import Fault, ToolkitError, UserError
from toolkit.plugin_types import PredictionFile
from toolkit.runner.on_ray.cluster import Cluster, connected
from toolkit.runner.on_ray.spec import RaySpec
from toolkit.runs.compute import ComputeConfig
from toolkit.utils import jsonable

if TYPE_CHECKING:
    import datasets

LEAST = 256  # rows of a block, where there are few
BLOCKS = 4  # of each worker at least, where rows suffice: so that all end at about the same time
ROW, LINES, ERROR = "toolkit_row", "lines", "error"
FILE = "toolkit:file"  # the key of a file that is sent within a line


@contextmanager
def windows(
    spec: RaySpec,
    run: Path,
    computing: ComputeConfig,
    explain: int | None,
    rows: datasets.Dataset,
    done: int,
    seen: Sequence[str] = (),
) -> Iterator[tuple[Iterator[list[Any]], int]]:
    """Yield what is made of each block of rows from `done` on, in order; and how many blocks.

    Args:
        spec, computing, explain: as of `predict_file.predict`. seen: paths that workers read.

    Raises:
        UserError: no such cluster, it has not what is asked for, or a node lacks a path.
    """
    spec.check()
    if computing.devices:
        what = "is for this machine: on a cluster, --gpus-per-worker says what workers have"
        raise UserError(Fault("--device", what))
    if computing.dtype == "auto":  # which compares rows of the whole file on one machine
        computing = replace(computing, dtype="float32")
    with connected(spec) as cluster:
        sized = cluster.sized(spec)
        require_seen(cluster, [str(run.resolve()), *seen])
        workers = sized.workers or 1
        left = len(rows) - done
        most = FEW if explain else WINDOW
        step = max(min(most, -(-left // (BLOCKS * workers))), min(most, LEAST))
        blocks = _blocks(cluster, sized, (run.resolve(), computing, explain), rows, done, step)
        yield blocks, -(-left // step)


def require_seen(cluster: Cluster, paths: Sequence[str]) -> None:
    """Raise UserError for each path that a node of the cluster does not see."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray, nodes = cluster.ray, cluster.nodes()
    missing = ray.remote(_missing)
    asked = [
        missing.options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)
        ).remote(list(paths))
        for node in nodes
    ]
    faults = [
        Fault(f"node {node.address}", f"does not see {path}: put it where all nodes do")
        for node, lacking in zip(nodes, ray.get(asked), strict=True)
        for path in lacking
    ]
    if faults:
        raise UserError(faults)


def _missing(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if not os.path.exists(path)]


def _blocks(
    cluster: Cluster,
    spec: RaySpec,
    model: tuple[Path, ComputeConfig, int | None],
    rows: datasets.Dataset,
    done: int,
    step: int,
) -> Iterator[list[Any]]:
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    context.execution_options.verbose_progress = False
    context.target_max_block_size = None  # blocks are ours, however large
    if not os.environ.get("TOOLKIT_DEBUG"):
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    tables = [cluster.ray.put(table) for table in _numbered(rows, done, step)]
    if not tables:  # all were predicted by an earlier call
        return
    given = ray.data.from_arrow_refs(tables)
    found = given.map_batches(
        Model, fn_constructor_args=(*model, rows.info.features, _environment(spec)),
        batch_size=None, batch_format="pyarrow", num_cpus=spec.cpus, num_gpus=spec.gpus or None,
        compute=ray.data.ActorPoolStrategy(size=spec.workers or 1),
    )  # fmt: skip
    expected = done
    for block in found.iter_batches(batch_size=None, batch_format="pyarrow"):
        for made in block.to_pylist():
            if made[ERROR] is not None:
                raise _restored(made[ERROR])
            if made[ROW] != expected:  # never seen; it would give rows each other's predictions
                what = f"blocks came back in disorder: row {made[ROW]} for {expected}"
                raise ToolkitError(what)
            expected += len(made[LINES])
            files = any(f'"{FILE}"' in line for line in made[LINES])
            yield [_with_files(line) if files else Line(line) for line in made[LINES]]


def _numbered(rows: datasets.Dataset, done: int, step: int) -> Iterator[Any]:
    """Yield the rows from `done` on as arrow tables, which have the numbers of rows as well."""
    import pyarrow as pa

    arrow = rows.with_format("arrow")
    for start in range(done, len(rows), step):
        table = arrow[start : start + step]
        yield table.append_column(ROW, pa.array(np.arange(start, start + len(table))))


def _with_files(line: str) -> Any:
    """Return a prediction whose files were sent within its line."""

    def restore(value: dict[str, Any]) -> Any:
        if value.keys() != {FILE}:
            return value
        suffix, content = value[FILE]
        return PredictionFile(suffix, base64.b64decode(content))

    return json.loads(line, object_hook=restore)


def _inline(value: Any) -> Any:
    """Return a file as what `_with_files` takes, as `default` of `json.dumps`."""
    if not isinstance(value, PredictionFile):
        return jsonable.plain(value)
    return {FILE: [value.suffix, base64.b64encode(value.read()).decode()]}


def _told(error: ToolkitError) -> str:
    """Return an error as a text, which survives the way from a worker."""
    faults = [(f.where, f.what) for f in error.faults] if isinstance(error, UserError) else []
    return json.dumps({"text": str(error), "faults": faults})


def _restored(told: str) -> ToolkitError:
    found = json.loads(told)
    if found["faults"]:
        return UserError([Fault(where, what) for where, what in found["faults"]])
    return ToolkitError(found["text"])


def _environment(spec: RaySpec) -> dict[str, str]:
    """Return what a model's process is to have in its environment."""
    names = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
    handed = {name: os.environ[name] for name in names if name in os.environ}
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, int(spec.cpus or 1))))
    return {**handed, "OMP_NUM_THREADS": threads}


class Model:
    """A run's model in an actor of Ray Data, which predicts blocks of rows."""

    def __init__(
        self,
        run: Path,
        computing: ComputeConfig,
        explain: int | None,
        features: Any,
        environment: Mapping[str, str],
    ) -> None:
        os.environ.update(environment)  # before libraries are imported that read it
        self.features, self.error = features, cast("ToolkitError | None", None)
        try:
            import torch

            from toolkit.runs.predictor import load_predictor
            from toolkit.utils.logging import quiet_libraries

            quiet_libraries()
            torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
            model = load_predictor(run, computing)
            self.make = partial(model.explanations, top=explain) if explain else model.predictions
        except ToolkitError as error:  # Ray would start the actor again, and again
            self.error = error

    def __call__(self, table: Any) -> Any:
        """Return a table of one row: a block's first row, and what was made of its rows."""
        import datasets
        import pyarrow as pa
        from datasets.table import InMemoryTable

        lines, told, start = list[str](), None, table[ROW][0].as_py()
        rows = InMemoryTable(table.drop_columns([ROW]))
        try:
            if self.error is not None:
                raise self.error
            info = datasets.DatasetInfo(features=self.features)
            made = predictions(self.make, datasets.Dataset(rows, info=info), start == 0)
            lines = [jsonable.line(one, _inline) for one in made]
        except ToolkitError as error:
            told = _told(error)
        columns = {ROW: pa.int64(), LINES: pa.list_(pa.large_string()), ERROR: pa.string()}
        values = {ROW: [start], LINES: [lines], ERROR: [told]}
        return pa.table({name: pa.array(values[name], kind) for name, kind in columns.items()})
