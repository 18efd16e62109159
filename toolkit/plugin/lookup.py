"""A scenario's plugin class by name, refused where it is for another version of the contract."""

from __future__ import annotations

import inspect
from typing import Any

from toolkit import registry
from toolkit.errors import PluginError
from toolkit.plugin.contract import API_VERSION, Plugin
from toolkit.utils.text import listing

#: Hooks of version 1 that have another name now.
RENAMED = {
    "examine": "inspect_rows",
    "derive": "add_features",
    "keep": "reduce_chunk",
    "margin": "decision_margin",
    "floors": "baselines",
}


def get(name: str) -> type[Plugin[Any]]:
    """Return the plugin class of a scenario, importing it.

    Raises:
        PluginError: unknown or duplicate name, a failing import, a class that is no Plugin, or one
            written for another version of the contract.
    """
    point = registry.resolve(registry.GROUP, name)
    entry, found = registry.entry(point), registry.load(point)
    what = registry.describe(registry.GROUP, entry)
    if not (isinstance(found, type) and issubclass(found, Plugin)):
        raise PluginError(f"{what} is not a subclass of toolkit.Plugin but {found!r}.")
    _refuse_other_versions(found, what, entry.distribution)
    if found.__abstractmethods__:
        raise PluginError(f"{what} does not define {listing(sorted(found.__abstractmethods__))}.")
    return found


def _refuse_other_versions(cls: type[Plugin[Any]], what: str, distribution: str) -> None:
    """Raise PluginError for a class of an older contract, with what has changed since."""
    # A class that declares no version inherits the current one: older hooks tell, too.
    own = {name: cls.__dict__[name] for cls in reversed(cls.__mro__)
           if not issubclass(Plugin, cls) for name in cls.__dict__}  # fmt: skip
    old = [f"{name} is {RENAMED[name]} now" for name in RENAMED if name in own]
    decode = own.get("decode")
    if inspect.isfunction(decode) and len(inspect.signature(decode).parameters) == 3:
        old.append("decode takes (outputs, rows, prepared)")
    if cls.api_version == API_VERSION and not old:
        return
    changes = f" ({'; '.join(old)})" if old else ""
    raise PluginError(
        f"{what} is written for api_version {1 if old else cls.api_version!r}; this toolkit has "
        f"{API_VERSION}{changes}: install a version of {distribution} that fits, or change it as "
        "'Changes of the contract' in CONTRIBUTING.md says."
    )
