"""The keys of run.json that others rely on, and whether a file has them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

SCHEMA_VERSION = 1
Counts = dict[str, int]


class OpenModel(BaseModel):
    """A part of a file that may have further keys: later versions and plugins add some."""

    model_config = ConfigDict(extra="allow", protected_namespaces=(), strict=True)


class ScoreRecord(OpenModel):
    """A metric's value and its interval; None where it is undefined, or there is `no_interval`."""

    value: float | None
    low: float | None = None
    high: float | None = None
    no_interval: str = ""

    @model_validator(mode="after")
    def _whole_interval(self) -> ScoreRecord:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has low and high")
        return self


class Card(OpenModel):
    """What the model card says beside the scores.

    base: from the card of the pretrained model. inputs, targets: columns. classes: training rows
    of each. usage: lines of Python that load the model alone. task: the Hub's name for it.
    """

    class Base(OpenModel):
        license: str | None = None
        license_name: str | None = None
        license_link: str | None = None
        languages: list[str] = []

    base: Base = Base()
    inputs: list[str] = []
    targets: list[str] = []
    classes: Counts = {}
    data_license: str | None = None
    usage: str | None = None
    task: str | None = None


class Data(OpenModel):
    """The rows of a run.

    overlap, duplicates: exact, ignoring case and punctuation, nearly equal; None where nothing was
    compared. known: rows that the starting models had seen, by split. cut: texts of a split that
    are longer than what the model reads of them, in tokens.
    """

    class Overlap(OpenModel):
        exact: int
        normalised: int
        near: int | None = None

    class Known(OpenModel):
        models: list[str]
        test: int

    class Cut(OpenModel):
        split: str
        count: int
        rows: int
        limit: int
        what: str

    class Group(OpenModel):
        column: str
        groups: Counts
        columns: dict[str, Counts] = {}

    fingerprint: str
    test_digest: str | None = None
    validation_digest: str | None = None
    rows: Counts
    skipped: dict[str, Counts]
    overlap: dict[str, Overlap] | None
    known: Known | None = None
    duplicates: dict[str, Overlap]
    cut: list[Cut] = []
    group: Group | None = None
    notes: list[str]


class Verdict(OpenModel):
    """What model and baseline differ by in a metric on the same test rows: see `Difference`."""

    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    greater_is_better: bool | None
    verdict: str


class Devices(OpenModel):
    """Where a run computed, and how many rows a step took; `reduced` for want of memory."""

    class Batch(OpenModel):
        class Note(OpenModel):
            text: str

        rows_per_step: int
        reduced: list[Note]

    type: str
    processes: int
    batch: Batch
    notes: list[str]


class Speed(OpenModel):
    """Seconds and rates."""

    class Phases(OpenModel):
        train: float
        score: float
        baselines: float

    total_seconds: float
    fixed_seconds: float
    train_samples_per_second: float
    phases: Phases


class RunRecord(OpenModel):
    """The whole file; what a run has not come to yet is absent.

    evaluates: of an evaluation, the folder of the run whose model it has scored, from its own, and
    how that was computed. trial: of a trial of a search, by what it is compared. picked: of the
    chosen one, from how many. status: that of a trial which is not the chosen one is "validated",
    or "pruned" where it was ended early. trained_steps: after which training had ended.
    """

    model_files: dict[str, str] = {}  # of model/, with their SHA-256

    class Model(OpenModel):
        id: str
        revision: str
        source: str

    class Evaluates(OpenModel):
        run: str
        runtime: str = "torch"
        dtype: str = "float32"

    class Trial(OpenModel):
        metric: str
        greater_is_better: bool
        score: float | None = None

    class Picked(OpenModel):
        trials: int
        metric: str
        score: float | None
        default: float | None = None

    class Headline(OpenModel):
        metric: str
        greater_is_better: bool

    class Environment(OpenModel):
        python: str
        packages: dict[str, str]
        hardware: dict[str, Any]

    class Parameters(OpenModel):
        trained: int
        all: int

    class Adapter(OpenModel):
        usage: str
        note: str

    class Method(OpenModel):
        name: str = ""

    class TrainingWay(OpenModel):
        name: Literal["eager", "captured", "compiled"]
        unpadded: bool = False
        note: str | None = None

    class Used(OpenModel):
        train: int
        test: int
        available: int | None = None
        setting: str = ""

    class Reload(OpenModel):
        compared: int
        different: int

    class Calibration(OpenModel):
        class Surest(OpenModel):
            accuracy: float
            confidence: float

        temperature: float | None = None
        fitted_rows: int | None = None
        surest: Surest | None = None

    class FailedPart(OpenModel):
        part: str
        name: str
        reason: str

    class Table(OpenModel):
        columns: list[str]
        rows: list[list[str | float | int | None]]

    class Resources(OpenModel):
        peak_memory_bytes: Counts = {}
        energy_joules: dict[str, float] = {}
        matrix_peak_flops: float | None = None
        mfu: float | None = None

    status: Literal["running", "finished", "failed", "interrupted", "validated", "pruned"]
    started: str = ""
    recipe: str = ""
    trial: Trial | None = None
    picked: Picked | None = None
    trained_steps: int | None = None
    scenario: str = ""
    model: Model | None = None
    data: Data | None = None
    devices: Devices | None = None
    headline: Headline | None = None
    evaluates: Evaluates | None = None
    seed: int = 0
    environment: Environment | None = None
    parameters: Parameters | None = None
    adapter: Adapter | None = None
    method: Method | None = None
    training_way: TrainingWay | None = None
    card: Card | None = None
    metrics: dict[str, dict[str, ScoreRecord]] = {}
    slices: dict[str, dict[str, dict[str, ScoreRecord | int]]] = {}
    baselines: dict[str, dict[str, ScoreRecord]] = {}
    baseline_rows: dict[str, Used] = {}
    verdicts: dict[str, dict[str, Verdict]] = {}
    reload: Reload | None = None
    speed: Speed | None = None
    positive: str | None = None
    calibration: Calibration | None = None
    resources: Resources | None = None
    figures: dict[str, str] = {}
    resumed: list[dict[str, Any]] = []
    tables: dict[str, Table] = {}
    failed_parts: list[FailedPart] = []
