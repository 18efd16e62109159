"""Checks of the splits: faults that end a run, and notes on what is unusual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from toolkit.errors import DataError, Fault
from toolkit_plugins.tabular.frame import to_frame
from toolkit_plugins.tabular.fraud_detection import features
from toolkit_plugins.tabular.fraud_detection.options import milliseconds
from toolkit_plugins.tabular.fraud_detection.proposals import leaks
from toolkit_plugins.tabular.fraud_detection.schema import Schema, truth_of


def notes(data: Mapping[Any, Any] | None, schema: Schema, with_labels: bool) -> list[str]:
    """Return the proposed roles, leaks, unusual amounts, and splits without frauds."""
    found = [f"taken from the data: {what}" for what in schema.proposed]
    if data is None:
        return found
    frame = to_frame(data["train"])
    found += [
        f"{name!r} nearly determines the label (leakage?): is it known when the transaction comes?"
        for name in leaks(frame, schema)
    ]
    if schema.amount and (negative := int((frame[schema.amount] < 0).sum())):
        found.append(f"{negative:,} amounts of train are below 0 and kept as they are")
    for name in schema.entities:
        if nulls := frame[name].null_count():
            found.append(f"{nulls:,} rows of train have no {name!r}, and no history by it")
    if with_labels:
        found += [f"{name} has no fraud: most metrics have no value there"
                  for name in ("validation", "test")
                  if name in data and not truth_of(data[name], schema).any()]  # fmt: skip
    return found


def check_splits(data: Mapping[Any, Any], schema: Schema, label_delay: str) -> None:
    """Refuse rows without labels, a train split of one class, and labels not yet known.

    Raises:
        DataError: all of them at once.
    """
    faults, label = [], str(schema.label)
    for name, rows in data.items():
        if nulls := to_frame(rows, [label])[label].null_count():
            what = f"{nulls:,} rows have no {label!r}: set options.label to leave them out"
            faults.append(Fault(str(name), what))
    counts = np.bincount(truth_of(data["train"], schema), minlength=2)
    if not counts.all():
        only = schema.labels[int(counts[0] == 0)]
        faults.append(Fault("train", f"all {counts.sum():,} rows have {label} {only!r}: there is "
                                     "nothing to tell apart"))  # fmt: skip
    if schema.time is not None:
        faults += _late(data, schema.time, label_delay)
    if faults:
        raise DataError(faults)


def _late(data: Mapping[Any, Any], time: str, label_delay: str) -> list[Fault]:
    """Return a fault for each split some of whose labels are not known when test begins."""
    delay = milliseconds(label_delay)
    times = {
        name: np.asarray(rows.with_format("numpy")[features.TIME][:]) for name, rows in data.items()
    }
    found = []
    for name in ("train", "validation"):
        late = int((times[name] + delay > times["test"].min()).sum()) if name in times else 0
        if late:
            found.append(
                Fault(name, f"{late:,} labels are not known when the test split begins "
                      f"(options.label_delay: {label_delay}): split with --set "
                      f"data.split.time={time} --set data.split.gap={label_delay}, or say 0d where "
                      "labels are known at once")
            )  # fmt: skip
    return found
