"""Checks of the splits: faults that end a run, and notes on what is unusual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import DataError, Fault
from toolkit_plugins.tabular.frame import to_frame
from toolkit_plugins.tabular.fraud_detection import features, inputs
from toolkit_plugins.tabular.fraud_detection.options import milliseconds
from toolkit_plugins.tabular.fraud_detection.proposals import leaks
from toolkit_plugins.tabular.fraud_detection.schema import Schema, truth_of

if TYPE_CHECKING:
    from toolkit.recipe.schema import SplitSpec
    from toolkit_plugins.tabular.fraud_detection.options import FraudOptions


def notes(data: Mapping[Any, Any] | None, schema: Schema, with_labels: bool) -> list[str]:
    """Return the proposed roles, leaks, unusual amounts, and splits without frauds."""
    found = [f"taken from the data: {what}" for what in schema.proposed]
    if with_labels and schema.money is None:
        found.append("no amount, so costs cannot be weighed: the alert threshold keeps the largest "
                     "of options.false_positive_rates on validation")  # fmt: skip
    if data is None:
        return found
    frame = to_frame(data["train"])
    found += [
        f"{name!r} nearly determines the label (leakage?): is it known when the transaction comes?"
        for name in leaks(frame, schema)
    ]
    if schema.money and (negative := int((frame[schema.money] < 0).sum())):
        found.append(f"{negative:,} amounts of train are below 0 and kept as they are")
    for name in schema.entities:
        if nulls := frame[name].null_count():
            found.append(f"{nulls:,} rows of train have no {name!r}, and no history by it")
    if with_labels:
        found += [f"{name} has no fraud: most metrics have no value there"
                  for name in ("validation", "test")
                  if name in data and not truth_of(data[name], schema).any()]  # fmt: skip
    return found


def plan(
    spec: SplitSpec, schema: Schema, label_delay: str
) -> tuple[SplitSpec, str | None, list[str]]:
    """Return how splits are made, the column they are stratified by, and notes.

    What the recipe says holds. Where it leaves the way open, the latest rows are the test split,
    as far apart as labels are late; without times, rows are drawn so that each split has its
    share of frauds.
    """
    label = schema.label
    if spec.group or (spec.stratify and not spec.time):
        return spec, label, []
    if schema.time is None:
        if spec.gap or spec.windows:
            return spec, label, []  # refused: they need times
        note = ("no column of times was found: no history features, and splits are drawn at random "
                "(if a column holds times, name it: --set options.time=COLUMN)")  # fmt: skip
        return spec.model_copy(update={"stratify": label is not None}), label, [note]
    found = {"time": features.SECONDS if schema.day_first is not None else schema.time}
    if not (spec.windows or spec.gap) and milliseconds(label_delay):
        found["gap"] = label_delay
    return spec.model_copy(update=found), label, []


def check_span(rows: Any, schema: Schema, options: FraudOptions, split_time: str | None) -> None:
    """Refuse times that end before the first label is known: a split by them would have no rows.

    Raises:
        DataError: mostly as the column holds no times, but other numbers.
    """
    delay = milliseconds(options.label_delay)
    if options.task != "detect" or schema.time is None or not delay or not len(rows):
        return
    times = np.asarray(rows.with_format("numpy")[features.TIME][:])
    seconds = int(times.max() - times.min()) / 1000
    if 1000 * seconds <= delay:
        key = "data.split.time" if options.time is None and split_time else "options.time"
        what = (
            f"{schema.time!r} spans {seconds:,.0f} s in all (numbers are seconds), and labels are "
            f"known {options.label_delay} after a transaction (options.label_delay). If it holds "
            f"no times, leave {key} out: splits are drawn at random then. If labels are known at "
            "once, set options.label_delay=0d"
        )
        raise DataError(Fault(key, what))


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
        try:
            inputs.amounts(rows, schema)
        except DataError as error:
            faults += [Fault(f"{name} {fault.where}", fault.what) for fault in error.faults]
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
