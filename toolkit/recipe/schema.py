"""The schema of recipes: immutable, typed, unknown keys are errors."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

#: Blocks that may be written as a name only, and the key that the name stands for.
NAMED = {"model": "id", "method": "name"}
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


def _one_mark(value: Any) -> Any:
    value = "\t" if value in ("\\t", "tab") else value
    if not isinstance(value, str) or len(value) != 1 or not value.isascii() or value in "\r\n\0":
        raise ValueError("takes one ASCII character; tab is written '\\t'")
    return value


Mark = Annotated[str, BeforeValidator(_one_mark)]


def _moment(value: Any) -> Any:
    # YAML reads 2024-12-31 as a date; the recipe is written out with text.
    return value.isoformat() if isinstance(value, date) else value


Moment = Annotated[str | int | float, BeforeValidator(_moment)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}  # in seconds
MOST_SECONDS = 100 * 366 * 86_400  # sums in milliseconds must not overflow


def _within_reason(value: str) -> str:
    if int(value[:-1]) * UNITS[value[-1]] > MOST_SECONDS:
        raise ValueError("is more than a hundred years")
    return value


Duration = Annotated[str, Field(pattern=r"^\d{1,12}[smhd]$"), AfterValidator(_within_reason)]


class Part(BaseModel):
    """Base of every part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class SplitSpec(Part):
    """How missing splits are made.

    test, validation: a fraction of the rows (below 1) or a number of rows.
    stratify: keep the proportions of the target's classes in every split.
    group: a column; rows with the same value (one customer, for example) stay in one split.
    time: a column; the latest rows become the test split, those before them validation.
    gap: time (7d, 12h, 30m, 10s; numeric times are seconds) between the last row of a split and the
        first row of the next; rows inside the gap are dropped.
    windows: split -> [start, end) in time, instead of sizes; rows outside all windows are dropped.
    folds, fold: cross-validation: the test split is one of so many parts of the rows (from 1 on),
        instead of `test`; `toolkit run --folds 5` runs all five.
    seed: seed of the random split; by default that of the recipe.
    """

    test: Fraction | Count = 0.2
    validation: Fraction | Count = 0.1
    stratify: bool = False
    group: str | None = None
    time: str | None = None
    gap: Duration | None = None
    windows: dict[Literal["train", "validation", "test"], tuple[Moment, Moment]] | None = None
    folds: Annotated[int, Field(ge=2)] | None = None
    fold: Count = 1
    seed: int | None = None

    @model_validator(mode="after")
    def _one_way(self) -> SplitSpec:
        if self.fold > (self.folds or 1):
            raise ValueError(f"`fold` is {self.fold}, of {self.folds or 'no'} folds")
        if self.folds and (self.time or self.windows):
            raise ValueError("`folds` are drawn at random, which `time` and `windows` exclude")
        if self.group and self.time:
            raise ValueError("give `group` or `time`, not both")
        if self.windows is not None and "train" not in self.windows:
            raise ValueError("`windows` lacks one for train")
        return self


#: Where rows come from: see `DataSpec.source`.
Source = str | list[str] | dict[str, str | list[str]]


