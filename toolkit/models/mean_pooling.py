"""Mean pooling for a model whose head reads its first token: one more block, loaded like any other.

Sentence encoders are trained to be read as the mean of their tokens, but the standard
classification heads read the first token. A transformer block can hold the mean: with queries and
keys at zero its attention is the same for every token, so values and output projection at the
identity hand the mean of all tokens to the first one; a large factor on the output drowns the
residual beside it, and the layer norm takes the factor away again. What comes out is
layer_norm(mean of tokens), from a plain model with one block more in its config.

Which of a block's layers are values and output is found by trying: no names are assumed, and a
model on whose block it cannot be done (norms before the sublayers, no attention) is told so.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import permutations
from typing import Any

import torch
from torch import nn

from toolkit.errors import Fault, RecipeError
from toolkit.evaluation.predicting import evaluating
from toolkit.models import linear_probe, structure

FACTOR = 1000.0  # on the mean, beside the first token's own state
CLOSE = 0.05  # of features of unit variance
# A layer with a bend between block and head (tanh, relu, gelu): a slope and an offset for which
# it is nearly straight.
STRAIGHT = ((0.1, 0.0), (1.0, 20.0))


def add_mean_pooling(model: Any, head: Any, batch: Mapping[str, Any]) -> None:
    """Append a block that makes the first token the mean of all, and straighten the way to `head`.

    Args:
        head: the linear layer that makes the logits.
        batch: some rows as the model takes them, on which what is built is checked.

    Raises:
        RecipeError: this architecture's blocks cannot hold it.
    """
    lists = {name.rpartition(".")[0] for name in structure.find_structure(model).blocks}
    blocks: Any = model.get_submodule(lists.pop()) if len(lists) == 1 else None
    if not isinstance(blocks, nn.ModuleList):
        raise _refused("it has no single list of blocks")
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    with torch.inference_mode():
        wanted = _mean(model, inputs)
    block: Any = copy.deepcopy(blocks[-1])
    blocks.append(block)
    model.config.num_hidden_layers += 1
    width = wanted.shape[-1]
    square: list[Any] = [m for m in block.modules() if _is_square(m, width)]
    for values, output in permutations(square, 2):
        _blank(block)
        with torch.no_grad():
            values.weight.copy_(torch.eye(width))
            output.weight.copy_(FACTOR * torch.eye(width))
        if _holds(model, inputs, wanted):
            return _straighten(model, head, inputs, wanted, blocks)
    del blocks[-1]
    model.config.num_hidden_layers -= 1
    raise _refused("its blocks do not end in a layer norm, or hold no attention over all tokens")


def _refused(why: str) -> RecipeError:
    what = f"mean cannot be built into this model: {why}; use pooling: model"
    return RecipeError(Fault("method.pooling", what))


def _is_square(module: Any, width: int) -> bool:
    return isinstance(module, nn.Linear) and tuple(module.weight.shape) == (width, width)


def _blank(block: Any) -> None:
    with torch.no_grad():
        for module in block.modules():
            for name, parameter in module.named_parameters(recurse=False):
                norm = isinstance(module, nn.LayerNorm) and name == "weight"
                parameter.fill_(1.0 if norm else 0.0)


def _states(model: Any, inputs: Mapping[str, Any]) -> Any:
    with evaluating(model):
        states = model.base_model(**inputs)[0]
    if states.ndim != 3:
        raise _refused("it has no states of tokens")
    return states.float()


def _mean(model: Any, inputs: Mapping[str, Any]) -> Any:
    states = _states(model, inputs)
    mask = inputs.get("attention_mask", torch.ones(states.shape[:2], device=states.device))
    weights = mask.unsqueeze(-1).float()
    mean = (states * weights).sum(1) / weights.sum(1)
    return nn.functional.layer_norm(mean, mean.shape[-1:])


@torch.inference_mode()
def _holds(model: Any, inputs: Mapping[str, Any], wanted: Any) -> bool:
    """Return whether the first token's state is the mean."""
    first = _states(model, inputs)[:, 0]
    return bool(torch.isfinite(first).all()) and float((first - wanted).abs().max()) < CLOSE


def _straighten(model: Any, head: Any, inputs: Mapping[str, Any], wanted: Any, blocks: Any) -> None:
    """Make square layers between the last block and the head pass their input on."""
    width, others = wanted.shape[-1], {head, *blocks.modules()}
    for between in model.modules():
        if not _is_square(between, width) or between in others:
            continue
        for slope, offset in STRAIGHT:
            with torch.no_grad():
                between.weight.copy_(slope * torch.eye(width))
                if between.bias is not None:
                    between.bias.fill_(offset)
            if _reads(model, head, inputs, wanted):
                break
    if not _reads(model, head, inputs, wanted):
        raise _refused("between its blocks and its head stands more than a pooling layer")


@torch.inference_mode()
def _reads(model: Any, head: Any, inputs: Mapping[str, Any], wanted: Any) -> bool:
    """Return whether the head reads the mean but for a factor and an offset, nearly."""
    with evaluating(model), linear_probe.inputs_of(model, head) as take:
        found = torch.stack(take(inputs))
    if found.shape != wanted.shape:
        return False
    pair = torch.stack([found.flatten(), wanted.flatten()]).double()
    return bool(torch.corrcoef(pair)[0, 1] > 0.99)
