"""What can be found out about this installation and machine before anything is run."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import requires, version

from packaging.requirements import Requirement

from toolkit import registry
from toolkit.errors import ToolkitError
from toolkit.recipe import library
from toolkit.testing import isolation
from toolkit.utils import hardware
from toolkit.utils.text import listing


@dataclass(frozen=True)
class DoctorFinding:
    """One thing looked at, and whether it is as it should be."""

    what: str
    detail: str
    good: bool = True


def findings(seconds: float = isolation.SECONDS) -> Iterator[DoctorFinding]:
    """Yield what was found, cheap things first.

    Args:
        seconds: that each thing which another package brings may take to import.
    """
    yield DoctorFinding("python", platform.python_version())
    yield from _packages()
    yield _hardware()
    yield _hub()
    yield from _metadata()
    working = set()
    for tried in isolation.everything(seconds):
        yield DoctorFinding(tried.what, tried.detail, tried.good)
        if tried.good and tried.group == registry.GROUP:
            working.add(tried.entry.name)
    yield from _recipes(working)


def _packages() -> Iterator[DoctorFinding]:
    for text in requires("toolkit") or []:
        needed = Requirement(text)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(needed.name)
        except ImportError:
            yield DoctorFinding(needed.name, f"missing; pip install '{text}'", good=False)
            continue
        good = needed.specifier.contains(found, prereleases=True)
        yield DoctorFinding(
            needed.name, found if good else f"{found}, but needed: {needed.specifier}", good
        )


def _hardware() -> DoctorFinding:
    found = hardware.hardware()
    devices = ", ".join(found["accelerators"]) or "no accelerator"
    precision = "bf16" if found["bf16"] else "no bf16"
    return DoctorFinding(
        "hardware",
        f"{found['processor']}, {found['cores']} cores, {found['memory_gib']} GiB, {devices}, "
        f"{precision}",
    )


def _hub() -> DoctorFinding:
    """The Hub is not needed where models are local, so that its absence is no failure."""
    from huggingface_hub import HfApi, constants

    if constants.is_offline_mode():
        return DoctorFinding("Hub", "not asked (HF_HUB_OFFLINE is set)")
    try:
        HfApi().model_info("sentence-transformers/all-MiniLM-L6-v2", timeout=5)
    except Exception as error:  # whatever stands between here and the Hub
        return DoctorFinding(
            "Hub", f"not reachable ({type(error).__name__}): local models and mirrors only"
        )
    return DoctorFinding("Hub", "reachable")


def _metadata() -> Iterator[DoctorFinding]:
    """Look at what the packages that bring something need, and at metadata that is damaged."""
    for place, why in registry.damaged().items():
        yield DoctorFinding(f"distribution {place}", why, good=False)
    bringing: dict[str, list[str]] = {}
    for group, kind in registry.KINDS.items():
        for entry in registry.entries(group):
            if entry.distribution not in ("toolkit", "(unknown)"):
                named = f"{entry.distribution} {entry.version}"
                bringing.setdefault(named, []).append(f"{kind} {entry.name}")
    for named, things in bringing.items():
        lacking = list(_lacking(named.split()[0]))
        yield DoctorFinding(f"distribution {named}", "; ".join(lacking) or f"brings {listing(things)}",
                      not lacking)  # fmt: skip


def _lacking(distribution: str) -> Iterator[str]:
    """Yield what a distribution says it needs, and that is not there, or of another version."""
    try:
        texts = requires(distribution) or []
    except Exception:  # `registry.damaged` has told it
        return
    for text in texts:
        try:
            needed = Requirement(text)
        except ValueError as error:
            yield f"requires {text!r}, which cannot be read: {error}"
            continue
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(needed.name)
        except ImportError:
            yield f"requires {needed}, which is not installed"
            continue
        if not needed.specifier.contains(found, prereleases=True):
            yield f"requires {needed}; installed is {found}"


def _recipes(working: set[str]) -> Iterator[DoctorFinding]:
    """Check every recipe; its options, too, where its scenario can be imported."""
    from toolkit.runner.resolve import resolve_recipe

    names = [item.name for item in library.recipes()]
    for item in library.recipes():
        what = f"recipe {item.name} ({item.distribution})"
        if names.count(item.name) > 1:
            yield DoctorFinding(what, "is shipped twice, by several packages", good=False)
        try:
            draft = library.find_recipe(str(item.path))
            scenario = draft.checked().scenario
            if scenario in working or scenario not in registry.points(registry.GROUP):
                resolve_recipe(draft)
        except ToolkitError as error:
            yield DoctorFinding(what, str(error), good=False)
        except Exception as error:  # a stranger's options may do anything when they are checked
            yield DoctorFinding(what, f"{item.path}: {type(error).__name__}: {error}", good=False)
