"""Search spaces: which values of a setting are tried, as `--set`, YAML and Python write them."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from toolkit.errors import Fault, RecipeError
from toolkit.recipe.yaml_text import brief, construct
from toolkit.utils.text import nearest

DIGITS = 4  # significant digits of a number that is drawn: enough, and legible in a recipe
CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*", re.S)
#: What other libraries call a space -> its name here.
ELSEWHERE = {
    "log_uniform": "loguniform", "qloguniform": "loguniform", "quniform": "uniform",
    "float": "uniform", "randint": "int", "qrandint": "int", "lograndint": "logint",
    "integer": "int", "categorical": "choice", "choices": "choice", "grid_search": "choice",
}  # fmt: skip


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    step: between the values; None is any number (of whole ones: 1). log: drawn evenly in logarithm.
    whole: integers alone.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    whole: bool = False

    def __str__(self) -> str:
        name = {(False, False): "uniform", (True, False): "loguniform", (False, True): "int",
                (True, True): "logint"}[self.log, self.whole]  # fmt: skip
        numbers = [self.low, self.high, *([] if self.step is None else [self.step])]
        return f"{name}({', '.join(f'{number:g}' for number in numbers)})"

    @property
    def values(self) -> list[Any] | None:
        """All values, where they can be counted; None else."""
        step = self.step or (1 if self.whole and not self.log else None)
        if step is None:
            return None
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        return [self._rounded(self.low + place * step) for place in range(count)]

    @property
    def edges(self) -> list[Any]:
        """The values by which settings are checked: the lowest and the highest."""
        return [self._rounded(self.low), self._rounded(self.high)]

    def draw(self, chance: random.Random) -> Any:
        """Return a value at random."""
        if self.step is not None or (self.whole and not self.log):
            return chance.choice(self.values or [self.low])
        if not self.log:
            return self._rounded(chance.uniform(self.low, self.high))
        # Each whole number stands for what is rounded to it.
        around = 0.5 if self.whole else 0.0
        low, high = math.log(self.low - around), math.log(self.high + around)
        return self._rounded(math.exp(chance.uniform(low, high)))

    def rounded(self, value: float) -> Any:
        """Return a value as it is written into a recipe: with four digits, and within the range."""
        return self._rounded(value)

    def holds(self, value: Any) -> bool:
        """Return whether a value is one of these."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if self.whole and value != int(value):
            return False
        if not self.low <= value <= self.high:
            return False
        near = 1e-9 * max(1.0, abs(self.high))
        return self.step is None or any(abs(value - one) <= near for one in self.values or ())

    def _rounded(self, value: float) -> Any:
        inside = min(max(value, self.low), self.high)
        if self.whole:
            return round(inside)
        short = float(f"{inside:.{DIGITS}g}")
        return short if self.low <= short <= self.high else inside


@dataclass(frozen=True)
class Choice:
    """Some values, each as likely as the others."""

    options: tuple[Any, ...]

    def __str__(self) -> str:
        return f"choice({', '.join(map(written, self.options))})"

    @property
    def values(self) -> list[Any] | None:
        """All of them."""
        return list(self.options)

    @property
    def edges(self) -> list[Any]:
        """The values by which settings are checked: all."""
        return list(self.options)

    def draw(self, chance: random.Random) -> Any:
        """Return one at random."""
        return chance.choice(self.options)

    def holds(self, value: Any) -> bool:
        """Return whether a value is one of these."""
        return any(_same(value, one) for one in self.options)


Space = Range | Choice


def uniform(low: float, high: float, step: float | None = None) -> Range:
    """Return numbers from `low` to `high`, evenly; with `step`, every so far."""
    return _checked(Range(low, high, step))


def loguniform(low: float, high: float) -> Range:
    """Return numbers from `low` to `high`, evenly in their logarithm (for learning rates)."""
    return _checked(Range(low, high, log=True))


def integers(low: int, high: int, step: int | None = None) -> Range:
    """Return whole numbers from `low` to `high`; with `step`, every so many."""
    return _checked(Range(low, high, step, whole=True))


def logint(low: int, high: int) -> Range:
    """Return whole numbers from `low` to `high`, evenly in their logarithm (for batch sizes)."""
    return _checked(Range(low, high, log=True, whole=True))


