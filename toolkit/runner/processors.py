"""What is saved beside a model; and the tokenizer of one from scratch, kept to resume by.

Training that again might give another vocabulary, with which the checkpoints would make no sense.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from toolkit.models import adapters
from toolkit.plugin import Plugin
from toolkit.runs.predictor import KEPT
from toolkit.utils import jsonable
from toolkit.utils.files import settle

FOLDER = "processor"


def save_beside(plugin: Plugin[Any], folder: Path) -> None:
    """Save a plugin's processor, calibration and statistics of the training rows."""
    if plugin.processor is not None:
        plugin.processor.save_pretrained(folder)
    for attribute, name in KEPT.items():
        if values := getattr(plugin, attribute):
            text = json.dumps(dict(values), indent=2, default=jsonable.plain)
            (folder / name).write_text(text + "\n", encoding="utf-8")


def save_all_but_weights(plugin: Plugin[Any], folder: Path) -> None:
    """Save what metrics and rows are read with, and the model's config: a trial keeps no more."""
    folder.mkdir(exist_ok=True)
    config = getattr(adapters.inner(plugin.model), "config", None)
    if config is not None and hasattr(config, "save_pretrained"):
        config.save_pretrained(folder)
    save_beside(plugin, folder)


def keep(processor: Any, run: Path) -> None:
    """Save a processor in a run's folder, unless one is there; removed when the run has ended."""
    if processor is not None and not (run / FOLDER).exists():
        partial = run / f"{FOLDER}.partial"
        processor.save_pretrained(partial)
        settle(partial)
        os.replace(partial, run / FOLDER)


def kept(run: Path | None) -> Any:
    """Return the kept processor, or None for what has no tokenizer or no Auto class loads."""
    from transformers import AutoProcessor

    if run is None or not (run / FOLDER / "tokenizer_config.json").is_file():
        return None
    try:
        return AutoProcessor.from_pretrained(run / FOLDER)  # type: ignore[no-untyped-call]  # theirs
    except Exception:  # whatever transformers raises over a class that it does not know
        return None
