"""In which settings runs differ, by the recipes that they began with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from toolkit.errors import UserError
from toolkit.recipe.yaml_text import construct
from toolkit.runs.folder import EVALUATES, Run, run_of
from toolkit.runs.restore import RECIPE, SETTINGS
from toolkit.runs.seed_folder import SeedRuns

WORDS = ("description", "only_for")  # they change nothing in a run


class Setting(NamedTuple):
    """A key of the recipe that is not the same in two runs; None where a recipe lacks it."""

    key: str
    reference: Any
    value: Any


def differing(reference: Run | SeedRuns, other: Run | SeedRuns) -> list[Setting]:
    """Return the settings that differ between the recipes of two runs, or of runs of several seeds.

    Rows of train and the revision of the model are among them: other data, or another version of
    the same model, changes nothing in a recipe.
    """
    one, two = _settings(reference), _settings(other)
    return [Setting(key, one.get(key), two.get(key))
            for key in dict.fromkeys([*one, *two]) if one.get(key) != two.get(key)]  # fmt: skip


def _settings(run: Run | SeedRuns) -> dict[str, Any]:
    record = run.record
    evaluated = record.get(EVALUATES)
    try:
        begun = Run(run_of(run.path)) if evaluated else run  # an evaluation has its run's recipe
        text = begun.record.get(SETTINGS) or (begun.path / RECIPE).read_text(encoding="utf-8")
        found = construct(text) if isinstance(text, str) else None
    except (
        OSError,
        ValueError,
        RecursionError,
        yaml.YAMLError,
        UserError,
    ):  # the scores are there still
        found = None
    flat = dict(_flat(found)) if isinstance(found, Mapping) else {}
    flat = {key: value for key, value in flat.items() if key.split(".")[0] not in WORDS}
    if isinstance(run, SeedRuns):
        return {key: value for key, value in flat.items() if key != "seed"}
    if evaluated:
        flat |= {key: evaluated.get(key) for key in ("runtime", "dtype")}
    flat["rows of train"] = record["data"]["rows"].get("train")
    return flat | {"revision of the model": record["model"]["revision"]}


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield ("training.learning_rate", 0.001) of nested mappings."""
    for key, value in values.items():
        name = f"{path}.{key}".lstrip(".")
        if isinstance(value, Mapping) and value:
            yield from _flat(value, name)
        else:
            yield name, value
