"""What can be found out about this installation and machine before anything is run."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import requires, version

from packaging.requirements import Requirement

from toolkit import environment, library, models, registry
from toolkit.errors import ToolkitError


@dataclass(frozen=True)
class Finding:
    """One thing looked at, and whether it is as it should be."""

    what: str
    detail: str
    good: bool = True


def findings() -> Iterator[Finding]:
    """Yield what was found, cheap things first."""
    yield Finding("python", platform.python_version())
    yield from _packages()
    yield _hardware()
    yield _hub()
    yield from _mirrors()
    yield from _plugins()
    yield from _recipes()


def _packages() -> Iterator[Finding]:
    for text in requires("toolkit") or []:
        needed = Requirement(text)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(needed.name)
        except ImportError:
            yield Finding(needed.name, f"missing; pip install '{text}'", good=False)
            continue
        good = needed.specifier.contains(found, prereleases=True)
        yield Finding(
            needed.name, found if good else f"{found}, but needed: {needed.specifier}", good
        )


def _hardware() -> Finding:
    found = environment.hardware()
    devices = ", ".join(found["accelerators"]) or "no accelerator"
    precision = "bf16" if found["bf16"] else "no bf16"
    return Finding(
        "hardware",
        f"{found['processor']}, {found['cores']} cores, {found['memory_gib']} GiB, {devices}, "
        f"{precision}",
    )


def _hub() -> Finding:
    """The Hub is not needed where models are local, so that its absence is no failure."""
    from huggingface_hub import HfApi, constants

    if constants.is_offline_mode():
        return Finding("Hub", "not asked (HF_HUB_OFFLINE is set)")
    try:
        HfApi().model_info("sentence-transformers/all-MiniLM-L6-v2", timeout=5)
    except Exception as error:  # whatever stands between here and the Hub
        return Finding(
            "Hub", f"not reachable ({type(error).__name__}): local models and mirrors only"
        )
    return Finding("Hub", "reachable")


def _mirrors() -> Iterator[Finding]:
    for name, same in registry.points(models.GROUP).items():
        if len(same) > 1:
            yield Finding(f"mirror {name}", f"brought by {len(same)} packages", good=False)
            continue
        try:
            mirror = same[0].load()()
            yield Finding(f"mirror {name}", str(mirror.folder))
        except ImportError as error:
            yield Finding(f"mirror {name}", f"not installed ({error})")
        except Exception as error:  # a stranger's code
            yield Finding(f"mirror {name}", f"{type(error).__name__}: {error}", good=False)


def _plugins() -> Iterator[Finding]:
    broken = registry.broken()
    for name in dict.fromkeys(entry.name for entry in registry.entries()):
        yield Finding(f"scenario {name}", broken.get(name, "works"), name not in broken)


def _recipes() -> Iterator[Finding]:
    names = [item.name for item in library.recipes()]
    for item in library.recipes():
        what = f"recipe {item.name}"
        if names.count(item.name) > 1:
            yield Finding(what, f"shipped twice; this one by {item.distribution}", good=False)
        try:
            draft = library.find(str(item.path))
            draft.recipe()
            draft.stop_on_faults()
        except ToolkitError as error:
            yield Finding(what, str(error), good=False)
