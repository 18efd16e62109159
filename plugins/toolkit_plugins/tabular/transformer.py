"""A transformer over the fields of a row (FT-Transformer), as a model of transformers.

Gorishniy et al., Revisiting Deep Learning Models for Tabular Data (2021); piecewise-linear
embeddings of numbers: Gorishniy et al., On Embeddings for Numerical Features (2022).
`import toolkit_plugins.tabular.fraud_detection` makes `AutoModel...from_pretrained` load it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PretrainedConfig, PreTrainedModel, initialization
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput

from toolkit_plugins.tabular.trees import Trees


class TransactionConfig(PretrainedConfig):  # type: ignore[no-untyped-call]  # typed in part
    """Sizes, the edges of each number's pieces, and the cardinality of each categorical field.

    edges: one rising list per number, on the scale of the processor. cardinalities: one number
    per categorical field. Both come from the training rows. trees: how many trees, nodes and steps
    a classifier has besides, or None. boosting: the setting they were fitted by. alone: whether it
    is these trees and no transformer.
    """

    model_type = "transaction-transformer"

    def __init__(
        self,
        edges: list[list[float]] | None = None,
        cardinalities: list[int] | None = None,
        hidden_size: int = 64,
        num_hidden_layers: int = 2,
        num_attention_heads: int = 4,
        intermediate_size: int = 128,
        attention_dropout: float = 0.1,
        hidden_dropout: float = 0.1,
        initializer_range: float = 0.05,
        trees: dict[str, int] | None = None,
        boosting: dict[str, float] | None = None,
        alone: bool = False,
        **rest: Any,
    ) -> None:
        self.edges = edges or [[0.0, 1.0]]
        self.cardinalities = cardinalities or []
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.attention_dropout = attention_dropout
        self.hidden_dropout = hidden_dropout
        self.initializer_range = initializer_range
        self.trees = trees
        self.boosting = boosting
        self.alone = alone
        super().__init__(**rest)


class Pieces(nn.Module):
    """Piecewise-linear encoding of numbers: how far each fills its pieces, padded to one count."""

    left: torch.Tensor
    width: torch.Tensor

    def __init__(self, edges: list[list[float]]) -> None:
        super().__init__()
        most = max(len(item) for item in edges) - 1
        # A padded piece begins beyond any number.
        left = [[*item[:-1], *[1e9] * (most - len(item) + 1)] for item in edges]
        width = [
            [
                *(b - a for a, b in pairwise(item)),
                *[1.0] * (most - len(item) + 1),
            ]
            for item in edges
        ]
        self.register_buffer("left", torch.tensor(left))
        self.register_buffer("width", torch.tensor(width))

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """Return (rows, numbers, pieces) in 0..1 for (rows, numbers)."""
        return ((numbers.unsqueeze(-1) - self.left) / self.width).clamp(0, 1)


class Fields(nn.Module):
    """The fields of a row as vectors: numbers first, then categorical ones."""

    def __init__(self, config: TransactionConfig) -> None:
        super().__init__()
        self.pieces = Pieces(config.edges)
        numbers, width = len(config.edges), config.hidden_size
        self.linear = nn.Parameter(torch.empty(numbers, width))
        self.weight = nn.Parameter(torch.empty(numbers, self.pieces.left.shape[1], width))
        self.field = nn.Parameter(torch.empty(numbers + len(config.cardinalities), width))
        self.hidden = nn.Parameter(torch.empty(width))  # replaces masked fields
        self.kinds = nn.ModuleList([nn.Embedding(n, width) for n in config.cardinalities])

    def forward(
        self, numbers: torch.Tensor, kinds: torch.Tensor | None, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Return (rows, fields, width)."""
        shares = self.pieces(numbers)
        found = torch.einsum("bfk,fkd->bfd", shares, self.weight.to(shares.dtype))
        found = found + numbers.unsqueeze(-1) * self.linear
        if kinds is not None and self.kinds:
            others = [table(kinds[:, place]) for place, table in enumerate(self.kinds)]
            found = torch.cat([found, torch.stack(others, 1).to(found.dtype)], 1)
        if mask is not None:
            found = torch.where(mask.bool().unsqueeze(-1), self.hidden.to(found.dtype), found)
        return found + self.field