class DataSpec(Part):
    """Where the rows come from.

    source: a file, a folder, a list of files, a map split -> file(s),
        `hub:owner/name[:config][@revision]`, or `plugin:name[?key=value&...]` for rows of an
        installed package. Paths are relative to the recipe's file.
    group: a column that names the unit (a passage, speaker, customer): splits made here keep its
        rows together, and intervals and tests resample groups instead of rows.
    split: how missing splits are made; its `group` is that of the data, unless it has `group` or
        `time`.
    encoding: encoding of text files (utf-8, cp1252, ...).
    delimiter: delimiter of csv files; by default detected from the first rows.
    quote: encloses csv fields that contain the delimiter or a line end; null if nothing is quoted
        (stored as "", so that it is written out with the recipe). escape: the mark before a quote
        within quotes; by default quotes are doubled there, or a backslash is detected.
    rename: old column name -> new one; names that a source lacks are ignored.
    on_missing: rows without a target or without any input are skipped and counted ("drop"), or
        stop the run ("error").
    """

    source: Source
    group: str | None = None
    split: SplitSpec = SplitSpec()
    encoding: str = "utf-8"
    delimiter: Mark | None = None
    quote: Annotated[Mark | Literal[""], BeforeValidator(lambda q: "" if q is None else q)] = '"'
    escape: Mark | None = None
    rename: dict[str, str] = {}
    on_missing: Literal["drop", "error"] = "drop"

    @field_validator("source", mode="before")
    @classmethod
    def _paths(cls, value: Any) -> Any:
        lists = list(value.values()) if isinstance(value, dict) else [value]
        flat = [path for item in lists for path in (item if isinstance(item, list) else [item])]
        if not flat or [] in lists or not all(isinstance(path, str) and path for path in flat):
            raise ValueError("takes a path, a list of paths, or a map of split to path(s)")
        return value

    @model_validator(mode="after")
    def _two_marks(self) -> DataSpec:
        if self.delimiter is not None and self.delimiter == self.quote:
            raise ValueError(f"`delimiter` and `quote` are both {self.quote!r}")
        return self

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        import codecs

        try:
            codecs.getincrementaldecoder(value)().decode(b"")
            known = codecs.lookup(value)._is_text_encoding  # rot13, hex, ... are codecs, too
        except (LookupError, ValueError, TypeError):
            known = False
        if not known:
            raise ValueError("Python knows no such encoding (utf-8, cp1252, utf-16, ...)")
        return value


class ModelSpec(Part):
    """A pretrained model: Hub id or folder, and the revision (branch, tag or commit).

    from_config: instead of an id, the `model_type` and other fields of a transformers config for
        a model with random weights ("from scratch").
    """

    id: Annotated[str, Field(min_length=1)] | None = None
    revision: str | None = None
    from_config: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> ModelSpec:
        if (self.id is None) is (self.from_config is None):
            raise ValueError("give `id` or `from_config`, one of the two")
        if self.from_config is not None and self.revision is not None:
            raise ValueError("a model from_config has no revision")
        return self


class MethodSpec(BaseModel):
    """The fine-tuning method; the other keys are its settings, which it validates itself."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = "full"


class ReportSpec(Part):
    """What is reported: metrics (the first is the headline), and columns to slice scores by.

    cluster: columns that name what rows belong to (a customer, a passage): intervals and tests
        resample their values instead of rows. By default that of `data.group` or
        `data.split.group`, or what the scenario knows of its rows.
    """

    metrics: list[str] = []
    slices: list[str] = []
    cluster: Annotated[list[str], BeforeValidator(_listed)] = []


class OwnSettings(Part):
    """Keys (`options.size`, `description`) of a recipe that suit its own data, or model, alone.

    They are left out, with a note, where another is given, and by recipes that include this one
    for other data or another model. Who sets such a key himself keeps his value.
    """

    data: list[str] = []
    model: list[str] = []


class Recipe(Part):
    """Scenario, model, data and settings of a run.

    only_for: which of the settings suit the recipe's own data or model alone.
    options: settings of the scenario. training: any field of the plugin's Arguments class, and
    the toolkit's own (`early_stopping_patience`, `rows_per_step`, `step` and others). seed: seed of
    every random generator.
    """

    scenario: str
    description: str = ""
    model: ModelSpec
    data: DataSpec
    options: dict[str, Any] = {}
    method: MethodSpec = MethodSpec()
    training: dict[str, Any] = {}
    report: ReportSpec = ReportSpec()
    only_for: OwnSettings = OwnSettings()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42

    @property
    def label_smoothing(self) -> float:
        """`label_smoothing_factor` of the training arguments, for losses of a plugin's own."""
        return float(self.training.get("label_smoothing_factor", 0.0))

    @field_validator("model", "method", mode="before")
    @classmethod
    def _named(cls, value: Any, info: ValidationInfo) -> Any:
        return {NAMED[str(info.field_name)]: value} if isinstance(value, str) else value
