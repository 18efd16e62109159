"""What keeps a file from being the record of a run, each with its key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from toolkit.errors import Fault
from toolkit.runs.record import SCHEMA_VERSION, RunRecord
from toolkit.utils.text import listing

# Keys that a run has written when it is finished.
FINISHED = (
    "recipe", "scenario", "model", "data", "devices", "headline", "seed", "environment",
    "metrics", "slices", "baselines", "baseline_rows", "reload", "speed",
)  # fmt: skip


def faults(record: Any, where: str) -> list[Fault]:
    """Return what keeps a record from being that of a run, each with its key."""
    if not isinstance(record, Mapping):
        return [Fault(where, f"is damaged: an object is expected, not {type(record).__name__}")]
    version = record.get("schema_version")
    if version != SCHEMA_VERSION or version is True:
        what = f"has schema_version {version!r}; this toolkit reads {SCHEMA_VERSION}"
        return [Fault(where, what)]
    try:
        checked = RunRecord.model_validate(record)
    except ValidationError as error:
        return damage(error, where)
    if checked.status != "finished":
        return []
    missing = [key for key in FINISHED if record.get(key) is None and key != "headline"]
    missing += ["headline"] if "headline" not in record else []
    missing = missing or _missing(record)
    what = f"is damaged: a finished run has {listing(missing)}"
    return [Fault(where, what)] if missing else []


def damage(error: ValidationError, where: str) -> list[Fault]:
    """Return what pydantic found wrong in a file, a fault for each key."""
    found = {".".join(map(str, e["loc"])): e for e in error.errors(include_url=False)}
    return [
        Fault(f"{where} {key}", f"is damaged: {e['msg'].lower()}, not {str(e['input'])[:60]!r}")
        for key, e in found.items()
    ]


def _missing(record: Mapping[str, Any]) -> list[str]:
    """Return what a finished run's parts name and do not hold; all parts are there."""
    headline, metrics = record["headline"], record["metrics"]
    scores = list(metrics.get("test", {}))
    wanted = [*scores, headline["metric"]] if headline else scores
    named: dict[str, tuple[Any, Any]] = {
        "data.rows": (("train", "test"), record["data"]["rows"]),
        "environment.packages": (("toolkit", "torch", "transformers"),
                                 record["environment"]["packages"]),
        "metrics": (["test"], metrics),
        **{f"metrics.{split}": (wanted, found) for split, found in metrics.items()},
        **{f"baselines.{name}": (wanted, found) for name, found in record["baselines"].items()},
        **{f"slices.{column}.{value}": ([*scores, "rows"], found)
           for column, values in record["slices"].items() for value, found in values.items()},
    }  # fmt: skip
    return [f"{key}.{name}" for key, (names, found) in named.items()
            for name in names if name not in found]  # fmt: skip
