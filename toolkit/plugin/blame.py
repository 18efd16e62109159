"""An unexpected exception as an error that names the plugin's hook, file and line."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from toolkit.errors import HookError, ToolkitError
from toolkit.plugin.contract import Plugin


@contextmanager
def blamed(plugin: Plugin[Any], *, own_lines: bool = False) -> Iterator[None]:
    """Raise as HookError what the code of a plugin raises; the toolkit's own errors pass.

    Args:
        own_lines: only what its own lines raise, not the libraries that they call.
    """
    try:
        yield
    except ToolkitError:
        raise
    except Exception as error:
        found = blame(error, plugin, own_lines=own_lines)
        if found is None:
            raise
        raise found from error


def blame(error: BaseException, plugin: Plugin[Any], own_lines: bool = False) -> HookError | None:
    """Return the error for an exception that passed through a plugin's code, otherwise None."""
    cls, found = type(plugin), None
    package, hooks = cls.__module__.partition(".")[0], []
    for frame, line in traceback.walk_tb(error.__traceback__):
        code, module = frame.f_code, frame.f_globals.get("__name__", "")
        hook = next((name for owner in cls.__mro__ if owner.__module__ == module
                     and not issubclass(Plugin, owner)
                     and (name := _below(owner, code.co_qualname))), None)  # fmt: skip
        hooks += [hook] if hook else []
        own = hook is not None or module.partition(".")[0] == package
        if own:
            found = f"{code.co_filename}, line {line}"
    if found is None or (own_lines and not own):
        return None
    where = f"{cls.__name__}.{hooks[0]}" if hooks else cls.__name__
    return HookError(f"{where} fails in {found}: {type(error).__name__}: {error}")


def _below(owner: type[Any], name: str) -> str:
    """Return the name of the method whose code (or a function within it) this is, or ""."""
    prefix = f"{owner.__qualname__}."
    return name.removeprefix(prefix).partition(".")[0] if name.startswith(prefix) else ""
