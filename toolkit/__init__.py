"""Fine-tune a pretrained model for an application scenario, and prove what it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.api import load_run, run
    from toolkit.plugin import (
        InputColumn,
        LabelColumn,
        NoOptions,
        Options,
        Plugin,
        TargetColumn,
        TextColumn,
    )
    from toolkit.recipe import Recipe
    from toolkit.runs import Run
    from toolkit.seed_runs import SeedRuns

# Imported when first named, so that `import toolkit` and the listing commands stay instant.
_HOMES = {
    "Column": "toolkit.plugin",
    "Examined": "toolkit.plugin",
    "Curve": "toolkit.reporting.figures",
    "InputColumn": "toolkit.plugin",
    "LabelColumn": "toolkit.plugin",
    "NoOptions": "toolkit.plugin",
    "Options": "toolkit.plugin",
    "Plugin": "toolkit.plugin",
    "Recipe": "toolkit.recipe",
    "Run": "toolkit.runs",
    "SeedRuns": "toolkit.seed_runs",
    "TargetColumn": "toolkit.plugin",
    "TextColumn": "toolkit.plugin",
    "load_run": "toolkit.api",
    "run": "toolkit.api",
}

__all__ = [
    "Column",
    "Curve",
    "Examined",
    "InputColumn",
    "LabelColumn",
    "NoOptions",
    "Options",
    "Plugin",
    "Recipe",
    "Run",
    "SeedRuns",
    "TargetColumn",
    "TextColumn",
    "load_run",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'toolkit' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
