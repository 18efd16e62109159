"""A pytest plugin: what takes over twenty seconds is marked `slow` or `nightly`, or it fails.

Counted are seconds of the processor, in this process and in those it started, so that a busy
machine fails nothing. What tests share (fixtures of a module or of the session, and whatever is
made inside `shared()`) is nobody's own, and not counted.

The twenty seconds are those of a certain machine. A slower one has more of them: at the start of a
session a short piece of work is timed, in as many processes as will run tests, and the limit grows
with what it takes. TOOLKIT_TEST_SECONDS sets the limit itself.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

import machine
import pytest

SECONDS = 20.0
ABSOLUTE = "TOOLKIT_TEST_SECONDS"
#: Tracing every line of the toolkit takes about that much more.
TRACED = 1.3
SLOWER = ("slow", "nightly")
PROPERTY = "processor seconds"
CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children")
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_shared = {"depth": 0, "seconds": 0.0}
_began = pytest.StashKey[float]()
_limit = pytest.StashKey[float]()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Decide the limit, once: processes of xdist are given it."""
    config = session.config
    if hasattr(config, "workerinput"):
        config.stash[_limit] = config.workerinput["test_seconds"]
    elif ABSOLUTE in os.environ:
        config.stash[_limit] = float(os.environ[ABSOLUTE])
    else:
        traced = config.getoption("cov_source", None) and not config.getoption("no_cov", False)
        times = machine.slowness(len(config.getoption("tx", None) or [None]))
        config.stash[_limit] = SECONDS * times * (TRACED if traced else 1)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Hand the limit to a process of xdist."""
    node.workerinput["test_seconds"] = node.config.stash[_limit]


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
        limit = item.config.stash[_limit]
        if report.passed and unmarked and seconds > limit:
            report.outcome = "failed"
            report.longrepr = (
                f"takes {seconds:.1f} s of the processor, more than {limit:.1f}: make it shorter, "
                f"or mark it slow (tests/README.md); {ABSOLUTE} sets another limit"
            )
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the limit, and what each scenario's tests take: its budget is in tests/README.md."""
    limit, write = terminalreporter.config.stash.get(_limit, SECONDS), terminalreporter.write_line
    why = f"{SECONDS:g} s, {limit / SECONDS:.1f} times as much on this machine"
    why = f"as {ABSOLUTE} sets" if ABSOLUTE in os.environ else why
    write(f"a test may take {limit:.1f} s of the processor ({why})")
    took: Counter[str] = Counter()
    for report in (r for found in terminalreporter.stats.values() for r in found):
        parts = PurePosixPath(getattr(report, "nodeid", "").partition("::")[0]).parts
        if parts[:2] == ("tests", "plugins") and len(parts) == 5:
            known = dict(getattr(report, "user_properties", ()))  # none where collecting failed
            took["/".join(parts[2:4])] += known.get(PROPERTY, 0.0)
    for scenario, seconds in took.items():
        write(f"{scenario}: {seconds:.1f} s of the processor")
