"""Fine-tune a pretrained model for an application scenario, and report how good it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.api import (  # isort: skip
        FoldRuns, Run, RunComparison, SeedRuns, Sweep, check, compare, evaluate, export, load_run,
        recipes, run, sweep,
    )  # fmt: skip
    from toolkit.errors import ToolkitError, UserError
    from toolkit.evaluation.baselines import FittedBaseline
    from toolkit.models import pretrained
    from toolkit.plugin import Plugin
    from toolkit.plugin_types import (  # isort: skip
        Baseline, BaselineData, BaselineResult, Box, Column, Curve, InputColumn, LabelColumn,
        ListColumn, ListTargetColumn, MarkedImage, MarkedText, NoOptions, NumberColumn,
        ObjectColumn, Options, PredictionFile, ReshapedRows, RowInspection, Series, SideBySide,
        Sound, Span, Table, TargetColumn, TextColumn, open_file,
    )  # fmt: skip
    from toolkit.recipe import spaces
    from toolkit.recipe.schema import Recipe
    from toolkit.utils.packages import __version__ as __version__

__all__ = [
    "Baseline", "BaselineData", "BaselineResult", "Box", "Column", "Curve", "FittedBaseline",
    "FoldRuns", "InputColumn", "LabelColumn", "ListColumn", "ListTargetColumn", "MarkedImage",
    "MarkedText", "NoOptions", "NumberColumn", "ObjectColumn", "Options", "Plugin",
    "PredictionFile", "Recipe", "ReshapedRows", "RowInspection", "Run", "RunComparison",
    "SeedRuns", "Series", "SideBySide", "Sound", "Span", "Sweep", "Table", "TargetColumn",
    "TextColumn", "ToolkitError", "UserError", "check", "compare", "evaluate", "export",
    "load_run", "open_file", "pretrained", "recipes", "run", "spaces", "sweep",
]  # fmt: skip
_API = ("FoldRuns", "Run", "RunComparison", "SeedRuns", "Sweep", "check", "compare", "evaluate",
        "export", "load_run", "recipes", "run", "sweep")  # fmt: skip
# Imported when first used, so that `import toolkit` and the listing commands stay fast.
_HOMES = {
    **dict.fromkeys(__all__, "toolkit.plugin_types"),
    **dict.fromkeys(_API, "toolkit.api"),
    **dict.fromkeys(("ToolkitError", "UserError"), "toolkit.errors"),
    "__version__": "toolkit.utils.packages",
    "FittedBaseline": "toolkit.evaluation.baselines",
    "Plugin": "toolkit.plugin",
    "Recipe": "toolkit.recipe.schema",
    "pretrained": "toolkit.models.pretrained",
    "spaces": "toolkit.recipe.spaces",
}


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'toolkit' has no attribute {name!r}")
    import importlib

    home = importlib.import_module(_HOMES[name])
    return home if _HOMES[name].endswith(f".{name}") else getattr(home, name)
