"""One more input for a model's forward, which passes through collator, Trainer and sampler."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datasets


def without(split: datasets.Dataset, name: str) -> datasets.Dataset:
    """Return a split without a column that an earlier attempt at training has added."""
    return split.remove_columns(name) if name in split.column_names else split


@contextmanager
def extra_input(
    model: Any, name: str, use: Callable[[Any], Callable[[Any], Any]]
) -> Iterator[None]:
    """Let `model(..., name=value)` be called; Trainer keeps a column of that name in the batch.

    Args:
        use: is given the value before the forward pass (None where there is none), and returns
            a function that is given the outputs and returns them.
    """
    original = model.forward
    signature = inspect.signature(original)
    extra = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
    parameters = [*signature.parameters.values()]
    rest = [p for p in parameters if p.kind is inspect.Parameter.VAR_KEYWORD]
    named = [p for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        finish = use(kwargs.pop(name, None))
        return finish(original(*args, **kwargs))

    # A method with the signature of one: Trainer reads it, and accelerate wraps and unwraps it.
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    forward.__signature__ = signature.replace(  # type: ignore[attr-defined]  # functions take it
        parameters=[own, *named, extra, *rest]
    )
    model.forward = MethodType(forward, model)
    try:
        yield
    finally:
        model.__dict__.pop("forward", None)
