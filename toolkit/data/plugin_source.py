"""`plugin:NAME[?key=value&...]`: rows that an installed package makes or contains.

A package names a function in the entry-point group `toolkit.data`. It is called with the keys as
keyword arguments and returns a Dataset, or a DatasetDict with a train split.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import datasets
import xxhash
import yaml

from toolkit import registry
from toolkit.data.columns import tables
from toolkit.data.sources import ALIASES
from toolkit.errors import DataError, Fault, PluginError, UserError
from toolkit.utils.text import listing, nearest

GROUP = "toolkit.data"
PREFIX = "plugin:"


def read_plugin_source(source: str) -> tuple[dict[str, datasets.Dataset], str, list[str]]:
    """Return (splits, fingerprint of their contents, notes) of a plugin's source.

    Raises:
        DataError: no such source, unknown arguments, or a function that fails.
    """
    name, _, query = source.removeprefix(PREFIX).partition("?")
    try:
        make = registry.load(registry.resolve(GROUP, name))
    except UserError as error:
        raise DataError([Fault("data.source", fault.what) for fault in error.faults]) from error
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise DataError(Fault(source, "write plugin:NAME?key=value&key=value")) from None
    given = {key: _value(text) for key, text in pairs}
    takes = inspect.signature(make).parameters
    faults = [
        Fault(source, f"takes no {key!r}.{nearest(key, takes)} It takes: {listing(takes)}.")
        for key in given
        if key not in takes
    ]
    if faults:
        raise DataError(faults)
    try:
        found = make(**given)
    except UserError as error:
        raise DataError([Fault(source, str(fault)) for fault in error.faults]) from error
    except Exception as error:  # whatever a stranger's function does
        raise DataError(Fault(source, f"failed: {type(error).__name__}: {error}")) from error
    if isinstance(found, datasets.Dataset):
        found = {"train": found}
    if not isinstance(found, Mapping) or not set(found) <= set(ALIASES) or "train" not in found:
        shown = listing(found) if isinstance(found, Mapping) else type(found).__name__
        raise DataError(Fault(source, f"gave {shown}, not a Dataset or splits with a train one"))
    splits = {split: found[split] for split in ALIASES if split in found}
    return splits, "".join(f"{split}:{_digest(rows)}" for split, rows in splits.items()), []


def source_names() -> list[str]:
    """Return the names of the sources of installed packages."""
    return sorted(registry.points(GROUP))


def describe_source(entry: registry.Entry) -> str:
    """Import a source and return which arguments it takes.

    Raises:
        PluginError: it cannot be imported, or another package has one of the same name.
    """
    found = registry.load(registry.resolve(GROUP, entry.name))
    if not callable(found):
        raise PluginError(f"{registry.describe(GROUP, entry)} is no function but {found!r}")
    return f"{PREFIX}{entry.name} takes {listing(inspect.signature(found).parameters)}"


def _value(text: str) -> Any:
    """Return a number, true or false where a text is one in YAML; otherwise the text."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if isinstance(value, int | float | str) else text


def _digest(rows: datasets.Dataset) -> str:
    """Return a hash of column names, types and contents, the same however rows are chunked."""
    total = xxhash.xxh3_128(str(rows.features).encode())
    for table in tables(rows, rows.column_names):
        for batch in table.combine_chunks().to_batches():
            total.update(memoryview(batch.serialize()))  # which cuts a slice out of its buffers
    return str(total.hexdigest())
