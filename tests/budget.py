"""A pytest plugin: what takes over ten seconds is marked `slow` or `nightly`, or it fails.

Counted are seconds of the processor, in this process and in those it started, so that a busy
machine fails nothing. What tests share (fixtures of a module or of the session, and whatever is
made inside `shared()`) is nobody's own, and not counted. TOOLKIT_TEST_SECONDS sets another limit,
for machines that are slow themselves.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

import pytest

LIMIT = float(os.environ.get("TOOLKIT_TEST_SECONDS", "10"))
SLOWER = ("slow", "nightly")
PROPERTY = "processor seconds"
CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children")
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_shared = {"depth": 0, "seconds": 0.0}
_began = pytest.StashKey[float]()


def spent() -> float:
    """Return the processor's seconds of this process, its children and the children they had."""
    own = os.times()
    seconds = own.user + own.system + own.children_user + own.children_system
    with suppress(OSError):  # not on Linux
        for child in CHILDREN.read_text().split():
            with suppress(OSError):
                fields = Path("/proc", child, "stat").read_text().rpartition(")")[2].split()
                seconds += sum(map(int, fields[11:15])) / TICKS
    return seconds


@contextmanager
def shared() -> Iterator[None]:
    """Count what happens inside to no test."""
    _shared["depth"] += 1
    start = spent()
    try:
        yield
    finally:
        _shared["depth"] -= 1
        if _shared["depth"] == 0:
            _shared["seconds"] += spent() - start


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    if fixturedef.scope == "function":
        return (yield)
    with shared():
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_began] = spent() - _shared["seconds"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.when == "call" and _began in item.stash:
        seconds = spent() - _shared["seconds"] - item.stash[_began]
        report.user_properties.append((PROPERTY, seconds))
        unmarked = not any(item.get_closest_marker(name) for name in SLOWER)
        if report.passed and unmarked and seconds > LIMIT:
            report.outcome = "failed"
            report.longrepr = (
                f"takes {seconds:.1f} s of the processor, more than {LIMIT:g}: make it shorter, or "
                "mark it slow (tests/README.md); TOOLKIT_TEST_SECONDS sets another limit"
            )
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what each scenario's tests take: its budget is in tests/README.md."""
    took: Counter[str] = Counter()
    for report in (r for found in terminalreporter.stats.values() for r in found):
        parts = PurePosixPath(getattr(report, "nodeid", "").partition("::")[0]).parts
        if parts[:2] == ("tests", "plugins") and len(parts) == 5:
            known = dict(getattr(report, "user_properties", ()))  # none where collecting failed
            took["/".join(parts[2:4])] += known.get(PROPERTY, 0.0)
    for scenario, seconds in took.items():
        terminalreporter.write_line(f"{scenario}: {seconds:.1f} s of the processor")
