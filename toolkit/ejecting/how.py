"""The method of a run, in the script's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from toolkit import methods
from toolkit.methods import anatomy, probe
from toolkit.methods.features import PART, WINDOW

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
    if getattr(method, "head", "random") == "probe" or name == "head":
        _probe(job, before, found, refuse)
    if name == "head":
        _exact_head(job, method, before, found, refuse)
    elif name in ADAPTERS:
        found.adapter = ADAPTERS[name]
        found.no_dropout = not method.base_dropout
        found.method["BLOCKS"] = before.blocks
        found.method["ADAPTER"] = _configuration(before.adapter)
        found.rests = _has_resting(job.plugin.model)
    else:
        _freed(job, found)
        found.rests = name == "partial" and _has_resting(job.plugin.model)
        factors = method.learning_rates(job.plugin.model)
        found.rates = bool(factors)
        if factors:
            found.method["RATES"] = _rates(job.plugin.model, factors)


def _probe(job: Job, before: Before, found: Facts, refuse: Refuse) -> None:
    """Say which layer is fitted; where there is none, training begins with a head at random."""
    rows = min(len(job.prepared["train"]), probe.MOST_ROWS)
    if job.recipe.method.name == "head":
        rows = len(job.prepared["train"])
    if before.head is None:
        if job.recipe.method.name == "head":
            what = f"head of {type(job.plugin.model).__name__} is not covered: no linear layer"
            refuse("method", what)
        return
    found.probe = True
    found.method["HEAD"] = before.head
    layer = job.plugin.model.get_submodule(before.head)
    found.outputs = str(layer.out_features)
    if -(-rows // WINDOW) > max(1, PART // (4 * layer.in_features * min(rows, WINDOW))):
        refuse("method", f"a head fitted to {rows:,} rows is not covered: it takes several parts")


def _exact_head(job: Job, method: Any, before: Before, found: Facts, refuse: Refuse) -> None:
    if found.trains and before.head is not None:
        refuse("method", "head is not covered where more than one linear layer is its head")
    found.method["STRENGTHS"] = list(method.C)
    if method.pooling == "mean":
        found.pooled = True
        model, lists = job.plugin.model, before.blocks[0].rpartition(".")[0]
        found.method["BLOCKS"] = lists
        found.method["MEAN"] = _straight(model)


def _straight(model: Any) -> dict[str, tuple[float, float]]:
    """Return the layers that pass their input on, but for a factor and an offset.

    They are in the added block, or between it and the head.
    """
    import torch

    found = {}
    for name, module in model.named_modules():
        if not isinstance(module, torch.nn.Linear):
            continue
        weight = module.weight
        if weight.shape[0] != weight.shape[1]:
            continue
        slope = float(weight[0, 0])
        if slope and torch.equal(weight, slope * torch.eye(len(weight), device=weight.device)):
            found[name] = (round(slope, 6), float(module.bias[0]))
    return found


def _has_resting(model: Any) -> bool:
    """Return whether a model has norms that keep the statistics that they came with."""
    return any(
        getattr(module, "running_mean", None) is not None
        and not any(p.requires_grad for p in module.parameters(recurse=False))
        for module in model.modules()
    )


def _freed(job: Job, found: Facts) -> None:
    """Name what is trained, or what is not, whichever takes fewer words."""
    trained = {n: p.requires_grad for n, p in job.plugin.model.named_parameters()}
    if all(trained.values()):
        return
    free, frozen = prefixes(trained, True), prefixes(trained, False)
    which = ("TRAINED", free) if len(free) <= len(frozen) else ("FROZEN", frozen)
    found.method[which[0]] = tuple(which[1])


def _rates(model: Any, factors: Mapping[str, float]) -> dict[str, float]:
    """Return beginnings of parameters' names -> factor on the learning rate, where it is not 1."""
    every = {name: factors.get(name, 1.0) for name, _ in model.named_parameters()}
    found: dict[str, float] = {}
    for factor in dict.fromkeys(every.values()):
        starts = prefixes({name: rate == factor for name, rate in every.items()}, True)
        found |= dict.fromkeys(starts, factor)
    return {start: factor for start, factor in found.items() if factor != 1}


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


def logits_layer(job: Job) -> str | None:
    """Return the name of the linear layer whose output is the logits, or None."""
    model = job.plugin.model
    material = methods.Material(job.plugin, job.loaded.splits, job.prepared, job.recipe.seed)
    layer = probe.logits_layer(model, material.first_batch(model))
    return next((name for name, module in model.named_modules() if module is layer), None)
