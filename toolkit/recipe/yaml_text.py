"""The YAML of recipes: plain data, no tags, no aliases, scalars as in YAML 1.2."""

from __future__ import annotations

import re
from typing import Any

import yaml

MOST_BYTES = 100_000  # a recipe of that size takes seconds to read
DEEPEST = 50  # nested blocks; reading time grows with the square
# Characters that no path, id or name can contain, and that YAML allows as escapes.
NOT_TEXT = re.compile("[\0\ud800-\udfff]")


class Loader(yaml.SafeLoader):
    """Safe YAML with the scalars of YAML 1.2: `no` is text, `1e-4` a number, dates stay text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute


for _tag, _pattern, _first in [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|[-+]?\.(inf|Inf)|\.(nan|NaN)",
     list("-+.0123456789")),
]:  # fmt: skip
    Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first
    )
# PyYAML's own takes 010 for eight.
Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))


class _Dumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.1 or the loader above would read as something else."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {  # noqa: RUF012 - PyYAML's own attribute
        first: [
            *yaml.SafeDumper.yaml_implicit_resolvers.get(first, []),
            *Loader.yaml_implicit_resolvers.get(first, []),
        ]
        for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *Loader.yaml_implicit_resolvers}
    }

    def ignore_aliases(self, data: Any) -> bool:
        """Write a repeated value in full: `construct` refuses aliases."""
        return True


def dump(values: Any) -> str:
    """Return plain values as YAML that `construct` reads back equal."""
    text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    if "\x85" in text or "\u2028" in text or "\u2029" in text:  # line ends, to PyYAML's reader
        text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=False)
    return str(text)


def construct(text: str) -> Any:
    """Return the values of a YAML text.

    Raises:
        yaml.YAMLError: it is no YAML, or uses what recipes may not.
    """
    level = 0
    for event in yaml.parse(text, Loader):
        mark: Any = event.start_mark
        level += isinstance(event, yaml.CollectionStartEvent)
        level -= isinstance(event, yaml.CollectionEndEvent)
        refused = "it is nested too deeply" if level > DEEPEST else _refused(event)
        if refused:
            raise yaml.MarkedYAMLError(problem=refused, problem_mark=mark)
    try:
        return yaml.load(text, Loader)  # noqa: S506 - Loader is a SafeLoader
    except ValueError as error:  # a number of thousands of digits
        raise yaml.YAMLError(str(error)) from None


def _refused(event: Any) -> str:
    # A few lines of YAML with aliases can expand to gigabytes; no recipe needs them.
    if isinstance(event, yaml.AliasEvent):
        return "aliases (*name) are not allowed in a recipe"
    if getattr(event, "tag", None) is not None:
        return f"tags ({event.tag}) are not allowed in a recipe"
    if isinstance(event, yaml.ScalarEvent) and NOT_TEXT.search(event.value):
        return f"{event.value!r} holds a character that is no text"
    return ""


def line_of(error: Exception) -> str:
    """Return ":line" of a YAML error, where it is known."""
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}" if mark is not None else ""


def brief(error: Exception) -> str:
    """Return the first line of a YAML error."""
    return str(getattr(error, "problem", None) or str(error).splitlines()[0])
