"""This installation: what it requires, its extras, and what else is called `toolkit`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    distribution,
    distributions,
    requires,
    version,
)
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from toolkit.utils.packages import DISTRIBUTION, EXTRAS, __version__, extra
from toolkit.utils.text import listing

PACKAGE = Path(__file__).parents[1]  # the folder of the code that runs
ANEW = f"pip install --force-reinstall --no-deps {DISTRIBUTION}"


@dataclass(frozen=True)
class DoctorFinding:
    """One thing looked at, and whether it is as it should be; None: optional, and not there."""

    what: str
    detail: str
    good: bool | None = True


def findings() -> Iterator[DoctorFinding]:
    """Yield what was found of the toolkit's own distribution, and of what takes its place."""
    yield from _namesakes()
    try:
        own = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        what = f"is not installed, the code of {PACKAGE} runs: pip install {DISTRIBUTION}"
        yield DoctorFinding(DISTRIBUTION, what, good=False)
        return
    yield _own(own)
    for needed, found, fits in requirements(DISTRIBUTION):
        wrong = f"{found}, but needed: {needed.specifier}"
        what = wrong if found else f"missing; pip install '{needed}'"
        yield DoctorFinding(needed.name, found if fits else what, fits)
    yield from map(_extra, EXTRAS)


def requirements(name: str, extra: str = "") -> Iterator[tuple[Requirement, str, bool]]:
    """Yield what a distribution requires, the version installed, and whether it fits.

    Args:
        extra: what this extra adds; by default what is required without any.
    """
    for needed in map(Requirement, requires(name) or ()):
        marker = needed.marker
        plain = marker is None or marker.evaluate({"extra": ""})
        if plain is bool(extra) or (marker is not None and not marker.evaluate({"extra": extra})):
            continue
        try:
            found = version(needed.name)
            yield needed, found, needed.specifier.contains(found, prereleases=True)
        except ImportError:
            yield needed, "", False


def _own(own: Distribution) -> DoctorFinding:
    """Report the version that runs, where it is not what was installed."""
    if own.version != __version__:
        what = f"{own.version} is installed, and {__version__} runs, from {PACKAGE}: {ANEW}"
        return DoctorFinding(DISTRIBUTION, what, good=False)
    if changed := list(_overwritten(own)):
        what = f"{listing(changed, 3)} changed since installation, perhaps by another package's"
        return DoctorFinding(DISTRIBUTION, f"{what} files: {ANEW}", good=False)
    return DoctorFinding(DISTRIBUTION, f"{__version__}, {PACKAGE}")


def _overwritten(own: Distribution) -> Iterator[str]:
    """Yield the installed files that are not what was installed, by their digests in RECORD."""
    for file in own.files or ():
        if file.suffix == ".py" and file.hash is not None:
            with suppress(OSError):  # a file that is missing shows at once
                found = hashlib.new(file.hash.mode, file.read_binary()).digest()
                if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != file.hash.value:
                    yield str(file)


def _namesakes() -> Iterator[DoctorFinding]:
    """Yield other distributions of this import name or command, and files of the name here."""
    for other in distributions():
        with suppress(Exception):  # damaged metadata is reported by itself
            name = canonicalize_name(other.name)
            if name != DISTRIBUTION and (what := _takes(other)):
                yield DoctorFinding(
                    f"distribution {name} {other.version}",
                    f"{what}: it is another project's, or a version of this one by its former "
                    f"name, and the two overwrite each other. pip uninstall {name}, then {ANEW}",
                    good=False,
                )
    for here in (Path("toolkit.py"), Path("toolkit", "__init__.py")):
        if here.is_file() and here.resolve().parent != PACKAGE:
            what = f"Python that starts in this folder imports it instead of {DISTRIBUTION}"
            yield DoctorFinding(str(here), f"{what}: rename it", good=False)


def _takes(other: Distribution) -> str:
    """Return what another distribution has of the toolkit's names, or ""."""
    tops = {file.parts[0] for file in other.files or ()}
    tops |= set((other.read_text("top_level.txt") or "").split())
    if tops & {"toolkit", "toolkit.py"}:
        return "brings a package `toolkit`"
    scripts = other.entry_points.select(group="console_scripts", name="toolkit")
    return "brings a command `toolkit`" if scripts else ""


def _extra(name: str) -> DoctorFinding:
    """Report whether an extra is there, and what it is for."""
    needed = list(requirements(DISTRIBUTION, name))
    lacking = [one.name for one, found, _ in needed if not found]
    odd = [f"{one.name} {found}, but needed: {one.specifier}"
           for one, found, fits in needed if found and not fits]  # fmt: skip
    what = f"extra {name} ({EXTRAS[name]})"
    if odd:
        return DoctorFinding(what, f"{listing(odd)}: {extra(name)}", good=False)
    if lacking:
        part = f"{listing(lacking)} missing" if len(lacking) < len(needed) else "not installed"
        return DoctorFinding(what, f"{part}: {extra(name)}", good=None)
    return DoctorFinding(what, listing(f"{one.name} {found}" for one, found, _ in needed))
