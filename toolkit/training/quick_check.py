"""The `training:` block as far as it can be checked without importing transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.errors import Fault
from toolkit.training.arguments import ABOVE_ZERO, COUNTS, LEAST, fault_of, unknown_field
from toolkit.training.field_names import CLASS, field_names
from toolkit.training.reserved import OWN, RESERVED

_NUMBERS = {*LEAST, *ABOVE_ZERO} - {*OWN, "dataloader_num_workers"}


def quick_faults(settings: Mapping[str, Any], where: Any = ".".join) -> list[Fault] | None:
    """Return what is wrong with a `training:` block; None where the class has to decide.

    Args:
        where: key path -> place, for the faults.
    """
    faults: list[Fault] = []
    for name, value in settings.items():
        number = _is_number(name, value)
        typed = value if name in COUNTS or not number else float(value)  # as the class has it
        what = RESERVED.get(name) or (fault_of(name, typed) if number else _unknown(name))
        if not (what or number):
            return None
        faults += [Fault(where(("training", name)), what)] if what else []
    return faults


def _unknown(name: str) -> str:
    return unknown_field(name, [*OWN, *field_names()], CLASS)


def _is_number(name: str, value: Any) -> bool:
    """Return whether this is a number, of a field that takes such a one."""
    number = isinstance(value, int if name in COUNTS else int | float)
    small = number and (isinstance(value, float) or abs(value) < 2**63)  # has a float
    return small and not isinstance(value, bool) and name in _NUMBERS
