"""Trackers that get a run's final results, each a generator over a class of `accelerate.tracking`.

It opens the tracker, yields what run.json says of it and what logs the final results, and is sent
how the run ended. None asks the network for anything unless its own variables say so
(MLFLOW_TRACKING_URI, WANDB_MODE=online).
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

STORE = "mlflow.db"
MLFLOW_RUNS = ("MLFLOW_RUN_ID", "MLFLOW_NESTED_RUN")  # variables that say which run to log to


@dataclass(frozen=True)
class TrackerTarget:
    """Where a run is tracked; `before` is what run.json says of the tracker, if it is resumed.

    logs: the run's own folder. place: of a store that all runs started here share.
    """

    logs: Path
    place: Path
    title: str
    recipe: str
    project: str
    before: Mapping[str, Any]


@dataclass(frozen=True)
class FinalResults:
    """Scores ("test/accuracy" -> value), facts (short texts), files to attach, the last step."""

    scores: dict[str, float]
    facts: dict[str, str]
    files: Sequence[Path]
    step: int


#: Is sent "FINISHED" or "FAILED".
Tracker = Generator[tuple[dict[str, Any], Callable[[FinalResults], None]], str, None]


def start_tensorboard(logs: Path, **options: Any) -> Any:
    """Return accelerate's tracker that writes event files to a folder."""
    tracker = _module("accelerate.tracking").TensorBoardTracker("", logs, **options)
    tracker.start()
    return tracker


def _tensorboard(target: TrackerTarget) -> Tracker:
    def log(final: FinalResults) -> None:
        texts = {"facts": "\n".join(f"- {key}: {value}" for key, value in final.facts.items())}
        for card in (file for file in final.files if file.suffix == ".md"):
            text = card.read_text(encoding="utf-8")
            texts["summary"] = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
        tracker = start_tensorboard(target.logs)
        tracker.log({**final.scores, **texts}, final.step)
        tracker.finish()

    yield {"folder": target.logs.name}, log


def _mlflow(target: TrackerTarget) -> Tracker:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # not a line for each of its tables
    mlflow, artifacts, status, store = _module("mlflow"), None, "FAILED", _store(target)
    outer = mlflow.active_run()
    own_store = outer is None and not mlflow.is_tracking_uri_set()
    # The Trainer's callback would start a run that is named there a second time, or one below ours.
    aside = {name: os.environ.pop(name) for name in MLFLOW_RUNS if name in os.environ}

    def log(final: FinalResults) -> None:
        tracker.log({re.sub(r"[^\w\-. /]", "_", k, flags=re.A): v for k, v in final.scores.items()})
        tracker.store_init_configuration(final.facts)
        for file in final.files:
            tracker.log_artifact(str(file))

    try:
        if own_store:
            store.parent.mkdir(parents=True, exist_ok=True)
            mlflow.set_tracking_uri(f"sqlite:///{store.as_posix()}")
            artifacts = store.with_name("mlflow-artifacts").as_uri()
        where = re.sub(r"//[^/@]*@", "//", mlflow.get_tracking_uri())  # without a password
        before = target.before.get("run_id") if target.before.get("uri") == where else None
        tracker = _module("accelerate.tracking").MLflowTracker(
            target.recipe, artifacts, before or aside.get("MLFLOW_RUN_ID"), run_name=target.title
        )
        if outer is None:
            with FileLock(f"{store}.lock") if own_store else nullcontext():  # makes its tables once
                tracker.start()
        else:  # below the user's own run, in its experiment: each has its own parameters
            experiment = outer.info.experiment_id
            mlflow.start_run(before, experiment, run_name=target.title, nested=True)
        status = yield {"uri": where, "run_id": mlflow.active_run().info.run_id}, log
    finally:  # leave MLflow as it was found
        if mlflow.active_run() is not outer:
            mlflow.flush_async_logging()
            mlflow.end_run(status)
        if own_store:
            mlflow.set_tracking_uri(None)
        os.environ.update(aside)


def _store(target: TrackerTarget) -> Path:
    """Return the file of MLflow's store: one for all runs, or the one that a resumed run is in."""
    begun = Path(str(target.before.get("uri", "")).removeprefix("sqlite:///"))
    there = begun.name == STORE and begun.is_file()
    return begun if there else target.place.resolve() / STORE


def _wandb(target: TrackerTarget) -> Tracker:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    wandb = _module("wandb")
    tracker = _module("accelerate.tracking").WandBTracker(
        os.environ.get("WANDB_PROJECT", target.project), name=target.title, dir=str(target.logs),
        id=target.before.get("id"), resume="allow", mode=os.environ.get("WANDB_MODE", "offline"),
    )  # fmt: skip
    joined = tracker.run = wandb.run
    if joined is None:
        target.logs.mkdir(exist_ok=True)
        tracker.start()
    run = tracker.run

    def log(final: FinalResults) -> None:
        tracker.store_init_configuration(final.facts)
        tracker.log(final.scores)
        artifact = wandb.Artifact(f"report-{run.id}", type="report")
        for file in final.files:
            artifact.add_file(str(file))
        run.log_artifact(artifact)

    status = yield {"id": run.id, "project": run.project, "mode": run.settings.mode}, log
    if joined is None:
        run.finish(exit_code=int(status != "FINISHED"))


def _trackio(target: TrackerTarget) -> Tracker:
    def log(final: FinalResults) -> None:  # into the run that the Trainer's callback has finished
        tracker = _module("accelerate.tracking").TrackioTracker(
            target.project, name=target.title, resume="allow"
        )
        tracker.start()
        tracker.store_init_configuration(final.facts)
        tracker.log(final.scores)
        tracker.finish()

    yield {"project": target.project, "run": target.title}, log


def _module(name: str) -> Any:
    return importlib.import_module(name)  # late, and untyped: all but accelerate may be absent


KINDS: dict[str, Callable[[TrackerTarget], Tracker]] = {
    "tensorboard": _tensorboard, "mlflow": _mlflow, "wandb": _wandb, "trackio": _trackio,
}  # fmt: skip
