"""Steps compiled by torch.compile, for batches of any length."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from toolkit.training.checked import Checked
from toolkit.training.eager import Inputs


class Compiled(Checked):
    """Takes steps on the compiled model; validation and saving see the model itself."""

    name = "compiled"
    doing = "compiling"

    def __init__(
        self, trainer: Any, model: Any, note: str | None = None, backend: str = "inductor"
    ) -> None:
        """Compile nothing yet: that takes a minute, at the first batch.

        Args:
            backend: of torch.compile.
        """
        super().__init__(trainer, model, note)
        self.backend, self.compiled = backend, None

    def changed(self, inputs: Inputs) -> AbstractContextManager[Any]:
        """Return a context with the compiled model."""
        if self.compiled is None:
            torch.compiler.reset()  # earlier models of this process count towards its limit
            compiled: Any = torch.compile(self.model, dynamic=True, backend=self.backend)
            self.compiled = compiled
        return nullcontext(self.compiled)