class Block(nn.Module):
    """Attention between fields, then a gated feed-forward; each with a norm before it."""

    def __init__(self, config: TransactionConfig, first: bool) -> None:
        super().__init__()
        width = config.hidden_size
        # Without a norm before the first attention, as the paper found it to matter.
        self.attention_norm = nn.Identity() if first else nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, width)
        self.heads = config.num_attention_heads
        self.attention_dropout = config.attention_dropout
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return states of the same shape, (rows, fields, width)."""
        rows, fields, width = states.shape
        joint = self.query_key_value(self.attention_norm(states))
        q, k, v = joint.view(rows, fields, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        rate = self.attention_dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=rate)
        mixed = self.attention_out(mixed.transpose(1, 2).reshape(rows, fields, width))
        states = states + mixed
        gate, value = self.up(self.norm(states)).chunk(2, dim=-1)
        inner: torch.Tensor = states + self.down(self.dropout(F.relu(gate) * value))
        return inner


class TransactionPreTrainedModel(PreTrainedModel):  # type: ignore[no-untyped-call]  # typed in part
    """Configuration and initialization that the models below share."""

    config_class = TransactionConfig
    base_model_prefix = "transformer"
    main_input_name = "numbers"
    _no_split_modules = ["Block"]  # noqa: RUF012 - as transformers declares it

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        spread = self.config.initializer_range
        if isinstance(module, Fields):
            # As a linear embedding at first: the pieces are learnt where they help.
            initialization.zeros_(module.weight)
            for parameter in (module.linear, module.field, module.hidden):
                initialization.normal_(parameter, 0.0, self.config.hidden_size**-0.5)
        elif isinstance(module, nn.Embedding):
            initialization.normal_(module.weight, 0.0, self.config.hidden_size**-0.5)
        elif isinstance(module, nn.Linear):
            initialization.normal_(module.weight, 0.0, spread)
            if module.bias is not None:
                initialization.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            initialization.ones_(module.weight)
            initialization.zeros_(module.bias)
        elif isinstance(module, TransactionModel):
            initialization.normal_(module.summary, 0.0, self.config.hidden_size**-0.5)
        elif isinstance(module, Trees):
            for tensor in module.buffers():
                initialization.zeros_(tensor)
        elif isinstance(module, Pieces):
            fresh = Pieces(self.config.edges)
            initialization.copy_(module.left, fresh.left)
            initialization.copy_(module.width, fresh.width)


class TransactionModel(TransactionPreTrainedModel):  # type: ignore[no-untyped-call]  # typed in part
    """Encodes fields: a vector for the row (the first), and one for each field."""

    def __init__(self, config: TransactionConfig) -> None:
        super().__init__(config)
        self.embeddings = Fields(config)
        self.summary = nn.Parameter(torch.empty(config.hidden_size))
        self.layers = nn.ModuleList(
            [Block(config, first=not place) for place in range(config.num_hidden_layers)]
        )
        self.norm = nn.LayerNorm(config.hidden_size)
        self.post_init()  # type: ignore[no-untyped-call]  # as above

    def forward(
        self,
        numbers: torch.Tensor,
        kinds: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        **_: Any,
    ) -> BaseModelOutput:
        """Return last_hidden_state of shape (rows, 1 + fields, width)."""
        fields = self.embeddings(numbers, kinds, mask)
        summary = self.summary.to(fields.dtype).expand(len(fields), 1, -1)
        states = torch.cat([summary, fields], 1)
        for block in self.layers:
            states = block(states)
        return BaseModelOutput(last_hidden_state=self.norm(states))


@dataclass
class TransactionOutput(SequenceClassifierOutput):
    """boosting: log odds of the second class by the trees beside a transformer, shape (rows,)."""

    boosting: torch.Tensor | None = None


class TransactionForSequenceClassification(TransactionPreTrainedModel):  # type: ignore[no-untyped-call]  # typed in part
    """Classifies a row (legitimate or fraud) by one linear layer on its vector, and by trees.

    Trees have been fitted before: training leaves them out, and as they are.
    """

    def __init__(self, config: TransactionConfig) -> None:
        super().__init__(config)
        if config.alone:  # a model's device and type are read from a parameter
            self.none = nn.Parameter(torch.empty(0), requires_grad=False)
        else:
            self.transformer = TransactionModel(config)
            self.dropout = nn.Dropout(config.hidden_dropout)
            self.classifier = nn.Linear(config.hidden_size, config.num_labels or 2)
        if config.trees is not None:
            self.trees = Trees(**config.trees)
        self.post_init()  # type: ignore[no-untyped-call]  # as above

    def forward(
        self,
        numbers: torch.Tensor,
        kinds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **_: Any,
    ) -> TransactionOutput:
        """Return logits of shape (rows, classes), and the cross-entropy where there are labels."""
        boosting = None
        if self.config.trees is not None and (self.config.alone or not self.training):
            boosting = self.boosted(numbers, kinds)
        if self.config.alone and boosting is not None:
            logits, boosting = torch.stack([-boosting / 2, boosting / 2], 1), None
        else:
            states = self.transformer(numbers, kinds).last_hidden_state
            logits = self.classifier(self.dropout(states[:, 0]))
        loss = None if labels is None else F.cross_entropy(logits.float(), labels)
        return TransactionOutput(loss=loss, logits=logits, boosting=boosting)

    def boosted(self, numbers: torch.Tensor, kinds: torch.Tensor | None) -> torch.Tensor:
        """Return the log odds of the second class by the trees, shape (rows,)."""
        columns = numbers.float()
        if kinds is not None:
            columns = torch.cat([columns, kinds.float()], 1)
        found: torch.Tensor = self.trees(columns)
        return found

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Let all parameters be trained, or none; trees alone have none that could be."""
        return super().requires_grad_(requires_grad and not self.config.alone)
