"""Facts of the model card beyond the scores: licence, languages, columns, classes, how to load."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from toolkit.models import adapters
from toolkit.models.auto import auto_class_of
from toolkit.plugin_types import columns
from toolkit.recipe.yaml_text import construct
from toolkit.utils.text import printable_line

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin

MOST_CHARACTERS = 200_000  # of a base model's card
MOST_CLASSES = 1000
LICENCE = re.compile(r"[a-z0-9][a-z0-9.\-+]{0,60}")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?|code|multilingual")
FILES = {  # what a processor has saved -> the class that loads it
    "processor_config.json": "AutoProcessor",
    "tokenizer_config.json": "AutoTokenizer",
    "preprocessor_config.json": "AutoImageProcessor",
}


def base_card(folder: Path) -> dict[str, Any]:
    """Return licence and languages as the card in a model's folder has them; {} if it has none.

    The card is outside text: what does not look like a licence or a language is left out.
    """
    try:
        with (folder / "README.md").open(encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS)
        front = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", text, re.S)
        values = construct(front[1]) if front else {}
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    if not isinstance(values, Mapping):
        return {}
    given, licence = values.get("language"), values.get("license")
    languages = [one for one in (given if isinstance(given, list) else [given])
                 if isinstance(one, str) and LANGUAGE.fullmatch(one)]  # fmt: skip
    found: dict[str, Any] = {"languages": languages} if languages else {}
    if isinstance(licence, str) and LICENCE.fullmatch(licence):
        found["license"] = licence
        more = ("license_name", "license_link") if licence == "other" else ()
        found |= {key: printable_line(values[key])[:300] for key in more
                  if isinstance(values.get(key), str)}  # fmt: skip
    return found


def collect(
    plugin: Plugin[Any], train: datasets.Dataset, pretrained: Path, saved: Path
) -> dict[str, Any]:
    """Return what run.json keeps for the card (see `runs.record.Card`), when the model is saved.

    Args:
        train: rows of the training split, as read.
        pretrained: folder of the model that was fine-tuned. saved: folder of what became of it.
    """
    targets = list(dict.fromkeys(columns(plugin.options, "target").values()))
    config = getattr(adapters.inner(plugin.model), "config", None)
    names = getattr(config, "id2label", None) or {}
    known = set(map(str, names.values()))
    licence = getattr(train.info, "license", None)
    return {
        "base": base_card(pretrained),
        "inputs": list(dict.fromkeys(columns(plugin.options, "input").values())),
        "targets": targets,
        "classes": _class_rows(train, targets[0], known) if targets else {},
        "data_license": printable_line(licence)[:300] if licence else None,
        "task": plugin.task,
        "usage": None if adapters.is_adapter(plugin.model) else _usage(saved, plugin),
    }


def _class_rows(split: datasets.Dataset, column: str, known: set[str]) -> dict[str, int]:
    """Return class -> rows, for a column of classes that the model knows; otherwise {}."""
    from toolkit.data.columns import tables

    if column not in split.column_names or not 1 < len(known) <= MOST_CLASSES:
        return {}
    feature = split.features[column]
    feature = getattr(feature, "feature", feature)
    counts: Counter[str] = Counter()
    for table in tables(split, [column]):
        for value in table[column].to_pylist():
            for one in value if isinstance(value, list) else [value]:
                name = feature.int2str(one) if hasattr(feature, "int2str") and one >= 0 else one
                counts[str(name)] += 1
        if not set(counts) <= known:
            return {}
    return dict(counts.most_common())


def _usage(folder: Path, plugin: Plugin[Any]) -> str | None:
    """Return lines of Python that load a saved model without toolkit; None if there are none."""
    try:
        auto = auto_class_of(folder).__name__
    except Exception:  # not a model of transformers' own: nothing is promised
        return None
    lines = ["import transformers"]
    if not type(plugin.model).__module__.startswith("transformers."):
        lines.append(f"import {type(plugin).__module__}  # registers the model with transformers")
    lines += [
        "",
        'folder = "model"  # of the run; where it is published, its name there',
        f"model = transformers.{auto}.from_pretrained(folder).eval()",
    ]
    loads = next((name for file, name in FILES.items() if (folder / file).is_file()), None)
    if loads is not None and type(plugin.processor).__module__.startswith("transformers."):
        lines.append(f"processor = transformers.{loads}.from_pretrained(folder)")
    return "\n".join(lines)
