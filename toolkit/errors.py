"""Every error that the toolkit raises on purpose, and its exit code.

ToolkitError                 exit code 1: the run failed, and the input was valid
├── ReloadError              the saved model, reloaded, does not give the same predictions
├── CacheError               a cache is full, or may not be written
├── HookError                a hook of a plugin raised what it should not
├── TrainingError            training cannot go on (loss is NaN, ...)
│   ├── DivergenceError      the loss is NaN, or has grown beyond repair
│   └── BatchSizeError       a step does not fit into memory; a smaller one may
└── UserError                exit code 2: the input was wrong; carries one or several faults
    ├── RecipeError          in a recipe, an override or an option
    ├── DataError            in a data file, a column or a label
    ├── ModelError           a model that cannot be found, loaded or trusted
    └── PluginError          a plugin that is unknown, broken, duplicate or of another version

Interrupted (a KeyboardInterrupt, exit code 130): ended by Ctrl-C or SIGTERM; can be resumed
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class ToolkitError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


class Interrupted(KeyboardInterrupt):
    """A signal ended the run; its files so far are kept."""


class ReloadError(ToolkitError):
    """The saved model, reloaded in a fresh process, does not give the same predictions."""


class CacheError(ToolkitError):
    """A cache of converted data cannot be written: its disk is full, or read-only."""


class HookError(ToolkitError):
    """A hook of a plugin failed, or gave what the core cannot use; names class, file and line."""


class TrainingError(ToolkitError):
    """Training cannot go on."""


class DivergenceError(TrainingError):
    """The loss, or weights, are not finite, or the loss has grown beyond repair."""


class BatchSizeError(TrainingError):
    """A training step does not fit into memory.

    Args:
        smaller: what may be tried instead: `settings` (fields of the training arguments), `text`
            (a description), `from`, `to`, `reason`; None if nothing smaller is left.
    """

    def __init__(self, message: str, smaller: Mapping[str, Any] | None) -> None:
        super().__init__(message)
        self.smaller = smaller


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where (file, line, key, row) and what."""

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


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


#: Why there is no option to run code from the Hub, and what to use instead.
NEVER_RUN = (
    "code that comes with a model or a dataset is never run here: take a model of a type that "
    "transformers itself knows, or install a package whose plugin makes it (CONTRIBUTING.md)"
)
