"""One class a tracker: opened before training, given the final scores, closed.

None asks the network for anything unless its own variables say so: MLFLOW_TRACKING_URI and
WANDB_MODE=online are the user's, as is the token that a service takes from its own place.
"""

from __future__ import annotations

import importlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Place:
    """Where a run is tracked: the folder of its logs, its title, its recipe, its project."""

    logs: Path
    title: str
    recipe: str
    project: str


@dataclass(frozen=True)
class Final:
    """What is known in the end.

    scores: "test/accuracy" -> value. facts: names and short texts. files: that tell of the run.
    step: the last of training.
    """

    scores: Mapping[str, float]
    facts: Mapping[str, str]
    files: Sequence[Path]
    step: int


class Tracker(ABC):
    """A tracker, as far as the Trainer's callback leaves something to do."""

    name: ClassVar[str]

    def __init__(self, place: Place) -> None:
        self.place = place

    def begin(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Open it; return what run.json is to say of it.

        Args:
            before: what run.json says of it, where the run was taken up again.
        """
        return {}

    @abstractmethod
    def report(self, final: Final) -> None:
        """Log what is known when the run is scored and proved."""

    def end(self, status: str) -> None:  # noqa: B027 - some have nothing to close
        """Close it: the run is finished, failed or interrupted."""


def tensorboard_writer(folder: Path, purge_step: int | None = None) -> Any:
    """Return what writes TensorBoard's files."""
    try:
        writer = _module("torch.utils.tensorboard").SummaryWriter
    except ImportError:
        writer = _module("tensorboardX").SummaryWriter
    return writer(log_dir=str(folder), purge_step=purge_step)


def _module(name: str) -> Any:
    """Import a tracker's package: some are not typed, and all may be absent."""
    return importlib.import_module(name)


class TensorBoard(Tracker):
    """Event files in the run's logs/; the Trainer's callback writes there, see `direct`."""

    name = "tensorboard"

    def begin(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Say where the files are."""
        return {"folder": self.place.logs.name}

    def report(self, final: Final) -> None:
        """Write scores as scalars, and the card as text."""
        writer = tensorboard_writer(self.place.logs)
        try:
            for name, value in final.scores.items():
                writer.add_scalar(name, value, final.step)
            writer.add_text(
                "facts", "\n".join(f"- {k}: {v}" for k, v in final.facts.items()), final.step
            )
            for file in final.files:
                if file.suffix == ".md":
                    card = re.sub(r"\A---\n.*?\n---\n", "", file.read_text("utf-8"), flags=re.S)
                    writer.add_text("summary", card, final.step)
        finally:
            writer.close()


class MLflow(Tracker):
    """A run of MLflow: where MLFLOW_TRACKING_URI says, or in a database in the run's logs/."""

    name = "mlflow"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.owns_store = self.owns_run = False
        self.skipped: str | None = None

    def begin(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Start a run, or go on with the one before; join one that is active already."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # no word of making its tables
        mlflow = _module("mlflow")

        active = mlflow.active_run()
        if active is None:
            if not mlflow.is_tracking_uri_set():
                self.owns_store = True
                self.place.logs.mkdir(exist_ok=True)
                mlflow.set_tracking_uri(f"sqlite:///{(self.place.logs / 'mlflow.db').as_posix()}")
            self._choose_experiment(mlflow)
            # The Trainer's callback would start the named run a second time.
            self.skipped = os.environ.pop("MLFLOW_RUN_ID", None)
            active = self._start(mlflow, before.get("run_id") or self.skipped)
            self.owns_run = True
        where = re.sub(r"//[^/@]*@", "//", mlflow.get_tracking_uri())  # without a password
        return {"uri": where, "run_id": active.info.run_id}

    def _choose_experiment(self, mlflow: Any) -> None:
        named = {"MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"} & set(os.environ)
        if named:
            return
        there = mlflow.get_experiment_by_name(self.place.recipe)
        if there is None and self.owns_store:  # artifacts would go to the current folder
            where = (self.place.logs / "mlflow-artifacts").as_uri()
            mlflow.create_experiment(self.place.recipe, artifact_location=where)
        mlflow.set_experiment(self.place.recipe)

    def _start(self, mlflow: Any, run_id: str | None) -> Any:
        if run_id is not None:
            try:
                return mlflow.start_run(run_id=run_id)
            except mlflow.exceptions.MlflowException:  # it has been deleted, or is elsewhere
                pass
        return mlflow.start_run(run_name=self.place.title)

    def report(self, final: Final) -> None:
        """Log scores as metrics, facts as parameters, and the files as artifacts."""
        mlflow = _module("mlflow")

        mlflow.log_metrics(
            {re.sub(r"[^\w\-. /]", "_", k, flags=re.A): v for k, v in final.scores.items()}
        )
        mlflow.log_params(dict(final.facts))
        for file in final.files:
            mlflow.log_artifact(str(file))

    def end(self, status: str) -> None:
        """End the run that was started here, and leave MLflow as it was found."""
        mlflow = _module("mlflow")

        words = {"finished": "FINISHED", "interrupted": "KILLED"}
        if self.owns_run:
            mlflow.flush_async_logging()
            mlflow.end_run(words.get(status, "FAILED"))
        if self.owns_store:
            mlflow.set_tracking_uri(None)
        if self.skipped is not None:
            os.environ["MLFLOW_RUN_ID"] = self.skipped


class WeightsAndBiases(Tracker):
    """A run of wandb, offline in the run's logs/ unless WANDB_MODE says otherwise."""

    name = "wandb"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.owns_run = False

    def begin(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Start a run, or go on with the one before; join one that is active already."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        wandb = _module("wandb")

        if wandb.run is None:
            self.place.logs.mkdir(exist_ok=True)
            self.owns_run = True
            wandb.init(
                project=os.environ.get("WANDB_PROJECT", self.place.project),
                name=self.place.title,
                dir=str(self.place.logs),
                id=before.get("id"),
                resume="allow",
                mode=os.environ.get("WANDB_MODE", "offline"),
            )
        return {"id": wandb.run.id, "project": wandb.run.project, "mode": wandb.run.settings.mode}

    def report(self, final: Final) -> None:
        """Put scores into the summary, facts into the config, and the files into an artifact."""
        wandb = _module("wandb")

        wandb.run.summary.update(dict(final.scores))
        wandb.config.update(dict(final.facts), allow_val_change=True)
        artifact = wandb.Artifact(f"report-{wandb.run.id}", type="report")
        for file in final.files:
            artifact.add_file(str(file))
        wandb.run.log_artifact(artifact)

    def end(self, status: str) -> None:
        """End the run that was started here."""
        wandb = _module("wandb")

        if self.owns_run and wandb.run is not None:
            wandb.finish(exit_code=0 if status == "finished" else 1)


class Trackio(Tracker):
    """A run of trackio, in its own store (TRACKIO_DIR), which its dashboard reads."""

    name = "trackio"

    def begin(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Say what the Trainer's callback will call it."""
        return {"project": self.place.project, "run": self.place.title}

    def report(self, final: Final) -> None:
        """Take up the run that the Trainer's callback has finished, and log scores to it."""
        trackio = _module("trackio")

        trackio.init(
            project=self.place.project,
            name=self.place.title,
            resume="allow",
            config=dict(final.facts),
        )
        try:
            trackio.log(dict(final.scores))
        finally:
            trackio.finish()


KINDS: dict[str, type[Tracker]] = {
    kind.name: kind for kind in (TensorBoard, MLflow, WeightsAndBiases, Trackio)
}
