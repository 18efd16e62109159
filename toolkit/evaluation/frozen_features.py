"""What a pretrained model, frozen, says: its last layer, of each token or averaged over a row."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation.batches import batch_maker, by_length, records
from toolkit.evaluation.metrics.encoding import Floats
from toolkit.plugin_types import Ints

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin

BATCH = 64
Encode = Callable[[list[dict[str, Any]]], Floats]


#: Prepared rows -> their last layer, shape (rows, tokens, width), padded on the right.
States = Callable[[list[dict[str, Any]]], Floats]


def token_states(plugin: Plugin[Any]) -> States:
    """Return the function from prepared rows to the states of their tokens."""
    run = _runner(plugin)
    return lambda rows: np.asarray(run(rows)[0].cpu().numpy(), np.float32)


def encoder(plugin: Plugin[Any]) -> Encode:
    """Return the function from prepared rows to features, shape (rows, width), on its device."""
    run = _runner(plugin)

    def encode(rows: list[dict[str, Any]]) -> Floats:
        states, mask = run(rows)
        if mask is not None and states.ndim == 3:
            weights = mask.unsqueeze(-1).float()
            pooled = (states * weights).sum(1) / weights.sum(1).clamp(min=1)
        else:
            pooled = states.flatten(2).mean(-1) if states.ndim == 4 else states.mean(1)
        return np.asarray(pooled.cpu().numpy(), np.float32)

    return encode


def _runner(plugin: Plugin[Any]) -> Callable[[list[dict[str, Any]]], tuple[Any, Any]]:
    """Return the function from prepared rows to the last layer, and the mask of what is padding."""
    import torch

    from toolkit.utils.hardware import bf16_supported

    trained = next(plugin.model.parameters()).device
    model = plugin.load_model().to(trained).eval()
    make = batch_maker(plugin, model, with_labels=False)
    kind, bf16 = trained.type, bf16_supported()

    def run(rows: list[dict[str, Any]]) -> tuple[Any, Any]:
        batch = make(rows)
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=bf16):
            states = model.base_model(**batch)
        states = getattr(states, "last_hidden_state", states[0]).float()
        mask = batch.get("attention_mask")
        if mask is not None and mask.shape[1] != states.shape[1]:  # of samples, not of states
            shorter = getattr(model.base_model, "_get_feature_vector_attention_mask", None)
            mask = shorter(states.shape[1], mask) if shorter else None
        return states, mask

    return run


def encoded(
    encode: Encode,
    split: datasets.Dataset,
    order: Ints,
    deadline: float,
) -> tuple[Floats, Ints]:
    """Return features and numbers of the rows that were encoded before the deadline."""
    features: list[Floats] = []
    taken: list[int] = []
    for start in range(0, len(order), 16 * BATCH):
        window = split.select(order[start : start + 16 * BATCH])
        batches = list(by_length(window, range(len(window)), BATCH))
        # In random order, so that stopping early does not depend on the length of rows.
        for place in np.random.default_rng(start).permutation(len(batches)):
            features.append(encode(records(window, batches[place])))
            taken += [int(order[start + row]) for row in batches[place]]
            if time.monotonic() > deadline:
                return np.concatenate(features), np.array(taken)
    return np.concatenate(features), np.array(taken)
