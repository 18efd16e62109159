"""Checks of what a plugin is, before anything is trained: listing, hooks, options, recipes."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Iterator

from toolkit.errors import ToolkitError, UserError
from toolkit.testing.subject import Subject
from toolkit.utils.processes import python
from toolkit.utils.text import listing, nearest

TYPO = 0.8  # how similar to a hook's name another one must be to count as misspelt
HEAVY = ("torch", "transformers", "datasets", "sklearn", "pandas")
_LISTS = """
import sys
from toolkit import registry
from toolkit.recipe import library
[item.name for item in library.recipes()], registry.entries()
print(",".join(name for name in {heavy!r} if name in sys.modules))
"""


def listed_without_imports(subject: Subject) -> Iterator[str]:
    """Listing what is installed imports nothing that is slow."""
    command = python("-c", _LISTS.format(heavy=HEAVY))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"listing fails: {done.stderr.strip().splitlines()[-1]}"
    elif done.stdout.strip():
        yield f"listing imports {done.stdout.strip()}"


def hooks_fit(subject: Subject) -> Iterator[str]:
    """The class is a plugin, and its hooks can be called as the contract calls them."""
    from toolkit.plugin import Plugin

    cls = subject.plugin_class
    ours = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == "toolkit"]
    known = {name for base in ours for name in dir(base) if not name.startswith("_")}
    fields = {*Plugin.__annotations__, "api_version"}
    for name in sorted({n for c in cls.__mro__ for n in vars(c) if not n.startswith("_")}):
        own, contract = getattr(cls, name, None), getattr(Plugin, name, None)
        where = f"{cls.__name__}.{name}"
        if name not in known | fields:
            hint = nearest(name, known, TYPO)
            if hint and callable(own):
                yield f"{where} is not a hook.{hint}"
        elif inspect.isfunction(contract) and own is not contract:
            if not inspect.isfunction(own):
                yield f"{where} is {type(own).__name__}: a hook is a method"
                continue
            asked = inspect.signature(contract).parameters
            plain = [n for n, p in asked.items() if p.kind is not p.VAR_KEYWORD]
            try:
                keywords = {} if len(plain) == len(asked) else {"model": None}
                inspect.signature(own).bind(*plain, **keywords)
            except TypeError as error:
                wrong = f"cannot be called with ({', '.join(asked)}): {error}"
                yield f"{where}{inspect.signature(own)} {wrong}"


def options_documented(subject: Subject) -> Iterator[str]:
    """Every option has a description, and the input columns are marked."""
    from toolkit.plugin_types import Options, column_markers

    options = subject.plugin_class.Options
    if not (isinstance(options, type) and issubclass(options, Options)):
        yield f"Options is {options!r}, not a subclass of toolkit.Options"
        return
    if options.model_config.get("extra") != "forbid":
        yield f"{options.__name__} lets unknown keys pass: a typo would be ignored silently"
    markers = column_markers(options)
    if all(mark.role == "target" for mark in markers.values()):
        yield (
            f"{options.__name__} marks no option as a column that the model reads: it cannot be "
            "checked, and overlap cannot be measured"
        )
    for name, field in options.model_fields.items():
        if not field.description and name not in markers:
            yield f"{options.__name__}.{name} has no description"


def recipes_valid(subject: Subject) -> Iterator[str]:
    """The scenario has a default recipe, and every recipe of it is valid and says how to run it."""
    from toolkit.recipe import library
    from toolkit.runner.resolve import resolve_recipe

    found = [r for r in library.recipes() if r.name.partition("/")[0] == subject.scenario]
    if subject.scenario not in [item.name for item in found]:
        names = listing(item.name for item in found)
        yield f"there is no recipes/{subject.scenario}/default.yaml (there is: {names})"
    for item in found:
        text = item.path.read_text(encoding="utf-8")
        if not text.startswith("# toolkit run "):
            yield f"{item.path}: the first line is not the command that runs it (# toolkit run ...)"
        if not library.description(item.path).strip():
            yield f"{item.path}: has no description"
        try:
            resolve_recipe(library.find_recipe(str(item.path)))
        except UserError as error:
            yield from map(str, error.faults)
        except ToolkitError as error:
            yield f"{item.path}: {error}"


def wrong_columns_reported(subject: Subject) -> Iterator[str]:
    """A column that does not exist ends with one message that names it and its option."""
    wrong = "no_such_column"
    for option in _columns(subject):
        if "." in option:  # one of a list
            continue
        found = _answer(subject, ("options", option), wrong)
        if isinstance(found, str):
            yield f"options.{option}={wrong} {found}"
        elif not any(wrong in str(fault) for fault in found.faults):
            yield f"options.{option}={wrong} is answered without naming it: {found}"


def wrong_labels_reported(subject: Subject) -> Iterator[str]:
    """A target column of another type than it takes ends with a message, not in a crash."""
    import datasets

    for option, column in _columns(subject, "target").items():
        rows = datasets.Dataset.from_parquet(str(subject.folder / "train.parquet"))
        odd = [{"neither": {"label": str(n)}} for n in range(len(rows))]
        file = subject.folder / f"odd-{column.replace('/', '_')}.parquet"
        rows.remove_columns(column).add_column(column, odd).to_parquet(file)
        found = _answer(subject, ("data", "source"), str(file))
        if isinstance(found, str):
            yield f"options.{option}: a column of objects {found}"


def _columns(subject: Subject, role: str | None = None) -> dict[str, str]:
    """Return option -> column of the small recipe."""
    from toolkit.plugin_types import columns
    from toolkit.recipe.library import find_recipe
    from toolkit.runner.prepare import import_libraries
    from toolkit.runner.resolve import resolve_recipe

    import_libraries()
    return columns(resolve_recipe(find_recipe(str(subject.small)))[1].options, role)


def _answer(subject: Subject, key: tuple[str, str], value: str) -> UserError | str:
    """Return the error that a wrong value in the recipe gives, or what happens instead."""
    from toolkit.recipe.library import find_recipe
    from toolkit.runner.prepare import prepare

    try:
        prepare(find_recipe(str(subject.small), [(key, value)]))
    except UserError as error:
        return error
    except Exception as error:  # what is under test may raise anything
        return f"ends in {type(error).__name__}: {error}"
    return "goes unnoticed"
