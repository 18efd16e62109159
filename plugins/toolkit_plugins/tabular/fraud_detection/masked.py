"""Pretraining of the model of fields: masked fields are predicted, and no label is needed."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers.utils.generic import ModelOutput

from toolkit_plugins.tabular.transformer import (
    TransactionConfig,
    TransactionModel,
    TransactionPreTrainedModel,
)


@dataclass
class MaskedFieldsOutput(ModelOutput):
    """loss: of masked fields, plus that of all fields predicted from the row's vector.

    surprise: the mean loss of each row's masked fields, shape (rows,).
    """

    loss: torch.Tensor | None = None
    surprise: torch.Tensor | None = None


class FieldPredictor(nn.Module):
    """Predicts the fields, each by a linear layer of its own."""

    def __init__(self, config: TransactionConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.numbers = nn.Linear(width, len(config.edges))
        self.kinds = nn.ModuleList([nn.Linear(width, n) for n in config.cardinalities])

    def forward(
        self, states: torch.Tensor, numbers: torch.Tensor, kinds: torch.Tensor | None
    ) -> torch.Tensor:
        """Return the loss of each field, shape (rows, fields): see `TransactionForMaskedFields`.

        Args:
            states: what each field is predicted from, shape (rows, fields, width).
        """
        known = self.numbers.out_features
        weight, bias = self.numbers.weight, self.numbers.bias
        predicted = (states[:, :known] * weight).sum(-1) + bias
        losses = [(predicted.float() - numbers.float()).square()]
        if kinds is not None:
            for place, layer in enumerate(self.kinds):
                scores = layer(states[:, known + place]).float()
                loss = F.cross_entropy(scores, kinds[:, place], reduction="none")
                losses.append(loss.unsqueeze(1))
        return torch.cat(losses, 1)


class TransactionForMaskedFields(TransactionPreTrainedModel):  # type: ignore[no-untyped-call]  # typed in part
    """Predicts masked fields: squared error of numbers, cross-entropy (nats) of categories.

    Each masked field is predicted from its own vector, and every field, masked or not, from the
    row's vector: that one is what a classifier reads, and nothing else would train it. The error of
    numbers is on the processor's scale, where rare values lie far out, so that the row's vector
    cannot ignore them (reconstruction, as in Rubachev et al., Revisiting Pretraining Objectives
    for Tabular Deep Learning, 2022).
    """

    def __init__(self, config: TransactionConfig) -> None:
        super().__init__(config)
        # Masking is noise enough; the rates of the config are those of fine-tuning.
        still = copy.copy(config)
        still.attention_dropout = still.hidden_dropout = 0.0
        self.transformer = TransactionModel(still)
        self.from_field = FieldPredictor(config)
        self.from_row = FieldPredictor(config)
        self.post_init()  # type: ignore[no-untyped-call]  # as above

    def forward(
        self,
        numbers: torch.Tensor,
        mask: torch.Tensor,
        kinds: torch.Tensor | None = None,
        **_: Any,
    ) -> MaskedFieldsOutput:
        """Return the loss, and the surprise of each row.

        Args:
            mask: (rows, fields), true where a field is masked.
        """
        states = self.transformer(numbers, kinds, mask).last_hidden_state
        row, fields = states[:, :1], states[:, 1:]
        losses = self.from_field(fields, numbers, kinds) * mask
        surprise = losses.sum(1) / mask.sum(1).clamp(min=1)
        loss = losses.sum() / mask.sum().clamp(min=1)
        loss = loss + self.from_row(row.expand_as(fields), numbers, kinds).mean()
        return MaskedFieldsOutput(loss=loss, surprise=surprise)
