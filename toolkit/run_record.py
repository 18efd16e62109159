"""What run.json holds, as far as others rely on it: its keys, and whether a file has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from toolkit.errors import Fault

SCHEMA_VERSION = 1
# What a run has written down when it is finished.
FINISHED = (
    "recipe", "scenario", "model", "data", "devices", "headline", "seed", "environment",
    "metrics", "slices", "floors", "floor_rows", "reload", "speed",
)  # fmt: skip
Counts = dict[str, int]


class _Open(BaseModel):
    """Further keys are fine: later versions and plugins add some."""

    model_config = ConfigDict(extra="allow", protected_namespaces=(), strict=True)


class Score(_Open):
    """A metric's value and its interval; None where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Model(_Open):
    """The model that was fine-tuned."""

    id: str
    revision: str
    source: str


class Data(_Open):
    """The rows that a run had."""

    fingerprint: str
    rows: Counts
    set_aside: dict[str, Counts]
    overlap: dict[str, Counts]
    duplicates: dict[str, Counts]
    notes: list[str]


class Environment(_Open):
    """The software and the machine that a run had."""

    python: str
    packages: dict[str, str]
    hardware: dict[str, Any]


class Devices(_Open):
    """Where a run computed, and what was changed for it."""

    type: str
    processes: int
    batch: dict[str, Any]
    notes: list[str]


class Record(_Open):
    """The whole file; what a run has not come to yet is absent."""

    status: Literal["running", "finished", "failed", "interrupted"]
    recipe: str = ""
    scenario: str = ""
    model: Model | None = None
    data: Data | None = None
    headline: dict[str, Any] | None = None
    seed: int = 0
    environment: Environment | None = None
    devices: Devices | None = None
    metrics: dict[str, dict[str, Score]] = {}
    slices: dict[str, dict[str, dict[str, Score | int]]] = {}
    floors: dict[str, dict[str, Score]] = {}
    floor_rows: dict[str, Counts] = {}
    reload: Counts = {}
    speed: dict[str, Any] = {}
    resumed: list[dict[str, Any]] = []


def faults(record: Any, where: str) -> list[Fault]:
    """Return what keeps a record from being that of a run, each with its key."""
    if not isinstance(record, Mapping):
        return [Fault(where, f"is damaged: an object is expected, not {type(record).__name__}")]
    version = record.get("schema_version")
    if version != SCHEMA_VERSION or version is True:
        what = f"has schema_version {version!r}; this toolkit reads {SCHEMA_VERSION}"
        return [Fault(where, what)]
    try:
        Record.model_validate(record)
    except ValidationError as error:
        found = {".".join(map(str, e["loc"])): e for e in error.errors(include_url=False)}
        return [
            Fault(f"{where} {key}", f"is damaged: {e['msg'].lower()}, not {str(e['input'])[:60]!r}")
            for key, e in found.items()
        ]
    lacking = [key for key in FINISHED if key not in record]
    if record["status"] == "finished" and lacking:
        return [Fault(where, f"is damaged: a finished run has {', '.join(lacking)}")]
    return []
