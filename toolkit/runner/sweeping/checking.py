"""Search spaces compared with recipe, scenario and method, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.errors import Fault, RecipeError
from toolkit.models import methods
from toolkit.plugin import Plugin
from toolkit.plugin_types.columns import marked
from toolkit.recipe.draft import Draft
from toolkit.recipe.schema import NAMED, Recipe
from toolkit.recipe.spaces import Choice, Space
from toolkit.runner.resolve import resolve_recipe
from toolkit.utils.text import listing, nearest

METHOD = "method.name"
SAME = "data and splits are the same in all trials, or their scores could not be compared"
#: Keys, or beginnings of keys, that no search may vary -> why.
FIXED = {
    "data": SAME,
    "seed": f"{SAME}; for the effect of the seed: toolkit run --seeds N",
    "training.data_seed": SAME,
    "scenario": "a sweep is of one scenario",
    "report": "it changes what is reported, not the model",
    "description": "it changes nothing",
    "only_for": "it changes nothing",
    "include": "it changes nothing",
    "training.metric_for_best_model": "trials are compared by one metric: --metric NAME",
    "training.greater_is_better": "trials are compared by one metric: --metric NAME",
}
Spaces = Mapping[str, Space]


def keys_of(key: str) -> tuple[str, ...]:
    """Return a dotted key as a path; a block that is named by one of its keys, as that key."""
    path = tuple(key.split("."))
    return (*path, NAMED[key]) if key in NAMED else path


def check(draft: Draft, spaces: Spaces, origins: Mapping[str, str]) -> tuple[Recipe, Plugin[Any]]:
    """Return the checked recipe and its plugin, once every edge of every space fits it.

    Args:
        spaces: key -> space. origins: key -> where it was given, for messages.

    Raises:
        RecipeError: all that is wrong with recipe or spaces.
    """
    if not spaces:
        raise RecipeError(
            "nothing to search: give a space, such as "
            "--set 'training.learning_rate=loguniform(1e-5, 1e-3)' (docs/sweep.md)"
        )
    faults = [Fault(f"{origins[key]} {key}", f"cannot be searched: {why}")
              for key in spaces if (why := _fixed(key))]  # fmt: skip
    if faults:
        raise RecipeError(faults)
    recipe, plugin = resolve_recipe(draft)
    targets = {f"options.{name}" for name, (_, mark) in marked(plugin.options).items()
               if mark.role == "target"}  # fmt: skip
    faults += [Fault(f"{origins[key]} {key}", "cannot be searched: another target is another "
                     "question, whose scores mean something else")
               for key in spaces if key in targets]  # fmt: skip
    faults += _of_no_method(spaces, origins)
    bad = {fault.where.rpartition(" ")[2] for fault in faults}
    base = as_draft(draft.name, recipe)
    for values in _corners({key: space for key, space in spaces.items() if key not in bad}):
        trial = with_values(base, values, origins)
        try:
            resolve_recipe(trial)
        except RecipeError as error:
            faults += [fault for fault in error.faults if fault not in faults]
    if faults:
        raise RecipeError(faults)
    return recipe, plugin


def as_draft(name: str, recipe: Recipe) -> Draft:
    """Return a checked recipe as what trials change."""
    return Draft(name, recipe.model_dump(mode="json"))


def with_values(
    base: Draft, values: Mapping[str, Any], origins: Mapping[str, str] | None = None
) -> Draft:
    """Return the recipe of a trial: a method's name comes before its settings."""
    ordered = sorted(values, key=lambda key: (keys_of(key)[-1] not in NAMED.values(), key))
    found = base.changed([(keys_of(key), values[key]) for key in ordered])
    for key in values:
        found.origins[keys_of(key)] = (origins or {}).get(key, "--set")
    return found


def active(spaces: Spaces, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys that a trial has: those of a method only where its method has them."""
    method = values.get(METHOD, values.get("method"))
    for key in spaces:
        keys = keys_of(key)
        if keys[0] != "method" or keys[1:] == ("name",) or method is None or _has(method, keys):
            yield key


def own_values(spaces: Spaces, recipe: Recipe, plugin: Plugin[Any]) -> dict[str, Any] | None:
    """Return the recipe's own values of the keys that are searched; None where they lie outside.

    What a recipe leaves out has the default of options, method or training arguments.
    """
    found: dict[str, Any] = {METHOD: recipe.method.name}
    for key in active(spaces, found):
        value = _value(keys_of(key), recipe, plugin)
        if not spaces[key].holds(value):
            return None
        found[key] = value
    return {key: found[key] for key in spaces if key in found}


def _value(keys: tuple[str, ...], recipe: Recipe, plugin: Plugin[Any]) -> Any:
    inside: Any = recipe.model_dump(mode="json")
    for key in keys:
        inside = inside.get(key) if isinstance(inside, Mapping) else None
    if inside is not None:
        return inside
    if keys[0] == "training":
        from toolkit.training.arguments import arguments_class

        field = arguments_class(type(plugin)).__dataclass_fields__.get(keys[1])
        return None if field is None else getattr(arguments_class(type(plugin)), keys[1], None)
    model: Any = {"options": type(plugin).Options}.get(keys[0])
    if keys[0] == "method":
        model = methods.get_method(recipe.method.name)
    field = getattr(model, "model_fields", {}).get(keys[1]) if len(keys) == 2 else None
    return None if field is None else field.get_default(call_default_factory=True)


def _fixed(key: str) -> str:
    return next((why for name, why in FIXED.items()
                 if key == name or key.startswith(f"{name}.")), "")  # fmt: skip


def _has(method: Any, keys: tuple[str, ...]) -> bool:
    try:
        return keys[1] in methods.get_method(str(method)).model_fields
    except RecipeError:  # the schema reports the name
        return True


def _method_names(spaces: Spaces) -> list[str]:
    space = spaces.get(METHOD, spaces.get("method"))
    return [str(name) for name in space.edges] if isinstance(space, Choice) else []


def _of_no_method(spaces: Spaces, origins: Mapping[str, str]) -> list[Fault]:
    """Return a fault for each setting that none of the methods has, which are searched."""
    names = [name for name in _method_names(spaces) if name in methods.METHODS]
    if not names:
        return []
    fields = {field for name in names for field in methods.get_method(name).model_fields}
    return [
        Fault(f"{origins[key]} {key}", f"none of the methods {listing(names)} has it."
              f"{nearest(key.split('.')[1], fields)} They have: {listing(sorted(fields), 20)}.")
        for key in spaces
        if keys_of(key)[0] == "method" and keys_of(key)[1] not in {*fields, "name"}
    ]  # fmt: skip


def _corners(spaces: Spaces) -> Iterator[dict[str, Any]]:
    """Yield assignments in which each edge of each space occurs, with each method that has it."""
    key = next((name for name in ("method", METHOD) if name in spaces), None)
    for method in spaces[key].edges if key else [None]:
        first: dict[str, Any] = {} if key is None else {key: method}
        names = list(active(spaces, {METHOD: method} if key else {}))
        first |= {name: spaces[name].edges[0] for name in names if name != key}
        yield first
        for name in names:
            yield from ({**first, name: edge} for edge in spaces[name].edges[1:] if name != key)