def choice(*options: Any) -> Choice:
    """Return a choice among values."""
    if not options:
        raise RecipeError("choice() takes one value or more")
    if any(_same(one, two) for place, one in enumerate(options) for two in options[:place]):
        raise RecipeError(f"{Choice(options)} has a value twice")
    return Choice(options)


MAKERS = {"uniform": uniform, "loguniform": loguniform, "int": integers, "logint": logint,
          "choice": choice}  # fmt: skip


def parse(text: str) -> Space | None:
    """Return the space that a text names, such as "loguniform(1e-5, 1e-3)"; None for other text.

    Raises:
        RecipeError: it is written as a space, and wrong.
    """
    match = CALL.fullmatch(text)
    if match is None:
        return None
    name, inside = match[1], match[2]
    if name not in MAKERS:
        lowered = name.lower()
        other = ELSEWHERE.get(lowered) or (lowered if lowered in MAKERS else None)
        hint = f" Did you mean {other!r}?" if other else nearest(name, MAKERS, 0.75)
        if not hint:
            return None  # a value that happens to have brackets
        raise RecipeError(f"there is no space {name!r}.{hint} Spaces: {', '.join(MAKERS)}.")
    try:
        given = construct(f"[{inside}]")
    except yaml.YAMLError as error:
        raise RecipeError(f"{text}: what is in brackets is no list: {brief(error)}") from None
    maker: Any = MAKERS[name]
    if name == "choice":
        return choice(*given)
    most = 3 if name in ("uniform", "int") else 2
    if not 2 <= len(given) <= most:
        third = " and, if wanted, a step" if most > 2 else ""
        raise RecipeError(f"{text}: {name} takes the lowest and the highest value{third}")
    made: Space = maker(*given)
    return made


def of(value: Any) -> Space | None:
    """Return the space that Python or YAML means: a space, its text, or a list of values.

    Raises:
        RecipeError: it is written as a space, and wrong.
    """
    if isinstance(value, Range | Choice):
        return value
    if isinstance(value, list | tuple):
        return choice(*value)
    return parse(value) if isinstance(value, str) else None


def read(values: Mapping[Any, Any], origin: str) -> dict[str, Space]:
    """Return key -> space of a mapping, nested or with dotted keys.

    Args:
        origin: what messages call it: a file, or the argument.

    Raises:
        RecipeError: all that is wrong with it, each with its key.
    """
    found: dict[str, Space] = {}
    faults: list[Fault] = []
    for key, value in _flat(values):
        where = f"{origin} {key}"
        try:
            space = of(value)
            if space is None:
                what = f"is no space: {written(value)}. Write one of {', '.join(MAKERS)}, or a list"
                raise RecipeError(what)
            found[key] = space
        except RecipeError as error:
            faults += [Fault(where, fault.what) for fault in error.faults]
    if faults:
        raise RecipeError(faults)
    return found


def written(value: Any) -> str:
    """Return a value as a recipe on one line has it."""
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flat(values: Mapping[Any, Any], above: str = "") -> Sequence[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        path = f"{above}.{key}".lstrip(".")
        found += _flat(value, path) if isinstance(value, Mapping) else [(path, value)]
    return found


def _same(one: Any, two: Any) -> bool:
    return one == two and isinstance(one, bool) == isinstance(two, bool)


def _checked(space: Range) -> Range:
    """Return a range that holds something.

    Raises:
        RecipeError: it does not.
    """
    numbers = {"lowest": space.low, "highest": space.high, "step": space.step}
    for what, value in numbers.items():
        if value is None and what == "step":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
            raise RecipeError(f"the {what} value should be a number, not {value!r}")
        if space.whole and value != int(value):
            raise RecipeError(f"{space}: whole numbers are wanted, not {value!r}")
    if space.low >= space.high:
        raise RecipeError(f"{space}: the lowest value should be below the highest")
    if space.log and space.low <= 0:
        raise RecipeError(f"{space}: a logarithm needs a lowest value above 0")
    if space.step is not None and not 0 < space.step <= space.high - space.low:
        raise RecipeError(f"{space}: the step should be above 0, and fit into the range")
    return space
