"""What a script can say of a job, and what it is refused for."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from toolkit.ejecting import source
from toolkit.errors import Fault
from toolkit.plugin import Plugin

if TYPE_CHECKING:
    from toolkit.job import Job

#: Module -> its distribution, where that is called otherwise.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow"}
#: Hooks that shape the training or what is made of outputs -> the block that must say the same.
HOOKS = {
    "loss": "loss", "collator": "collator", "infer": "outputs", "keep": "outputs",
    "calibrate": "calibration", "trainer": "trainer",
}  # fmt: skip


def metrics(job: Job) -> list[str]:
    """Return the names of the run's metrics, the headline first."""
    from toolkit.evaluation import chosen

    return list(chosen.modules(job.plugin))


def faults(job: Job, blocks: set[str]) -> list[Fault]:
    """Return what no script can say, whatever the scenario brings.

    Args:
        blocks: those of the frame that the scenario fills in.
    """
    import torch

    found = [Fault(where, what) for where, what in _of_recipe(job)]
    for hook, block in HOOKS.items():
        if _brings(job.plugin, hook) and block not in blocks:
            what = f"the scenario has a hook {hook}, and its script no block {block}"
            found.append(Fault(f"scenario {job.recipe.scenario}", what))
    if torch.cuda.device_count() > 1:
        what = f"a run here has {torch.cuda.device_count()} processes, a script one: show it one "
        found.append(Fault("this machine", what + "GPU only (CUDA_VISIBLE_DEVICES=0)"))
    return found


def _brings(plugin: Plugin[Any], hook: str) -> bool:
    own = getattr(type(plugin), hook) is not getattr(Plugin, hook)
    if hook == "trainer":
        return own or type(plugin).Trainer is not None or type(plugin).Arguments is not None
    if hook in ("loss", "collator"):
        return own and getattr(plugin, hook)() is not None
    return own


def _of_recipe(job: Job) -> list[tuple[str, str]]:
    spec, given = job.recipe.data.split, job.arguments
    found = []
    if spec.windows:
        found.append(("data.split.windows", "windows of time are not covered"))
    if spec.gap:
        found.append(("data.split.gap", "a gap between splits is not covered"))
    for name in ("fsdp", "deepspeed", "parallelism_config"):
        if getattr(given, name, None):
            found.append((f"training.{name}", "models in parts are not covered"))
    best = str(given.metric_for_best_model or "").removeprefix("eval_")
    if best == "loss":
        found.append(("training.metric_for_best_model", "the loss of validation is not covered"))
    return found


def head(job: Job, command: str, modules: set[str]) -> str:
    """Return the comments that a script begins with.

    Args:
        modules: what it imports; Trainer needs accelerate besides.
    """
    names = sorted(DISTRIBUTIONS.get(name, name) for name in {*modules, "accelerate"})
    packages = " ".join(f"{name}=={version(name).partition('+')[0]}" for name in names)
    return "\n".join(
        (
            source.comment(f"Trains what this trains: toolkit run {command or job.name}"),
            source.comment("For the same seed, on the same machine, it ends with the same weights. "
                           "It is made by toolkit eject, and needs nothing of toolkit but these:"),
            source.comment(f"pip install {packages}"),
        )
    )  # fmt: skip
