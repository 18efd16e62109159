"""Write recipe-reference.md from the code: `python docs/make_recipe_reference.py`.

The keys of a recipe come from toolkit/recipe/schema.py, options from the built-in scenarios, and
settings of methods from toolkit/models/methods/.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from toolkit.models.methods import METHODS, get_method
from toolkit.plugin import get
from toolkit.plugin_types import column_markers
from toolkit.recipe import schema

PAGE = Path(__file__).parent / "recipe-reference.md"
SCENARIOS = (
    "text-classification",
    "image-classification",
    "image-segmentation",
    "object-detection",
    "question-answering",
    "token-classification",
    "translation",
    "summarization",
    "fraud-detection",
)
BLOCKS = {"": schema.Recipe, "model": schema.ModelSpec, "data": schema.DataSpec,
          "data.split": schema.SplitSpec, "report": schema.ReportSpec,
          "only_for": schema.OwnSettings}  # fmt: skip
#: Of what the classes say of themselves only, not of each key.
SAID = {
    "scenario": "name of the plugin", "description": "one line, for `toolkit list` and the report",
    "model": "a Hub id, a folder, or the block below", "data": "the block below",
    "method": "a name, or a block with its settings below", "report": "the block below",
    "model.id": "Hub id or folder of a pretrained model",
    "model.revision": "branch, tag or commit of a Hub id",
    "data.source": "file, folder, list of files, map of split to file(s), "
                   "`hub:owner/name[:config][@revision]` or `plugin:name[?key=value]`; "
                   "paths are relative to the recipe's file ([data.md](data.md))",
    "report.metrics": "metrics to report; the first is the main metric",
    "report.slices": "columns: test scores are also given for each of their values",
    "only_for.data": "keys that are left out with other data",
    "only_for.model": "keys that are left out with another model",
}  # fmt: skip
HEAD = """# Recipe reference: all settings (hyperparameters, options, data)

A recipe is a YAML file. This page lists each key that it can have, with type and default. It is
written by `python docs/make_recipe_reference.py` from the code, and a test compares them.

```yaml
scenario: text-classification
model: sentence-transformers/all-MiniLM-L6-v2
data: {source: tickets.csv, split: {test: 0.2, validation: 0.1, stratify: true}}
options: {text: message, label: team}
method: {name: lora, rank: 8}
training: {num_train_epochs: 3, learning_rate: 1.0e-3, gradient_accumulation_steps: 2}
report: {metrics: [accuracy, f1_macro], slices: [channel]}
seed: 42
```

Set a key for one run with `--set`, for example `--set training.learning_rate=1e-4`.
`toolkit check RECIPE` reports every unknown key and wrong value at once. How to choose values:
[choose-settings.md](choose-settings.md).
"""
TRAINING = """
## `training`: hyperparameters

Every field of transformers'
[TrainingArguments](https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments)
is a key: `learning_rate`, `num_train_epochs`, `per_device_train_batch_size`,
`gradient_accumulation_steps` (gradient accumulation), `warmup_steps`, `weight_decay`,
`lr_scheduler_type`, `label_smoothing_factor`, `bf16` and `fp16` (mixed precision), and so on. These
keys come in addition: `early_stopping_patience` (validations without improvement),
`early_stopping_threshold`, `rows_per_step` (rows of an optimizer step over all processes; the
accumulation follows from it), `max_tokens_per_batch` (of a forward pass; the rows of a step are
divided) and `step` (`auto`, `eager`, `captured`, `compiled` or `unpadded`: how steps run,
[speed.md](speed.md)). `per_device_train_batch_size: auto`, the default, takes a step's rows in one
pass, or as many as fit into memory. Where the folder goes, the seed and what is pushed are not set
here.
"""
METHOD = """
## `method`: settings of fine-tuning methods

