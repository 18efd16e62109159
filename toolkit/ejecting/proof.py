"""A script and the run, compared up to the first step of training: rows, settings, weights.

What the script's own code makes is put beside what the run's makes; a script that differs is never
given out. The steps themselves are the same code of transformers on the same inputs.
"""

from __future__ import annotations

import dataclasses
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.ejecting import how
from toolkit.ejecting.facts import ASIDE
from toolkit.errors import Fault, UserError

if TYPE_CHECKING:
    from toolkit.job import Job

BATCH = 1000


@dataclass(frozen=True)
class Before:
    """What must be known of a model before its method changes it.

    attention: the implementation that the core has chosen for it, or "".
    adapter: peft's configuration of it, or None. head: the linear layer that makes the logits.
    """

    attention: str
    blocks: list[str]
    adapter: Any
    head: str | None

    @classmethod
    def of(cls, job: Job) -> Before:
        """Look at a job whose model is as it was loaded."""
        from toolkit import methods

        model, method = job.plugin.model, methods.of(job.recipe.method)
        config: Any = getattr(method, "config", lambda model: None)(model)
        name = str(getattr(model.config, "_attn_implementation", "") or "")
        head = None
        if job.recipe.method.name == "head" or getattr(method, "head", "") == "probe":
            head = how.logits_layer(job)
        return cls(name if name == "eager" else "", how.blocks(model), config, head)


def check(text: str, job: Job) -> None:
    """Run a script up to its first step, and compare.

    Raises:
        UserError: it fails, or makes anything else than the run does.
    """
    with tempfile.TemporaryDirectory(prefix="toolkit-") as folder:
        script: dict[str, Any] = {"__name__": "ejected"}
        try:
            with warnings.catch_warnings():  # of what the script's own process will say
                warnings.simplefilter("ignore")
                exec(compile(text, "ejected.py", "exec"), script)  # noqa: S102 - our own templates'
                _, inputs, arguments, model = script["begin"](Path(folder))
        except Exception as error:  # of the libraries, over rows or settings that no template knows
            raise _refused(f"ends with {type(error).__name__}: {error}") from error
    _same_inputs(job.prepared, inputs)
    _same_arguments(job.arguments, arguments)
    _same_model(job.plugin.model, model)


def _refused(what: str) -> UserError:
    return UserError(Fault("eject", f"this recipe is not covered: the script {what}"))


def _same_inputs(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    for name, split in ours.items():
        if name not in theirs or len(theirs[name]) != len(split):
            raise _refused(f"reads {len(theirs.get(name, ()))} rows of {name}, not {len(split)}")
        other = theirs[name]
        odd = sorted(set(split.column_names) ^ set(other.column_names))
        if odd:
            raise _refused(f"makes other columns of {name}: {', '.join(odd)}")
        for start in range(0, len(split), BATCH):
            mine, its = split[start : start + BATCH], other[start : start + BATCH]
            for column, values in mine.items():
                for place, (value, found) in enumerate(zip(values, its[column], strict=True)):
                    if not _equal(value, found):
                        what = f"makes other {column} of {name} row {start + place + 1}"
                        raise _refused(what)


def _equal(one: Any, other: Any) -> bool:
    import numpy as np

    if hasattr(one, "shape") or hasattr(other, "shape"):
        return np.array_equal(np.asarray(one), np.asarray(other))
    return bool(one == other) or (one != one and other != other)


def _same_arguments(ours: Any, theirs: Any) -> None:
    for field in dataclasses.fields(ours):
        name = field.name
        if name in ASIDE and name != "seed":
            continue
        one, other = getattr(ours, name), getattr(theirs, name, None)
        if one != other and repr(one) != repr(other):
            raise _refused(f"has training.{name} {other!r}, not {one!r}")


def _same_model(ours: Any, theirs: Any) -> None:
    import torch

    if type(ours) is not type(theirs):
        raise _refused(f"makes a {type(theirs).__name__}, not a {type(ours).__name__}")
    mine, its = ours.state_dict(), theirs.state_dict()
    if list(mine) != list(its):
        raise _refused("makes a model with other weights")
    for name, tensor in mine.items():
        if not torch.equal(tensor, its[name]):
            raise _refused(f"begins with other weights in {name}")
    free = {n: p.requires_grad for n, p in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        if free[name] is not parameter.requires_grad:
            raise _refused(f"trains {name} otherwise")
    for (name, one), other in zip(ours.named_modules(), theirs.modules(), strict=True):
        if type(one) is not type(other) or _rate(one) != _rate(other):
            raise _refused(f"has another {name}")
        if len(one._forward_pre_hooks) != len(other._forward_pre_hooks):
            raise _refused(f"hooks {name} otherwise")
    if ours.config.to_dict() != theirs.config.to_dict():
        raise _refused("makes another config.json")


def _rate(module: Any) -> Any:
    """Return a module's rates of dropout."""
    return {name: value for name, value in vars(module).items()
            if name == "p" or ("drop" in name and isinstance(value, float))}  # fmt: skip
