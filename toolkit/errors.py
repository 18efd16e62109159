"""Every error that the toolkit raises on purpose, and how a user sees it.

ToolkitError                 exit code 1: the run failed, through no fault of the input
├── ReloadError              the saved model, loaded again, predicts something else
├── TrainingError            training cannot go on (loss is NaN, ...)
│   └── BatchSizeError        a step does not fit into memory; smaller ones may
└── UserError                exit code 2: the input was wrong; carries one or several faults
    ├── RecipeError          in a recipe, an override or an option
    ├── DataError            in a data file, a column or a label
    ├── ModelError           a model that cannot be found, loaded or trusted
    └── PluginError          a plugin that is unknown, broken, duplicate or of another version

Interrupted (a KeyboardInterrupt, exit code 130): ended by Ctrl-C or SIGTERM; says how to go on
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class ToolkitError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


class Interrupted(KeyboardInterrupt):
    """A signal ended the run; what it had written is there."""


class ReloadError(ToolkitError):
    """The saved model, loaded again in a fresh process, does not give the same predictions."""


class TrainingError(ToolkitError):
    """Training cannot go on."""


class BatchSizeError(TrainingError):
    """A training step does not fit into memory.

    Args:
        smaller: what may be tried instead: `settings` (fields of the training arguments), `text`
            (what is told of it), `from`, `to`, `reason`; None where nothing smaller is left.
    """

    def __init__(self, message: str, smaller: Mapping[str, Any] | None) -> None:
        super().__init__(message)
        self.smaller = smaller


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where it stands (file, line, key, row) and what it is."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class UserError(ToolkitError):
    """The input was wrong: one message that lists every fault found.

    Args:
        faults: a message, or several `Fault`s that are shown together.
    """

    exit_code = 2

    def __init__(self, faults: str | Fault | Sequence[Fault]) -> None:
        if isinstance(faults, str):
            faults = Fault("", faults)
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class RecipeError(UserError):
    """A recipe, an override or an option is wrong."""


class DataError(UserError):
    """A data file, a column, a label or a row is wrong."""


class ModelError(UserError):
    """A model cannot be found, loaded or trusted."""


class PluginError(UserError):
    """A plugin is unknown, broken, a duplicate, or made for another version of the contract."""


#: Why there is no way to let code from the Hub run, and what there is instead.
NEVER_RUN = (
    "code that comes with a model or a dataset is never run here: take a model of a type that "
    "transformers itself knows, or install a package whose plugin makes it (CONTRIBUTING.md)"
)
