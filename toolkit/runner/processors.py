"""The tokenizer of a model from scratch: trained once, and kept in the run's folder to resume by.

Training it again might give another vocabulary, with which the checkpoints would make no sense.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from toolkit.utils.files import settle

FOLDER = "processor"


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
