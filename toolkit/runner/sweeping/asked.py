"""What a sweep is asked for; what is left out is as it was before, or as it usually is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from toolkit.errors import Fault, UserError
from toolkit.recipe import spaces
from toolkit.recipe.spaces import Space
from toolkit.runner.sweeping import prune, suggest
from toolkit.utils.text import listing, nearest

TRIALS = 20
#: What must not change when a sweep is resumed -> its option.
KEPT = {"search": "--search", "prune": "--prune", "grace": "--grace", "asked_metric": "--metric",
        "with_default": "--without-default"}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What a user gives; None is not given.

    spaces: key -> space. origins: key -> where it was given. trials: all together. search: random,
    tpe or grid. prune: none, asha or median. grace: validations before a trial may be stopped.
    metric: by which trials are compared. minutes: of all together, the scoring at the end included.
    with_default: whether the recipe as it is is the first trial.
    """

    spaces: Mapping[str, Space] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    trials: int | None = None
    search: str | None = None
    prune: str | None = None
    grace: int | None = None
    metric: str | None = None
    minutes: float | None = None
    with_default: bool | None = None

    def completed(self, before: Mapping[str, Any] | None) -> Asked:
        """Return all of it. before: the record of the sweep that is resumed.

        Raises:
            UserError: there is no such search or pruner, or a number makes no sense.
        """
        given, was = self, before or {}
        if not given.spaces and was:
            found = spaces.read(was["space"], "of the sweep")
            given = replace(given, spaces=found, origins=dict.fromkeys(found, "--set"))
        search = given.search or was.get("search") or "random"
        pruner = given.prune or was.get("prune") or "none"
        faults = [
            Fault(option, f"there is no {name!r}.{nearest(name, known)} Known: {listing(known)}.")
            for option, name, known in (("--search", search, suggest.SEARCHES),
                                        ("--prune", pruner, prune.PRUNERS)) if name not in known
        ]  # fmt: skip
        for option, value in (("--trials", given.trials), ("--grace", given.grace)):
            if value is not None and value < 1:
                faults.append(Fault(option, f"at least 1, not {value}"))
        if given.minutes is not None and not given.minutes > 0:
            faults.append(Fault("--minutes", f"takes a number above 0, not {given.minutes:g}"))
        if faults:
            raise UserError(faults)
        usual = suggest.size(given.spaces) if search == "grid" and given.spaces else TRIALS
        default = given.with_default if given.with_default is not None else was.get("with_default")
        return Asked(
            given.spaces, given.origins, search, pruner,
            trials=given.trials or was.get("asked") or usual or TRIALS,
            grace=given.grace or was.get("grace") or 1,
            metric=given.metric or was.get("asked_metric"),
            minutes=given.minutes or was.get("minutes"),
            with_default=default is not False,
        )  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """`Options`, completed."""

    spaces: Mapping[str, Space]
    origins: Mapping[str, str]
    search: str
    prune: str
    trials: int
    grace: int
    metric: str | None
    minutes: float | None
    with_default: bool

    def record(self) -> dict[str, Any]:
        """Return it as sweep.json has it."""
        return {
            "space": {key: str(space) for key, space in self.spaces.items()},
            "search": self.search, "prune": self.prune, "grace": self.grace, "asked": self.trials,
            "minutes": self.minutes, "asked_metric": self.metric,
            "with_default": self.with_default,
        }  # fmt: skip

    def differences(self, before: Mapping[str, Any], where: str) -> list[Fault]:
        """Return what differs from the record of a sweep that is resumed.

        Args:
            where: how messages call the sweep.
        """
        now = self.record()
        faults = [
            Fault(f"--set {key}", f"is {now['space'].get(key, 'not searched')}, "
                  f"but {before['space'].get(key, 'not searched')} {where}")
            for key in dict.fromkeys([*now["space"], *before["space"]])
            if now["space"].get(key) != before["space"].get(key)
        ]  # fmt: skip
        faults += [Fault(option, f"is {now[key]!r}, but {before.get(key)!r} {where}")
                   for key, option in KEPT.items() if now[key] != before.get(key)]  # fmt: skip
        begun = len(before.get("trials", []))
        if self.trials < begun:
            faults.append(Fault("--trials", f"is {self.trials}; {begun} were begun {where}"))
        return faults
