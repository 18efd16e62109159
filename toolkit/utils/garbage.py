"""Python's garbage collector, where looking through all objects is of no use."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held() -> Iterator[None]:
    """Collect nothing inside, where libraries are imported: what modules hold stays anyway.

    As their objects are made, the collector would look through those before them again and again.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def keep_to_the_end() -> None:
    """Collect nothing of what there is now: the process ends, and gives all of it back at once."""
    gc.freeze()
