"""Every parameter is trained (Devlin et al. 2019, section 3.2: fine-tuning)."""

from __future__ import annotations

from typing import Any

from toolkit.methods import Method


class Full(Method):
    """All parameters; there is nothing to set."""

    def apply(self, model: Any) -> Any:
        """Return the model with every parameter trainable."""
        model.requires_grad_(True)
        return model


METHOD = Full
