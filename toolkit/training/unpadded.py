"""Steps without padding: the tokens of a batch side by side, each row attending to its own.

Padding is taken out before the first layer of an encoder and put back, as zeros, after the last;
embeddings and head see the padded batch. Attention goes through transformers' AttentionInterface,
to torch's attention for rows of any length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch

from toolkit.data.columns import numbers
from toolkit.training.checked import Checked
from toolkit.training.eager import Inputs
from toolkit.training.outcomes import UnfitError

ATTENTION = "toolkit_unpadded"  # its name in the AttentionInterface; there is no mask of that name
ROWS = "toolkit_rows"  # under this name, layers hand the rows on to it
#: Settings of models.
DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout")
#: Per token, of what layers get besides the hidden states.
PER_TOKEN = ("position_embeddings", "position_ids")
Attend = Callable[..., torch.Tensor]


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, starts: torch.Tensor, longest: int,
    *, scale: float | None, window: tuple[int, int],
) -> torch.Tensor:  # fmt: skip
    """Attend within rows, by torch's kernel for them. query, key, value: (tokens, heads, size)."""
    from torch.nn.attention.varlen import varlen_attn

    found: Any = varlen_attn(
        query, key, value, starts, starts, longest, longest, scale=scale, window_size=window
    )
    return found  # type: ignore[no-any-return]  # without auxiliary outputs it is a tensor


def attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any,
    *, scaling: float | None = None, dropout: float = 0.0, sliding_window: int | None = None,
    **handed: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """Attend, as transformers calls it: (1, heads, tokens, size) -> (1, tokens, heads, size)."""
    if dropout or getattr(module, "is_causal", False) or ROWS not in handed:
        raise UnfitError("attention has dropout, is causal, or is not that of the layers")
    kind = query.device.type
    wanted = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else value.dtype
    parts = (part[0].transpose(0, 1).to(wanted) for part in (query, key, value))
    around = -1 if sliding_window is None else sliding_window - 1  # it counts the token itself
    rows: _Rows = handed[ROWS]
    found = rows.attend(*parts, rows.starts, rows.longest, scale=scaling, window=(around, around))
    return found[None], None


def layers(model: Any) -> Any:
    """Return the layers of an encoder.

    Raises:
        UnfitError: it is not clear which they are, or attention has dropout.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    text = model.config.get_text_config()
    lists = [part for part in model.modules() if isinstance(part, torch.nn.ModuleList)]
    stacks = [part for part in lists if len(part) == text.num_hidden_layers
              and all(isinstance(layer, GradientCheckpointingLayer) for layer in part)]  # fmt: skip
    if len(stacks) != 1 or getattr(text, "is_decoder", False) or text.is_encoder_decoder:
        raise UnfitError(f"{type(model).__name__} is no encoder with one stack of layers")
    if any(getattr(text, name, 0) for name in DROPOUTS):
        raise UnfitError("attention has dropout")
    return stacks[0]


def fits(model: Any) -> bool:
    """Return whether a model looks like one whose padding can be taken out."""
    try:
        layers(model)
    except (UnfitError, AttributeError):  # a model without such settings
        return False
    return True


def padding_share(trainer: Any) -> float:
    """Return the share of padding in a Trainer's batches of an epoch; 0 where it is not known."""
    rows, arguments = trainer.train_dataset, trainer.args
    if arguments.length_column_name not in getattr(rows, "column_names", ()):
        return 0.0
    lengths = numbers(rows, arguments.length_column_name)
    with torch.random.fork_rng(devices=[]):  # orders of epochs are drawn from it
        order = np.fromiter(trainer._get_train_sampler(), dtype=np.int64)
    size = arguments.train_batch_size
    batches = [lengths[order[start : start + size]] for start in range(0, len(order), size)]
    padded = sum(len(batch) * int(batch.max()) for batch in batches)
    return 1 - float(lengths[order].sum()) / max(padded, 1)


class Unpadded(Checked):
    """Takes steps without padding; validation sees the padded model."""

    unpadded = True
    doing = "taking out padding"

    def __init__(
        self, trainer: Any, model: Any, note: str | None = None, attend: Attend = attend
    ) -> None:
        """Change nothing yet. attend: see `attend`."""
        super().__init__(trainer, model, note)
        self.attend = attend

    @contextmanager
    def changed(self, inputs: Inputs) -> Iterator[Any]:
        """Change the layers and the attention of the model for a batch."""
        from transformers import AttentionInterface

        mask = inputs.get("attention_mask")
        if mask is None or mask.dim() != 2:
            raise UnfitError("batches have no mask of padding")
        AttentionInterface.register(ATTENTION, attention)
        before = self.model.config._attn_implementation
        stack, rows = layers(self.model), _Rows(mask, self.attend)
        with ExitStack() as changes:
            for layer in stack:
                enter = partial(rows.enter, layer is stack[0])
                hook = layer.register_forward_pre_hook(enter, with_kwargs=True)
                changes.callback(hook.remove)
            changes.callback(stack[-1].register_forward_hook(rows.leave).remove)
            changes.callback(self.model.set_attn_implementation, before)
            self.model.set_attn_implementation(ATTENTION)
            if self.model.config._attn_implementation != ATTENTION:
                raise UnfitError(f"{type(self.model).__name__} has an attention of its own")
            yield self.model


class _Rows:
    """Where a batch's rows are without padding, and the hooks that take it out and put it back."""

    def __init__(self, mask: torch.Tensor, attend: Attend) -> None:
        self.attend, self.shape, self.longest = attend, mask.shape, mask.shape[1]
        self.tokens = mask.flatten().nonzero()[:, 0]
        lengths = mask.ne(0).sum(1, dtype=torch.int32)
        self.starts = torch.nn.functional.pad(lengths.cumsum(0, dtype=torch.int32), (1, 0))

    def enter(self, first: bool, layer: Any, given: Any, named: Any) -> tuple[Any, Any]:
        """Before a layer, hand on the rows; before the first, (rows, length, size) becomes
        (1, tokens, size)."""
        own = {name: self._each(named[name]) for name in PER_TOKEN if name in named}
        rest = {name: value for name, value in named.items() if name not in own}
        hidden = given[0] if given else rest.pop("hidden_states")
        if any(isinstance(value, torch.Tensor) for value in (*given[1:], *rest.values())):
            raise UnfitError(f"{type(layer).__name__} gets a tensor that may be per token")
        hidden = self._without(hidden) if first else hidden
        return (hidden, *given[1:]), {**rest, **own, ROWS: self}

    def leave(self, layer: Any, given: Any, found: Any) -> Any:
        """After the last layer, (1, tokens, size) becomes (rows, length, size)."""
        hidden = found[0] if isinstance(found, tuple) else found
        whole = hidden.new_zeros(self.shape.numel(), hidden.shape[-1])
        whole = whole.index_copy(0, self.tokens, hidden[0]).view(*self.shape, -1)
        return (whole, *found[1:]) if isinstance(found, tuple) else whole

    def _each(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(self._without(part) for part in value)
        return value if value is None else self._without(value)

    def _without(self, value: torch.Tensor) -> torch.Tensor:
        whole = value.expand(self.shape[0], *value.shape[1:])  # positions may be those of all rows
        return whole.flatten(0, 1)[self.tokens][None]
