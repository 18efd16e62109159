"""Indices into a model's tables (words, positions, token types), checked before they are looked up.

A table that is too small ends a run in "index out of range", on an accelerator in an error that
takes the whole process with it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import embedding
from torch.overrides import TorchFunctionMode

from toolkit.errors import ModelError


class CheckedTables(TorchFunctionMode):
    """While it is entered, a lookup that a table of the model has no row for is a ModelError."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compare the indices of a lookup with the size of its table, then go on."""
        if func is embedding:
            self._check(*(*args, *(kwargs or {}).values())[:2])
        return func(*args, **(kwargs or {}))

    def _check(self, indices: torch.Tensor, table: torch.Tensor) -> None:
        asked = int(indices.max()) if indices.numel() else -1
        if asked < len(table):
            return
        parameters = self.model.named_parameters() if hasattr(self.model, "parameters") else ()
        name = next((name for name, one in parameters if one is table), "a table")
        raise ModelError(
            f"{name} of {type(self.model).__name__} has {len(table):,} rows, and the data asks for "
            f"number {asked + 1:,}: texts are longer than the model takes (lower max_length), or "
            "the tokenizer beside it is of another model"
        )
