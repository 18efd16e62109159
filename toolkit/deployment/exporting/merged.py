"""Plain weights: an adapter added to the model that it stands on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from toolkit.errors import UserError
from toolkit.models import adapters, methods
from toolkit.runs.folder import Run
from toolkit.runs.predictor import recipe_of, trained_on


def merged(run: Run, folder: Path) -> str:
    """Write a plain model: an adapter's weights added to those that it stands on."""
    source = run.path / "model"
    if not (source / "config.json").is_file() and not (source / adapters.CONFIG).is_file():
        raise UserError(f"{source} is no model: it holds neither config.json nor an adapter's")
    if not (source / adapters.CONFIG).is_file():
        shutil.copytree(source, folder)
        return "method without adapters: the run's model is plain already, and was copied"
    from toolkit.reporting import card
    from toolkit.utils.logging import quiet_libraries, quiet_loggers

    quiet_loggers()
    quiet_libraries()
    recipe = recipe_of(run.path)
    model = adapters.merged(source, methods.method_for(recipe.method), trained_on(run.path))
    model.save_pretrained(folder)
    for file in beside(source):
        shutil.copy2(file, folder)
    (folder / "README.md").write_text(card.card(run.record, merged=True), encoding="utf-8")
    return "the adapter was merged into the model that it stands on"


def beside(source: Path) -> Iterator[Path]:
    """Yield what stands in a model's folder beside weights and config: tokenizer, processor, ..."""
    ours = {"README.md", "config.json", adapters.CONFIG}
    for file in sorted(source.iterdir()):
        if file.name not in ours and file.suffix != ".safetensors":
            yield file
