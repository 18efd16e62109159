"""A script and the run, compared up to the first step of training: rows, settings, weights.

What the script's own code makes is put beside what the run's makes; a script that differs is never
given out. The steps themselves are the same code of transformers on the same inputs.
"""

from __future__ import annotations

import dataclasses
import inspect
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

BATCH = 64


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
                processor, inputs, arguments, model = script["begin"](Path(folder))
            _same_inputs(job, script, processor, inputs)
            _same_arguments(job.arguments, arguments)
            _same_model(job.plugin.model, model)
        except UserError:
            raise
        except Exception as error:  # of the libraries, over rows or settings that no template knows
            raise _refused(f"ends with {type(error).__name__}: {error}") from error


def _refused(what: str) -> UserError:
    return UserError(Fault("eject", f"this recipe is not covered: the script {what}"))


def _same_inputs(job: Job, script: Mapping[str, Any], processor: Any, inputs: Any) -> None:
    """Compare every batch of every split, in the order of the rows."""
    from toolkit.evaluation.predicting import batch_maker, records

    make = batch_maker(job.plugin, job.plugin.model, with_labels=True)
    collate, device = script["collator"](processor), next(job.plugin.model.parameters()).device
    takes = _taken(job)
    for name, split in job.prepared.items():
        other = inputs.get(name, ())
        if len(other) != len(split):
            raise _refused(f"reads {len(other)} rows of {name}, not {len(split)}")
        _same_lengths(name, split, other)
        for start in range(0, len(split), BATCH):
            rows = range(start, min(start + BATCH, len(split)))
            given = [{k: v for k, v in row.items() if k in takes} for row in records(other, rows)]
            mine, its = make(records(split, rows)), collate(given)
            for key in mine.keys() | its.keys():
                if not _equal(mine.get(key), its.get(key), device):
                    raise _refused(f"makes other {key} of {name} rows {start + 1} and after")


def _taken(job: Job) -> set[str]:
    from toolkit.adapter_folder import inner

    parameters = inspect.signature(inner(job.plugin.model).forward).parameters
    return {*parameters, "labels"}


def _same_lengths(name: str, ours: Any, theirs: Any) -> None:
    if "length" not in ours.column_names:
        return
    if "length" not in theirs.column_names or list(ours["length"]) != list(theirs["length"]):
        raise _refused(f"makes other lengths of {name}")


def _equal(one: Any, other: Any, device: Any) -> bool:
    import torch

    if not torch.is_tensor(one) or not torch.is_tensor(other):
        return bool(one == other)
    other = other.to(device)
    return one.dtype == other.dtype and torch.equal(one, other) and one.stride() == other.stride()


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
    mine, its = ours.config.to_dict(), theirs.config.to_dict()
    names = {name for name in mine.keys() | its.keys() if mine.get(name) != its.get(name)}
    if names - {"_name_or_path", "problem_type"}:  # the latter models set with their first loss
        raise _refused(f"makes another config.json: {', '.join(sorted(names))}")


def _rate(module: Any) -> Any:
    """Return a module's rates: of dropout, and of what follows the batches."""
    return {
        name: value
        for name, value in vars(module).items()
        if name in ("p", "momentum") or ("drop" in name and isinstance(value, float))
    }
