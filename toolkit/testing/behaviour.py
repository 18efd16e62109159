"""Checks of what a plugin does: a short run, its predictions, scores, and the same run again."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import ToolkitError
from toolkit.plugin_types import ReshapedRows, columns
from toolkit.reporting import shown
from toolkit.testing import interruptions
from toolkit.testing.subject import NotReachedError, Subject

if TYPE_CHECKING:
    from toolkit.plugin_types import Prediction

ROUNDED = 1e-4  # of scores, which sums in another order may differ by


def parts_fit(subject: Subject) -> Iterator[str]:
    """Model inputs are one per row; model and processor can be saved."""
    try:
        subject.job  # noqa: B018 - a few rows are rehearsed
    except NotReachedError as error:
        yield str(error)


def runs_without_network(subject: Subject) -> Iterator[str]:
    """A short run on a few rows finishes with every socket blocked."""
    (done,) = subject.ended("run")
    if done.returncode:
        yield done.stderr.strip() or f"it ends with exit code {done.returncode}"
    elif subject.record["status"] != "finished":
        yield f"its status is {subject.record['status']}"


def reloads_equal(subject: Subject) -> Iterator[str]:
    """The saved model gives the same predictions in a fresh process."""
    found = subject.record["reload"]
    if found["different"] or not found["compared"]:
        yield f"{found['different']} of {found['compared']} predictions differ"


def predictions_are_rows(subject: Subject) -> Iterator[str]:
    """Predictions depend neither on the order of the rows nor on their targets."""
    rows, plugin = subject.test, subject.job.plugin
    forward = subject.predict(rows, 4)
    back = subject.predict(rows.select(range(len(rows) - 1, -1, -1)), 4)
    yield from _changes(subject, forward, back[::-1], "in reverse order")
    targets = [name for name in columns(plugin.options, "target").values()
               if name in rows.column_names]  # fmt: skip
    if targets:
        without = subject.predict(rows.remove_columns(targets), 4)
        yield from _changes(subject, forward, without, "without targets")


def rows_keep_their_shape(subject: Subject) -> Iterator[str]:
    """Rows that have their shape come back from `reshape_rows` as they are."""
    rows = subject.test
    made = subject.job.plugin.reshape_rows(rows, "test")
    again = made.rows if isinstance(made, ReshapedRows) else made
    if again is not rows and again.to_list() != rows.to_list():
        yield f"reshape_rows makes other rows ({len(again)}) of {len(rows)} that it has made"


def example_is_served(subject: Subject) -> Iterator[str]:
    """The example row of `toolkit serve` is valid, can be predicted and shown."""
    from toolkit.deployment.serving.fields import Fields
    from toolkit.runs.predictor import load_predictor

    predictor = load_predictor(subject.run)
    fields = Fields(predictor.plugin)
    try:
        rows = fields.read(json.dumps(fields.example).encode(), 1).rows
        (found,) = predictor.predict(rows)
        row = predictor.dataset(rows)[0]
        shown.stored(predictor.plugin.show(row, found, None))
    except Exception as error:  # what is under test may raise anything
        what = getattr(error, "detail", None) or f"{type(error).__name__}: {error}"
        yield f"example() gives {fields.example!r:.200}: {what}"


def scores_are_read_again(subject: Subject) -> Iterator[str]:
    """A run's folder gives the same scores when it is read, without the data."""
    from toolkit.evaluation import run_metrics
    from toolkit.evaluation.scoring import score
    from toolkit.runs.folder import read_predictions
    from toolkit.runs.predictor import plugin_of

    modules = run_metrics.modules(plugin_of(subject.run))
    again = score(modules, read_predictions(subject.run / "predictions.jsonl"))
    for name, found in subject.record["metrics"]["test"].items():
        one, other = found["value"], again[name]["value"] if name in again else None
        if one != other and (one is None or other is None or abs(one - other) > 1e-9):
            yield f"{name} is {one} in the run, and {other} read again"


