"""What `toolkit doctor` reports of this installation and machine, without running a recipe."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from toolkit import registry
from toolkit.errors import ToolkitError
from toolkit.recipe import library
from toolkit.testing import installation, isolation
from toolkit.testing.installation import DoctorFinding
from toolkit.utils import hardware
from toolkit.utils.packages import DISTRIBUTION
from toolkit.utils.text import listing


def findings(seconds: float = isolation.SECONDS) -> Iterator[DoctorFinding]:
    """Yield what was found, cheap things first.

    Args:
        seconds: that each entry of another package may take to import.
    """
    yield DoctorFinding("python", platform.python_version())
    yield from installation.findings()
    yield _hardware()
    yield _hub()
    yield from _distributions()
    working = set()
    for probed in isolation.everything(seconds):
        yield DoctorFinding(probed.what, probed.detail, probed.good)
        if probed.good and probed.group == registry.GROUP:
            working.add(probed.entry.name)
    yield from _recipes(working)


def _hardware() -> DoctorFinding:
    found = hardware.hardware()
    devices = ", ".join(found["accelerators"]) or "no accelerator"
    precision = "bf16" if found["bf16"] else "no bf16"
    size = f"{found['cores']} cores, {found['memory_gib']} GiB"
    return DoctorFinding("hardware", f"{found['processor']}, {size}, {devices}, {precision}")


def _hub() -> DoctorFinding:
    """The Hub is optional where models are local: its absence is not a failure."""
    from huggingface_hub import HfApi, constants

    if constants.is_offline_mode():
        return DoctorFinding("Hub", "not asked (HF_HUB_OFFLINE is set)")
    try:
        HfApi().model_info("sentence-transformers/all-MiniLM-L6-v2", timeout=5)
    except Exception as error:  # any error of network or Hub
        return DoctorFinding(
            "Hub", f"not reachable ({type(error).__name__}): local models and mirrors only"
        )
    return DoctorFinding("Hub", "reachable")


def _distributions() -> Iterator[DoctorFinding]:
    """Look for damaged metadata, and at what the distributions with entry points require."""
    for place, why in registry.damaged().items():
        yield DoctorFinding(f"distribution {place}", why, good=False)
    entries: dict[tuple[str, str], list[str]] = {}
    for group, category in registry.KINDS.items():
        for entry in registry.entries(group):
            if entry.distribution not in (DISTRIBUTION, "(unknown)"):
                named = entries.setdefault((entry.distribution, entry.version), [])
                named.append(f"{category} {entry.name}")
    for (name, number), named in entries.items():
        faults = list(_unmet(name))
        detail = "; ".join(faults) or f"brings {listing(named)}"
        yield DoctorFinding(f"distribution {name} {number}", detail, not faults)


def _unmet(distribution: str) -> Iterator[str]:
    try:
        for needed, found, fits in installation.requirements(distribution):
            if not fits:
                installed = f"; installed is {found}" if found else ", which is not installed"
                yield f"requires {needed}{installed}"
    except Exception as error:  # its metadata may hold anything
        yield f"its requirements cannot be read: {error}"


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
