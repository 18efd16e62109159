"""The keys that `--set` takes, for completion, and for options that only such a key has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from toolkit.training.reserved import OWN, PUBLISHING, RESERVED

if TYPE_CHECKING:
    from pydantic import BaseModel

#: What other command lines call a setting -> its key.
ELSEWHERE = {
    "epochs": "training.num_train_epochs",
    "epoch": "training.num_train_epochs",
    "num_epochs": "training.num_train_epochs",
    "lr": "training.learning_rate",
    "batch_size": "training.per_device_train_batch_size",
    "train_batch_size": "training.per_device_train_batch_size",
    "eval_batch_size": "training.per_device_eval_batch_size",
    "grad_accum": "training.gradient_accumulation_steps",
    "patience": "training.early_stopping_patience",
    "test_size": "data.split.test",
    "validation_size": "data.split.validation",
    "lora_rank": "method.rank",
}
#: ... -> the option that stands for it here.
OPTIONS = {
    "output_dir": "--out DIR", "output": "--out DIR", "dataset": "--data PATH",
    "train_file": "--data PATH", "data_path": "--data PATH", "model_name_or_path": "--model ID",
    "model_name": "--model ID", "resume_from_checkpoint": "--out DIR --resume",
    "num_processes": "--processes N", "nproc_per_node": "--processes N",
    "peft": "--method lora", "lora": "--method lora", "random_seed": "--seed N",
}  # fmt: skip
PUSH = "toolkit push RUN OWNER/NAME, which uploads a finished run"


def advice(option: str) -> str:
    """Return what to write instead of an option that there is not, or "" where nothing is like it.

    Args:
        option: as it was written: `--learning-rate`.
    """
    name = option.lstrip("-").replace("-", "_").lower()
    if name in (*PUBLISHING, "push"):
        return f" Use {PUSH}."
    if name in OPTIONS:
        return f" Use {OPTIONS[name]}."
    if name.endswith("_column"):  # options that name columns are called by what these hold
        return f" Use --set options.{name.removesuffix('_column')}=COLUMN."
    found = [ELSEWHERE[name]] if name in ELSEWHERE else []
    found = found or [key for key in _core_keys() if key.rpartition(".")[2] == name]
    return f" Use --set {found[0]}=VALUE." if found else ""


def complete_setting(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the keys with this prefix: those of the recipe named before, and of its scenario.

    A scenario is imported for keys below `options.` alone, as that takes seconds.
    """
    keys = set(_core_keys())
    # An option without its value leaves the arguments unread.
    recipe = ctx.params.get("recipe") or next(iter(ctx.args), None)
    with suppress(Exception):  # a recipe or a plugin may be broken: completion says nothing
        if "options.".startswith(incomplete) or incomplete.startswith("options."):
            keys |= set(_options(recipe))
        if "method.".startswith(incomplete) or incomplete.startswith("method."):
            keys |= set(_method(ctx.params.get("method"), recipe))
    return [CompletionItem(f"{key}=") for key in sorted(keys) if key.startswith(incomplete)]


def _core_keys() -> Iterator[str]:
    """Yield the keys that are the same for every scenario."""
    from toolkit.recipe import schema
    from toolkit.training.field_names import field_names

    yield from ("description", "seed", "method.name")
    yield from _fields("model", schema.ModelSpec)
    yield from (key for key in _fields("data", schema.DataSpec) if key != "data.split")
    yield from _fields("data.split", schema.SplitSpec)
    yield from _fields("report", schema.ReportSpec)
    training = [*OWN, *(name for name in field_names() if name not in RESERVED)]
    yield from (f"training.{name}" for name in training)


def _fields(block: str, model: type[BaseModel]) -> Iterator[str]:
    return (f"{block}.{name}" for name in model.model_fields)


def _values(recipe: Any) -> dict[str, Any]:
    from toolkit.recipe.library import find_recipe

    return find_recipe(str(recipe)).values if recipe else {}


def _options(recipe: Any) -> Iterator[str]:
    from toolkit.plugin import get

    return _fields("options", get(str(_values(recipe)["scenario"])).Options)


def _method(name: str | None, recipe: Any) -> Iterator[str]:
    from toolkit.models import methods

    if name is None:
        block = _values(recipe).get("method", "full")
        name = str(block.get("name", "full") if isinstance(block, dict) else block)
    return _fields("method", methods.get_method(name))