What each method does: [methods.md](methods.md).
"""


def page() -> str:
    """Return the page made of the code as it is now."""
    parts = [HEAD]
    for prefix, block in BLOCKS.items():
        title = f"`{prefix}`" if prefix else "The whole recipe"
        parts.append(f"\n## {title}\n\n{_table(block, prefix, _described(block))}")
    parts.append(TRAINING)
    for name in SCENARIOS:
        options = get(name).Options
        said = {key: field.description or "" for key, field in options.model_fields.items()}
        for key, marker in column_markers(options).items():
            said[key] += f" ({marker.role})" if marker.role in ("input", "target") else ""
        parts.append(f"\n## `options` of {name}\n\n{_table(options, 'options', said)}")
    return "\n".join([*parts, METHOD, _methods()]).replace("\n\n\n", "\n\n")


def _table(block: type[BaseModel], prefix: str, said: Mapping[str, str]) -> str:
    rows = _rows(block, prefix, said)
    return "\n".join(["| key | type | default | what it is |", "|---|---|---|---|", *rows, ""])


def _rows(block: type[BaseModel], prefix: str, said: Mapping[str, str]) -> Iterator[str]:
    """Yield the row of each key, and of the keys inside of it where they are described."""
    for name, field in block.model_fields.items():
        key = f"{prefix}.{name}".lstrip(".")
        yield _row(key, field, said.get(name, ""))
        for inner in (field.annotation, *typing.get_args(field.annotation)):
            if inspect.isclass(inner) and issubclass(inner, BaseModel):
                within = {n: known.description for n, known in inner.model_fields.items()}
                if all(within.values()):
                    yield from _rows(inner, key, within)


def _methods() -> str:
    """Return one table of the settings of all methods; the same ones of several share a row."""
    first = _row("method.name", schema.MethodSpec.model_fields["name"], "which method")
    having: dict[str, list[str]] = {first: ["all"]}
    for name in METHODS:
        method = get_method(name)
        said = _described(method)
        for key, field in method.model_fields.items():
            having.setdefault(_row(f"method.{key}", field, said[key]), []).append(f"`{name}`")
    rows = [f"{row} {', '.join(names)} |" for row, names in having.items()]
    head = ["| key | type | default | what it is | methods |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _row(key: str, field: FieldInfo, said: str) -> str:
    cells = (f"`{key}`", _type(field.annotation), _default(field), SAID.get(key, said))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _described(block: type[BaseModel]) -> dict[str, str]:
    """Return key -> what the docstrings of a class and of its bases say: `key, key: text`."""
    found: dict[str, str] = {}
    for cls in block.__mro__:
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            keys = "|".join(cls.model_fields)
            text = " ".join(inspect.cleandoc(cls.__doc__ or "").split())
            mark = rf"(?:^|(?<=[.)]\s))((?:{keys})(?:, (?:{keys}))*): " if keys else r"(?!)()"
            _, *pairs = re.split(mark, text)
            for names, what in zip(pairs[::2], pairs[1::2], strict=True):
                for name in names.split(", "):
                    found.setdefault(name, what.strip().rstrip("."))
    return found


def _type(annotation: Any) -> str:
    return ", ".join(dict.fromkeys(_types(annotation)))


def _types(annotation: Any) -> Iterator[str]:
    """Yield the words of a type for people who write YAML."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    words = {str: "text", int: "integer", float: "number", bool: "true or false",
             type(None): "null", Any: "anything"}  # fmt: skip
    if origin is typing.Annotated:
        yield from _types(inside[0])
    elif origin in (typing.Union, types.UnionType):
        for part in inside:
            yield from _types(part)
    elif origin is typing.Literal:
        yield from (f"`{value!s}`" if value != "" else "null" for value in inside)
    elif origin in (list, tuple):
        yield f"list of {_type(inside[0])}"
    elif origin is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        yield "block"
    elif isinstance(annotation, enum.EnumMeta):
        yield from (f"`{member.value}`" for member in annotation)
    else:
        yield words.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        given = value.model_dump(exclude_none=True, exclude_defaults=True)
        return f"`{given}`" if given else ""
    if value is None or value in ({}, [], ""):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
