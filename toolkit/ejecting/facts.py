"""What a run does besides reading its rows, as the templates are told of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from toolkit import adapter_folder, methods, training

if TYPE_CHECKING:
    from toolkit.ejecting.proof import Before
    from toolkit.job import Job

Refuse = Callable[[str, str], str]
#: Of the machine, of the run's folder, or of what a run shows: they are not of the training.
ASIDE = {"output_dir", "seed", "report_to", "disable_tqdm", "logging_nan_inf_filter", "run_name",
         "log_level", "log_level_replica", "local_rank", "project", "do_eval"}  # fmt: skip
#: Named even where they are transformers' defaults.
ALWAYS = ("num_train_epochs", "learning_rate", "per_device_eval_batch_size")


@dataclass
class Facts:
    """Facts of a job, for the frame.

    training: fields of TrainingArguments. method: constants of it. counts: whether the model's
    loss heeds `num_items_in_batch`. own: whether the scenario changes the Trainer. norms: whether
    there are norms with running statistics. rests: whether some of them are not to run on.
    """

    model: str
    revision: str | None
    config: dict[str, Any] | None
    folder: str
    training: dict[str, Any]
    method: dict[str, Any] = field(default_factory=dict)
    pad_token: str | None = None
    attention: str = ""
    adapter: str = ""
    no_dropout: bool = False
    rests: bool = False
    probe: bool = False
    pooled: bool = False
    outputs: str = ""
    several: bool = False
    bf16: bool = False
    rates: bool = False
    trains: bool = True
    pads: bool = False
    has_lengths: bool = False
    by_length: bool = False
    data_seed: str = "SEED"
    evaluates: bool = False
    keeps_best: bool = False
    on_cpu: bool = True
    counts: bool = False
    loss: bool = False
    stopping: bool = False
    own: bool = False
    norms: bool = False
    windows: bool = False
    in_parts: bool = False

    @property
    def place(self) -> str:
        """What `from_pretrained` is called with."""
        return "MODEL, revision=REVISION" if self.revision else "MODEL"

    @property
    def overrides(self) -> bool:
        """Whether there is anything that transformers' Trainer does otherwise."""
        return self.by_length or self.evaluates or self.rates

    @property
    def changes(self) -> bool:
        """Whether the method does anything to the model."""
        return bool(
            self.probe or self.pooled or self.adapter or {"TRAINED", "FROZEN"} & set(self.method)
        )

    @property
    def differences(self) -> str:
        """What transformers' Trainer does otherwise, in words."""
        parts = {
            "like lengths in a batch": self.by_length,
            "validation scored as test": self.evaluates,
            "rates of learning": self.rates,
        }
        found = [name for name, there in parts.items() if there] or ["what stands here"]
        return " and ".join([", ".join(found[:-1]), found[-1]] if found[1:] else found)

    @property
    def trainer(self) -> str:
        """The name of the Trainer's class."""
        return "OwnTrainer" if self.overrides or self.own else "Trainer"

    @classmethod
    def of(cls, job: Job, before: Before, refuse: Refuse) -> Facts:
        """Look at a job whose method has been applied; `before` at it before that."""
        from transformers import PreTrainedTokenizerBase

        from toolkit.ejecting import how
        from toolkit.evaluation import parts
        from toolkit.evaluation.predicting import WINDOW

        given, plugin = job.arguments, job.plugin
        lengths = given.length_column_name in job.prepared["train"].column_names
        found = cls(*_model(job), str(job.name).replace("/", "-"), settings(job, refuse))
        found.pad_token = _pad_token(job)
        found.attention = before.attention
        found.pads = isinstance(plugin.processor, PreTrainedTokenizerBase)
        found.in_parts = parts.given(job.prepared["train"])
        found.windows = max(map(len, job.prepared.values())) > WINDOW
        found.has_lengths = "length" in job.prepared["train"].column_names
        found.by_length = lengths and given.train_sampling_strategy == "group_by_length"
        found.data_seed = "SEED" if given.data_seed is None else str(given.data_seed)
        found.evaluates = str(getattr(given.eval_strategy, "value", given.eval_strategy)) != "no"
        found.keeps_best = given.load_best_model_at_end
        found.on_cpu = given.device.type == "cpu"
        found.loss = methods.of(job.recipe.method).loss(plugin) is not None
        found.trains = any(p.requires_grad for p in plugin.model.parameters())
        found.counts = found.trains and _counts(job)
        found.norms = any(hasattr(m, "running_mean") for m in plugin.model.modules())
        found.bf16 = training.bf16_supported()
        found.several = _several(job)
        stopping = {n: job.recipe.training[n] for n in training.EARLY_STOPPING
                    if n in job.recipe.training}  # fmt: skip
        if "early_stopping_patience" in stopping:
            found.stopping = True
            found.method["STOPPING"] = stopping
        how.describe(job, before, found, refuse)
        return found


def _model(job: Job) -> tuple[str, str | None, dict[str, Any] | None]:
    files = job.files
    if files.source == "config":
        return "", None, dict(job.recipe.model.from_config or {})
    if files.source in ("cache", "hub"):
        return files.id, files.revision, None
    return str(files.path), None, None


def _pad_token(job: Job) -> str | None:
    """Return the token to pad with, where the tokenizer's own files name none."""
    from transformers import AutoTokenizer, PreTrainedTokenizerBase

    if not isinstance(job.plugin.processor, PreTrainedTokenizerBase):
        return None
    token = AutoTokenizer.from_pretrained(job.plugin.model_path).pad_token
    return str(job.plugin.processor.pad_token) if token is None else None


def _several(job: Job) -> bool:
    """Return whether the labels of a row are a vector."""
    rows = job.prepared["train"]
    return "labels" in rows.column_names and isinstance(rows[0]["labels"], list)


def _counts(job: Job) -> bool:
    """Return what `fitting.make_trainer` finds of the model's loss."""
    from toolkit.evaluation.predicting import batch_maker, records

    model = job.plugin.model
    probe = batch_maker(job.plugin, model, with_labels=True)(records(job.prepared["train"], [0, 1]))
    return training.honours_item_count(adapter_folder.inner(model), probe)


def settings(job: Job, refuse: Refuse) -> dict[str, Any]:
    """Return the fields of the training arguments that differ from their defaults, as plain values.

    Those of the recipe come first, in its order.
    """
    made = job.arguments
    usual = type(made)(output_dir="checkpoints")
    names = [f.name for f in dataclasses.fields(made) if f.init and f.name not in ASIDE]
    names.sort(key=lambda n: _place(n, job.recipe.training))
    found = {}
    for name in names:
        value, default = _plain(getattr(made, name)), _plain(getattr(usual, name))
        if value == default and name not in (*job.recipe.training, *ALWAYS):
            continue
        if _can_be_written(value):
            found[name] = value
        else:
            refuse(f"training.{name}", f"{value!r:.80} cannot be written into a script")
    return found


def _place(name: str, own: Iterable[str]) -> int:
    given = list(own)
    return given.index(name) if name in given else len(given)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.to_dict() if hasattr(value, "to_dict") else value


def _can_be_written(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _can_be_written(v) for k, v in value.items())
    if isinstance(value, list):
        return all(map(_can_be_written, value))
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")
    return value is None or isinstance(value, bool | int | str)
