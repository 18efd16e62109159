"""Plain weights: an adapter merged into its base model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from toolkit.errors import UserError
from toolkit.models import adapters, methods
from toolkit.models.auto import load_saved
from toolkit.runs.folder import Run
from toolkit.runs.predictor import plugin_of, recipe_of, trained_on


def merged(run: Run, folder: Path) -> str:
    """Write a plain model: an adapter is merged into its base model."""
    source = run.path / "model"
    if not (source / adapters.CONFIG).is_file():
        if not (source / "config.json").is_file():
            what = "it holds neither config.json nor an adapter's"
            raise UserError(f"{source} is not a model: {what}")
        shutil.copytree(source, folder)
        return "method without adapters: the run's model is plain already, and was copied"
    from toolkit.reporting import card

    plain_model(run).save_pretrained(folder)
    copy_beside(source, folder)
    (folder / "README.md").write_text(card.card(run.record, merged=True), encoding="utf-8")
    return "the adapter was merged into its base model"


def plain_model(run: Run) -> Any:
    """Return a run's model; an adapter is merged into its base model."""
    folder = run.path / "model"
    if not (folder / adapters.CONFIG).is_file():
        return load_saved(plugin_of(run.path))
    method = methods.method_for(recipe_of(run.path).method)
    return adapters.merged(folder, method, trained_on(run.path))


def copy_beside(source: Path, folder: Path) -> None:
    """Copy the files of a model's folder but weights and config: tokenizer, processor, ..."""
    own = ("README.md", "config.json", adapters.CONFIG)
    for file in source.iterdir():
        if file.is_file() and file.name not in own and file.suffix != ".safetensors":
            shutil.copy2(file, folder)
