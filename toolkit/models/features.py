"""Features: what the frozen part of a model computes for each row, cached and memory-mapped.

A file of features is named by all that they depend on: the frozen weights, the inputs of every row
as the processor left them, and the precision. Another run with the same ones does not run the
model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import xxhash

from toolkit.data.caches import kept
from toolkit.evaluation.batches import batch_maker, by_length, records
from toolkit.evaluation.predicting import evaluating
from toolkit.models.method import MethodContext
from toolkit.plugin import Plugin
from toolkit.utils.hardware import bf16_supported, packages

if TYPE_CHECKING:
    import datasets
    import torch

WINDOW = 4096  # rows that are sorted by length together, and whose features are held at once
BATCH = 64
PART = 1 << 28  # bytes of features that are handled in one piece

Tap = Callable[[Any], AbstractContextManager[Callable[[Mapping[str, Any]], Sequence[Any]]]]


@dataclass(frozen=True)
class Features:
    """One array a row (shapes may differ in the first dimension), as float32.

    path: the Arrow file. cached: whether it was there before.
    """

    path: Path
    width: int
    cached: bool

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @property
    def _table(self) -> pa.Table:
        return pa.ipc.open_stream(pa.memory_map(str(self.path))).read_all()

    def matrices(self) -> Iterator[np.ndarray[Any, Any]]:
        """Yield (rows, width) parts in row order, for features of one vector a row."""
        batches = self._table.to_batches()
        most = max(1, PART // (4 * self.width * max(len(batches[0]), 1)))
        for start in range(0, len(batches), most):
            flat = [_floats(batch.column(0)) for batch in batches[start : start + most]]
            yield np.concatenate(flat).reshape(-1, self.width)

    def rows(self, wanted: Sequence[int]) -> list[np.ndarray[Any, Any]]:
        """Return the arrays of some rows, each (length, width)."""
        column = self._table.column(0).take(pa.array(wanted)).combine_chunks()
        ends = np.asarray(column.value_lengths()).cumsum()[:-1]
        values = _floats(column)
        return [part.reshape(-1, self.width) for part in np.split(values, ends)]


def _floats(column: Any) -> np.ndarray[Any, Any]:
    """Return a list column's values as float32; 16 bits are those of bfloat16."""
    values = column.flatten().to_numpy(zero_copy_only=False)
    if values.dtype == np.uint16:
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values  # type: ignore[no-any-return]  # pyarrow ships no types


def cached_features(
    context: MethodContext,
    model: Any,
    split: datasets.Dataset,
    tap: Tap,
    kind: str,
    excluded: Callable[[str], bool],
    plugin: Plugin[Any] | None = None,
    window: int = WINDOW,
) -> Features:
    """Return the features of a prepared split, from the cache where they are there.

    Args:
        tap: model -> context whose function turns a batch into the features of its rows, on CPU:
            a vector each, or a matrix of (length, width).
        kind: a name for what the tap takes out, part of the cache's key.
        excluded: parameter name -> whether features do not depend on it (the head's).
        plugin: whose model it is; the context's where not given.
        window: rows whose features are held at once.
    """
    import datasets

    plugin = plugin or context.plugin
    folder = (context.cache or Path(datasets.config.HF_DATASETS_CACHE)) / "toolkit-features"
    key = _key(plugin, model, split, kind, excluded)

    def write(path: Path) -> None:
        context.say(f"encoding {len(split):,} rows with the frozen model")
        _write(path, _encode(plugin, model, split, tap, window))

    path, cached = kept(folder, key, ".arrow", write)
    schema = pa.ipc.open_stream(pa.memory_map(str(path))).schema
    return Features(path, int(schema.metadata[b"width"]), cached)


def _encode(
    plugin: Plugin[Any], model: Any, split: datasets.Dataset, tap: Tap, window: int
) -> Iterator[list[Any]]:
    """Yield windows of per-row arrays, in row order."""
    import torch

    make = batch_maker(plugin, model, with_labels=False)
    with evaluating(model), torch.inference_mode(), tap(model) as take, _autocast(model):
        for start in range(0, len(split), window):
            rows = range(start, min(start + window, len(split)))
            found: dict[int, Any] = {}
            for chosen in by_length(split, rows, BATCH):
                found |= zip(chosen, take(make(records(split, chosen))), strict=True)
            yield [found[row] for row in rows]


def _write(path: Path, windows: Iterator[list[Any]]) -> None:
    with ExitStack() as stack:
        out = None
        for arrays in windows:
            # A vector a row is kept as it is; whole sequences, which are many, as bfloat16.
            short = arrays[0].ndim == 1
            flat = np.concatenate([_bits(array, short).ravel() for array in arrays])
            ends = np.cumsum([0, *(array.numel() for array in arrays)])
            column = pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), pa.array(flat))
            if out is None:
                width = {"width": str(arrays[0].shape[-1])}
                schema = pa.schema([pa.field("features", column.type)], metadata=width)
                sink = stack.enter_context(pa.OSFile(str(path), "wb"))
                out = stack.enter_context(pa.ipc.new_stream(sink, schema))
            out.write_batch(pa.record_batch([column], schema=schema))


def _bits(array: torch.Tensor, short: bool) -> np.ndarray[Any, Any]:
    import torch

    return array.float().numpy() if short else array.bfloat16().view(torch.uint16).numpy()


def _autocast(model: Any) -> Any:
    """Return a context in which the model computes in bf16, where the hardware has it."""
    import torch

    device = next(model.parameters()).device.type
    return torch.autocast(device, torch.bfloat16, enabled=bf16_supported())


def _key(
    plugin: Plugin[Any],
    model: Any,
    split: datasets.Dataset,
    kind: str,
    excluded: Callable[[str], bool],
) -> str:
    """Return a hash of the frozen weights, of the rows as the model takes them, and of settings."""
    import torch

    versions, processor = packages(), plugin.processor
    # A tokenizer's part is in the token ids; images are processed when they are read.
    settings = processor.to_json_string() if hasattr(processor, "to_json_string") else ""
    config: Any = getattr(model, "config", None)
    described = config.to_json_string() if hasattr(config, "to_json_string") else repr(config)
    way = (kind, described, type(plugin).__qualname__, settings,
           plugin.options.model_dump_json(), bf16_supported(),
           versions["torch"], versions["transformers"])  # fmt: skip
    digest = xxhash.xxh3_128(repr(way).encode())
    for name, tensor in model.state_dict().items():
        if not excluded(name):
            digest.update(name.encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy())
    columns = [name for name in split.column_names if name != "labels"]
    for table in split.select_columns(columns).with_format("arrow").iter(10_000):
        sink = pa.BufferOutputStream()
        whole = table.replace_schema_metadata(None).combine_chunks()
        with pa.ipc.new_stream(sink, whole.schema) as out:
            out.write_table(whole)
        digest.update(sink.getvalue())
    return digest.hexdigest()
