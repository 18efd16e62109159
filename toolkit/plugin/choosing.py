"""The hook by which one scenario has several plugin classes."""

from __future__ import annotations

from typing import Any


class ChooseHooks:
    """Which class a recipe's options ask for."""

    @classmethod
    def chosen(cls, options: Any) -> type[Any]:
        """Return the plugin class for some options: this one, or another with the same `Options`.

        For options that change what the target is, and with it most hooks.
        """
        return cls
