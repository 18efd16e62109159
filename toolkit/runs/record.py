"""What run.json holds as far as others rely on it: stable keys, and whether a file has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from toolkit.errors import Fault
from toolkit.utils.text import listing

SCHEMA_VERSION = 1
Counts = dict[str, int]


class _Open(BaseModel):
    """Further keys are fine: later versions and plugins add some."""

    model_config = ConfigDict(extra="allow", protected_namespaces=(), strict=True)


class Score(_Open):
    """A metric's value and its interval; None where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _whole_interval(self) -> Score:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has low and high")
        return self


Scores = dict[str, Score]


class Model(_Open):
    """The model that was fine-tuned."""

    id: str
    revision: str
    source: str


class Compared(_Open):
    """Rows that stand more than once: to the letter, and but for case and punctuation."""

    exact: int
    normalised: int


class Data(_Open):
    """The rows that a run had."""

    fingerprint: str
    test_digest: str | None = None
    rows: Counts
    skipped: dict[str, Counts]
    overlap: dict[str, Compared]
    duplicates: dict[str, Compared]
    notes: list[str]


class Environment(_Open):
    """The software and the machine that a run had."""

    python: str
    packages: dict[str, str]
    hardware: dict[str, Any]


class Note(_Open):
    """What was changed for want of memory."""

    text: str


class Batch(_Open):
    """How many rows a step took."""

    rows_per_step: int
    reduced: list[Note]


class Devices(_Open):
    """Where a run computed."""

    type: str
    processes: int
    batch: Batch
    notes: list[str]


class Headline(_Open):
    """The metric that chose the checkpoint."""

    metric: str
    greater_is_better: bool


class Used(_Open):
    """Rows that a baseline was fitted on and scored on."""

    train: int
    test: int


class Reload(_Open):
    """How many predictions of the saved model were compared, and how many were others."""

    compared: int
    different: int


class Phases(_Open):
    """Seconds by phase."""

    train: float
    score: float
    baselines: float


class Speed(_Open):
    """Seconds and rates of a run."""

    total_seconds: float
    fixed_seconds: float
    train_samples_per_second: float
    phases: Phases


class Parameters(_Open):
    """How many numbers the model has, and how many of them were trained."""

    trained: int
    all: int


class Adapter(_Open):
    """How an adapter is loaded alone."""

    usage: str
    note: str


class Method(_Open):
    """How the model was trained."""

    name: str = ""


class BaseCard(_Open):
    """What the card of the pretrained model says."""

    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None
    languages: list[str] = []


class Card(_Open):
    """What the model card says beside the scores."""

    base: BaseCard = BaseCard()
    inputs: list[str] = []
    targets: list[str] = []
    classes: Counts = {}
    data_license: str | None = None
    usage: str | None = None


class Calibration(_Open):
    """The temperature that validation gives, and the rows it was fitted on; absent where none."""

    temperature: float | None = None
    fitted_rows: int | None = None


class Resources(_Open):
    """Bytes at the peak and joules, by part of the machine; absent what it does not tell."""

    peak_memory_bytes: Counts = {}
    energy_joules: dict[str, float] = {}


class Record(_Open):
    """The whole file; what a run has not come to yet is absent."""

    status: Literal["running", "finished", "failed", "interrupted"]
    recipe: str = ""
    scenario: str = ""
    model: Model | None = None
    data: Data | None = None
    devices: Devices | None = None
    headline: Headline | None = None
    seed: int = 0
    environment: Environment | None = None
    parameters: Parameters | None = None
    adapter: Adapter | None = None
    method: Method | None = None
    card: Card | None = None
    metrics: dict[str, Scores] = {}
    slices: dict[str, dict[str, dict[str, Score | int]]] = {}
    baselines: dict[str, Scores] = {}
    baseline_rows: dict[str, Used] = {}
    reload: Reload | None = None
    speed: Speed | None = None
    positive: str | None = None
    calibration: Calibration | None = None
    resources: Resources | None = None
    figures: dict[str, str] = {}
    resumed: list[dict[str, Any]] = []


# Keys that a run has written when it is finished, and the splits and packages that are read of it.
FINISHED = (
    "recipe", "scenario", "model", "data", "devices", "headline", "seed", "environment",
    "metrics", "slices", "baselines", "baseline_rows", "reload", "speed",
)  # fmt: skip
SPLITS = ("train", "test")
PACKAGES = ("toolkit", "torch", "transformers")


def faults(record: Any, where: str) -> list[Fault]:
    """Return what keeps a record from being that of a run, each with its key."""
    if not isinstance(record, Mapping):
        return [Fault(where, f"is damaged: an object is expected, not {type(record).__name__}")]
    version = record.get("schema_version")
    if version != SCHEMA_VERSION or version is True:
        what = f"has schema_version {version!r}; this toolkit reads {SCHEMA_VERSION}"
        return [Fault(where, what)]
    try:
        checked = Record.model_validate(record)
    except ValidationError as error:
        found = {".".join(map(str, e["loc"])): e for e in error.errors(include_url=False)}
        return [
            Fault(f"{where} {key}", f"is damaged: {e['msg'].lower()}, not {str(e['input'])[:60]!r}")
            for key, e in found.items()
        ]
    if checked.status != "finished":
        return []
    lacking = [key for key in FINISHED if record.get(key) is None and key != "headline"]
    lacking += ["headline"] if "headline" not in record else []
    lacking = lacking or _lacking(checked)
    what = f"is damaged: a finished run has {listing(lacking)}"
    return [Fault(where, what)] if lacking else []


def _lacking(record: Record) -> list[str]:
    """Return what a finished run's parts name and do not hold; all parts are there."""
    scores, data, environment = record.metrics.get("test", {}), record.data, record.environment
    wanted = [*scores, *([record.headline.metric] if record.headline else [])]
    rows, packages = data.rows if data else {}, environment.packages if environment else {}
    named: dict[str, tuple[Any, Any]] = {
        "data.rows": (SPLITS, rows),
        "environment.packages": (PACKAGES, packages),
        "metrics": (["test"], record.metrics),
        **{f"metrics.{split}": (wanted, found) for split, found in record.metrics.items()},
        **{
            f"baselines.{baseline}": (wanted, found) for baseline, found in record.baselines.items()
        },
        **{
            f"slices.{column}.{value}": ([*scores, "rows"], found)
            for column, values in record.slices.items()
            for value, found in values.items()
        },
    }
    return [f"{key}.{name}" for key, (names, found) in named.items()
            for name in names if name not in found]  # fmt: skip
