"""No network: what is not in a folder, a cache or a mirror is missing, and said to be at once."""

from __future__ import annotations

import os
import sys


def go() -> None:
    """Keep this process, and those that it starts, from asking the Hub for anything."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    # They read the environment when they are imported, which may have been before.
    for name, switch in (
        ("huggingface_hub.constants", "HF_HUB_OFFLINE"),
        ("datasets.config", "HF_HUB_OFFLINE"),
        ("datasets.config", "HF_DATASETS_OFFLINE"),
    ):
        module = sys.modules.get(name)
        if module is not None and hasattr(module, switch):
            setattr(module, switch, True)
