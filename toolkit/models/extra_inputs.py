"""One more input of a model's forward, which Trainer and collator pass on from a column."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datasets


def without(split: datasets.Dataset, name: str) -> datasets.Dataset:
    """Return a split without a column, which an earlier attempt at training may have added."""
    return split.remove_columns(name) if name in split.column_names else split


@contextmanager
def extra_input(
    model: Any,
    name: str,
    before: Callable[[Any], object] = lambda value: None,
    after: Callable[[Any, Any], Any] = lambda outputs, value: outputs,
) -> Iterator[None]:
    """Let `model(..., name=value)` be called; Trainer keeps a column of that name in the batch.

    Args:
        before: is given the value (None where there is none) before the forward pass.
        after: is given outputs and value, and returns the outputs.
    """
    original = model.forward
    signature = inspect.signature(original)

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        value = kwargs.pop(name, None)
        before(value)
        return after(original(*args, **kwargs), value)

    # A method with the signature of one: Trainer reads it, and accelerate wraps and unwraps it.
    parameters = [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY),
        *signature.parameters.values(),
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None),
    ]
    forward.__signature__ = signature.replace(  # type: ignore[attr-defined]  # functions take it
        parameters=sorted(parameters, key=lambda parameter: parameter.kind)
    )
    model.forward = MethodType(forward, model)
    try:
        yield
    finally:
        model.__dict__.pop("forward", None)