def evaluates_new_rows(subject: Subject) -> Iterator[str]:
    """Its test rows, given to `toolkit evaluate` as new ones, have the run's scores."""
    from toolkit.plugin import Plugin
    from toolkit.runner.evaluate import evaluate
    from toolkit.runs.folder import Run

    run, rows = Run(subject.run), str(subject.folder / "test.parquet")
    try:
        found = evaluate(run, rows, subject.folder / "evaluated")
    except ToolkitError:
        raise
    except Exception as error:  # what is under test may raise anything
        yield f"it fails: {type(error).__name__}: {error}"
        return
    yield from (f"{part['part']} {part['name']} fails: {part['reason']}"
                for part in found.record["failed_parts"])  # fmt: skip
    if type(subject.job.plugin).add_features is not Plugin.add_features:
        return  # features of other rows see the new ones alone
    for name, before in subject.record["metrics"]["test"].items():
        one, other = before["value"], found.metrics["test"][name]["value"]
        if one != other and (one is None or other is None or abs(one - other) > ROUNDED):
            yield f"{name} is {one} in the run, and {other} as new rows"


def batches_agree(subject: Subject) -> Iterator[str]:
    """A row alone is predicted as it is among others."""
    many = subject.predict(subject.test, len(subject.test))
    one = subject.predict(subject.test, 1)
    yield from _changes(subject, many, one, "alone")


def scores_stream(subject: Subject) -> Iterator[str]:
    """There are metrics, and batch by batch they give what they give for all rows at once."""
    from toolkit.evaluation import run_metrics
    from toolkit.evaluation.scoring import score

    plugin = subject.job.plugin
    if not run_metrics.modules(plugin):
        yield "metrics gave none: nothing would be scored"
        return
    found = subject.predict(subject.test, 4)
    truth = plugin.references(subject.test.to_list())
    batches = [(found[n : n + 5], truth[n : n + 5]) for n in range(0, len(found), 5)]
    whole = score(run_metrics.modules(plugin), [(found, truth)])
    streamed = score(run_metrics.modules(plugin), batches)
    for name in whole:
        one, other = whole[name]["value"], streamed[name]["value"]
        if abs(one - other) > 1e-9:
            yield f"{name} is {one} at once, and {other} batch by batch"


def baselines_scored(subject: Subject) -> Iterator[str]:
    """There is a baseline, scored by the same metrics, and no part of the report fails."""
    baselines, metrics = subject.record["baselines"], subject.record["metrics"]["test"]
    for part in subject.record.get("failed_parts") or ():
        yield f"{part['part']} {part['name']} fails: {part['reason']}"
    if not baselines:
        yield "baselines gave none: the score would have nothing to be compared with"
    for name, scores in baselines.items():
        if set(scores) != set(metrics):
            yield f"baseline {name} is scored by {sorted(scores)}, the model by {sorted(metrics)}"


def repeats_and_resumes(subject: Subject) -> Iterator[str]:
    """The same seed gives the same run, and so does one that was killed and resumed."""
    whole = subject.run
    killed, resumed = subject.ended("killed")
    if killed.returncode != -signal.SIGKILL:
        code = killed.returncode
        yield f"a run that was to be killed in its second step ended before, with exit code {code}"
    elif resumed.returncode:
        yield f"resuming fails: {resumed.stderr.strip()}"
    elif difference := _difference(subject.folder / "killed", whole):
        subject.ran("again")
        if repeated := _difference(subject.folder / "again", whole):
            yield f"the same seed gives another run: {repeated}"
        else:
            yield f"killed and resumed it ends differently: {difference}"


def _difference(run: Path, other: Path) -> str:
    try:
        interruptions.assert_same_end(run, other)
    except AssertionError as error:
        return str(error)
    return ""


def processes_share(subject: Subject) -> Iterator[str]:
    """Two processes count each row once."""
    (done,) = subject.ended("shared")
    if done.returncode:
        yield f"it fails: {done.stderr.strip()}"
        return
    with (subject.folder / "shared" / "predictions.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line)["row"] for line in lines]
    if rows != list(range(len(subject.test))):
        yield f"predictions.jsonl has the rows {rows} of {len(subject.test)}"


def _changes(
    subject: Subject, one: list[Prediction], other: list[Prediction], how: str
) -> Iterator[str]:
    from toolkit.runs.verify import compare

    found = compare(subject.job.plugin, one, other)
    if found.different:
        yield f"{found.different} rows are predicted differently {how}: {found.examples[0]}"
