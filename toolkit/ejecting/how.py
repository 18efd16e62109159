"""The method of a run, in the script's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from toolkit import methods
from toolkit.methods import anatomy

if TYPE_CHECKING:
    from toolkit.ejecting.facts import Facts
    from toolkit.ejecting.proof import Before
    from toolkit.job import Job

Refuse = Callable[[str, str], str]
#: Method -> its settings that are covered, beside those that leave everything as it is.
COVERED = ("full", "partial", "layerwise", "head", "lora", "dora", "ia3")
ADAPTERS = {"lora": "LoraConfig", "dora": "LoraConfig", "ia3": "IA3Config"}


def describe(job: Job, before: Before, found: Facts, refuse: Refuse) -> None:
    """Tell the templates of the method; `refuse` what a script cannot say of it."""
    name = job.recipe.method.name
    if name not in COVERED:
        refuse("method", f"{name} is not covered; those that are: {', '.join(COVERED)}")
        return
    method: Any = methods.of(job.recipe.method)
    if getattr(method, "head", "random") == "probe":
        refuse("method.head", "probe is not covered")
    if name == "head":
        refuse("method", "head is not covered")
    elif name in ADAPTERS:
        _adapter(job, method, before, found, refuse)
    else:
        _freed(job, found)
        found.rates = bool(factors := method.learning_rates(job.plugin.model))
        if found.rates:
            found.method["RATES"] = dict(factors)


def _freed(job: Job, found: Facts) -> None:
    """Name what is trained, or what is not, whichever takes fewer words."""
    trained = {n: p.requires_grad for n, p in job.plugin.model.named_parameters()}
    if all(trained.values()):
        return
    free, frozen = prefixes(trained, True), prefixes(trained, False)
    which = ("TRAINED", free) if len(free) <= len(frozen) else ("FROZEN", frozen)
    found.method[which[0]] = tuple(which[1])


def prefixes(of: Mapping[str, bool], wanted: bool) -> list[str]:
    """Return the shortest beginnings of names by which exactly those of one kind are known."""
    others = [name for name, kind in of.items() if kind is not wanted]
    found: list[str] = []
    for name in (name for name, kind in of.items() if kind is wanted):
        if name.startswith(tuple(found)):
            continue
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            start = ".".join(parts[:end]) + ("." if end < len(parts) else "")
            if not any(other.startswith(start) for other in others):
                found.append(start)
                break
    return found


def _adapter(job: Job, method: Any, before: Before, found: Facts, refuse: Refuse) -> None:
    found.adapter = ADAPTERS[job.recipe.method.name]
    found.no_dropout = not method.base_dropout
    found.method["BLOCKS"] = before.blocks
    found.method["ADAPTER"] = _configuration(before.adapter)


def _configuration(config: Any) -> dict[str, Any]:
    """Return what differs from the defaults of a configuration of peft."""
    usual = type(config)()
    given = {}
    for name, value in vars(config).items():
        plain = sorted(value) if isinstance(value, set) else value
        default = getattr(usual, name)
        if plain != (sorted(default) if isinstance(default, set) else default):
            given[name] = plain
    return given


def blocks(model: Any) -> list[str]:
    """Return the names of a model's blocks."""
    return list(anatomy.examine(model).blocks)

