"""Offline mode: only local folders, caches and mirrors are used."""

from __future__ import annotations

import os
import sys


def go() -> None:
    """Keep this process and its children from contacting the Hub."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    # The libraries read the environment at import, which may already have happened.
    for name in ("huggingface_hub.constants", "datasets.config"):
        for switch in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
            if hasattr(sys.modules.get(name), switch):
                setattr(sys.modules[name], switch, True)
