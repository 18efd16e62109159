"""The fields of `TrainingArguments` without its import, which takes seconds."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path

CLASS = "TrainingArguments"


@cache
def field_names() -> tuple[str, ...]:
    """Return the fields of `TrainingArguments`, as its source has them."""
    spec = importlib.util.find_spec("transformers")
    return tuple(
        item.target.id
        for folder in (spec.submodule_search_locations or () if spec else ())
        for node in ast.parse(Path(folder, "training_args.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == CLASS
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    )
