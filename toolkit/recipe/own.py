"""What suits a recipe's own data or model alone, left out where there is another (`only_for:`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.recipe.schema import NAMED

KEY, KINDS = "only_for", ("data", "model")
SET, LONG = "--set", 40  # letters of a value that is shown
Origins = Mapping[tuple[str, ...], str]


def is_given(by: str | None) -> bool:
    """Return whether a value was given on the command line, going by its origin."""
    return by is not None and by.startswith("--")  # a file's origin is an absolute path


def place_of(values: Mapping[str, Any], kind: str) -> Any:
    """Return where the data of a recipe come from, or its model, to be compared."""
    block = values.get(kind)
    if kind == "data":
        return block.get("source") if isinstance(block, dict) else block
    return {NAMED[kind]: block} if isinstance(block, str) else block


def is_another(kind: str, before: Any, after: Any) -> bool:
    """Return whether two places, as `place_of` returns them, are different data or models.

    Two configs of one `model_type` are one model, in other sizes.
    """
    if kind == "data" or not isinstance(before, dict) or not isinstance(after, dict):
        return before is not None and after is not None and bool(before != after)
    if before.get(NAMED[kind]) != after.get(NAMED[kind]):
        return True
    old, new = before.get("from_config"), after.get("from_config")
    if isinstance(old, dict) and isinstance(new, dict):
        return bool(new.get("model_type", old.get("model_type")) != old.get("model_type"))
    return (old is None) is not (new is None)


def names_in(values: Mapping[str, Any], kind: str) -> list[str]:
    """Return the keys that a recipe names as fit for its own data, or model, alone."""
    block = values.get(KEY)
    names = block.get(kind) if isinstance(block, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []


def inherited(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return kind -> keys, of a recipe and the one it includes: what it sets itself is its own."""
    return {kind: [*(name for name in names_in(base, kind) if not _holder(own, name)),
                   *names_in(own, kind)] for kind in KINDS}  # fmt: skip


def unknown(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (kind, key) of keys that a recipe names as its own and does not have."""
    return [(kind, name) for kind in KINDS for name in names_in(values, kind)
            if not _holder(values, name)]  # fmt: skip


def _holder(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the block that holds a key of a dotted name; an empty one where there is none."""
    *above, key = name.split(".")
    inside: Any = values
    for part in above:
        inside = inside.get(part) if isinstance(inside, dict) else None
    return inside if isinstance(inside, dict) and key in inside else {}


def leave_out(values: dict[str, Any], kind: str, origins: Origins) -> list[str]:
    """Remove what suits the former data or model alone, in place; return "key=value" of each.

    What the command line has given stays. The description, on which nothing depends, goes without
    a word.
    """
    found: list[str] = []
    for name in names_in(values, kind):
        if holder := _holder(values, name):
            found += _removed(holder, tuple(name.split(".")), origins)
    keep(values, {k: names_in(values, k) for k in KINDS if k != kind}, origins)
    return [line for line in found if line.partition("=")[0] != "description"]


def keep(
    values: dict[str, Any], names: Mapping[str, Sequence[str]], origins: Origins | None = None
) -> None:
    """Write kind -> keys into a recipe, in place, of those that are there and not given."""
    if not isinstance(block := values.get(KEY), dict):
        return  # the schema reports it
    rest = {k: v for k, v in block.items() if k not in KINDS or not isinstance(v, list)}
    given = [".".join(path) for path, by in (origins or {}).items() if is_given(by)]
    kept = {kind: [name for name in some if name not in given and _holder(values, name)]
            for kind, some in names.items()}  # fmt: skip
    values[KEY] = {**{kind: some for kind, some in kept.items() if some}, **rest}
    if not values[KEY]:
        del values[KEY]


def _removed(block: dict[str, Any], path: tuple[str, ...], origins: Origins) -> list[str]:
    value, key = block[path[-1]], path[-1]
    set_below = any(one[: len(path)] == path for one, by in origins.items() if is_given(by))
    if not set_below:
        del block[key]
        shown = f"={value}" if len(str(value)) < LONG else ""
        return [f"{'.'.join(path)}{shown}"]
    if is_given(origins.get(path)) or not isinstance(value, dict):
        return []
    return [line for inner in list(value) for line in _removed(value, (*path, inner), origins)]
