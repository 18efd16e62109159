"""Cached features in place of a frozen base model, so that a deeper head trains without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from toolkit.errors import TrainingError
from toolkit.evaluation.batches import FEATURE_ROW as COLUMN
from toolkit.models.extra_inputs import extra_input, without
from toolkit.models.features import Features, cached_features
from toolkit.models.method import MethodContext

WINDOW = 512  # rows: their features are a vector for each token


def on_features(model: Any, context: MethodContext) -> AbstractContextManager[None] | None:
    """Compute the token states of train and validation, and return the context that uses them.

    Returns None where the head reads more of the base model than its token states; training then
    runs the frozen model in every epoch.
    """
    prefix = getattr(model, "base_model_prefix", "")
    if not hasattr(model, prefix or "-") or not _only_states(model, context.first_batch(model)):
        context.report.update({"head": "trained", "features": "not kept: the head reads more"})
        return None
    stores, start = [], 0
    for name in ("train", "validation"):
        if name in context.prepared:
            split = without(context.prepared[name], COLUMN)
            store = cached_features(context, model, split, _states_of, "states",
                             excluded=lambda parameter: not parameter.startswith(f"{prefix}."),
                             window=WINDOW)  # fmt: skip
            stores.append(store)
            places = range(start, start + len(split))
            context.prepared[name] = split.add_column(COLUMN, list(places))
            start += len(split)
    cached = all(store.cached for store in stores)
    context.report.update(
        {"head": "trained on features", "features": "from the cache" if cached else "computed"}
    )
    return _standing_in(model, prefix, stores)


def _only_states(model: Any, batch: Mapping[str, Any]) -> bool:
    """Return whether the base model gives the head nothing but the states of its last layer.

    Some heads ask for those of all layers (of segmentation, for one).
    """
    seen: list[Any] = []
    hook = model.base_model.register_forward_hook(lambda *found: seen.append(found[-1]))
    try:
        with torch.inference_mode():
            model(**{k: v for k, v in batch.items() if k != "labels"})
    finally:
        hook.remove()
    outputs = seen[-1] if seen else None
    if not isinstance(outputs, Mapping):
        return False
    found = {name for name, value in outputs.items() if value is not None}
    return found == {"last_hidden_state"} and outputs["last_hidden_state"].ndim == 3


@contextmanager
def _states_of(model: Any) -> Iterator[Any]:
    def take(batch: Mapping[str, Any]) -> list[Any]:
        states = model.base_model(**batch)[0].to(torch.bfloat16).cpu()
        mask = batch.get("attention_mask")
        if mask is None:
            return list(states)
        return [row[kept] for row, kept in zip(states, mask.bool().cpu(), strict=True)]

    yield take


class _Base(nn.Module):
    """Returns the features of the rows named last, at the places of the batch's tokens."""

    def __init__(self, stores: list[Features], real: Any) -> None:
        super().__init__()
        self.stores = stores
        self.config = getattr(real, "config", None)
        self.wanted: Any = None

    def look_up(self, rows: Any) -> None:
        """Note the rows of the next forward pass; raises TrainingError where there are none."""
        if rows is None:
            raise TrainingError(f"the Trainer's collator has lost the column {COLUMN!r}")
        self.wanted = rows

    def forward(self, *inputs: Any, attention_mask: Any = None, **_: Any) -> Any:
        """Return the states, shape (rows, tokens, width), zero where tokens are padding."""
        from transformers.modeling_outputs import BaseModelOutput

        found = [torch.from_numpy(states) for states in self._read(self.wanted.tolist())]
        device = self.wanted.device
        if attention_mask is None:
            return BaseModelOutput(last_hidden_state=torch.stack(found).to(device))
        shape = (*attention_mask.shape, found[0].shape[-1])
        states = torch.zeros(shape, device=device)
        states[attention_mask.bool()] = torch.cat(found).to(device)
        return BaseModelOutput(last_hidden_state=states)

    def _read(self, rows: list[int]) -> list[np.ndarray[Any, Any]]:
        found: dict[int, np.ndarray[Any, Any]] = {}
        start = 0
        for store in self.stores:
            here = [row for row in rows if start <= row < start + len(store)]
            found |= zip(here, store.rows([row - start for row in here]) if here else [],
                         strict=True)  # fmt: skip
            start += len(store)
        return [found[row] for row in rows]


@contextmanager
def _standing_in(model: Any, prefix: str, stores: list[Features]) -> Iterator[None]:
    real = getattr(model, prefix)
    base = _Base(stores, real)
    setattr(model, prefix, base)
    try:
        with extra_input(model, COLUMN, before=base.look_up):
            yield
    finally:
        setattr(model, prefix, real)
