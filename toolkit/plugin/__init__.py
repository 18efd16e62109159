"""The contract between the core and a scenario, and scenarios by name."""

from toolkit.plugin.contract import API_VERSION, Plugin
from toolkit.plugin.lookup import get

__all__ = ["API_VERSION", "Plugin", "get"]
