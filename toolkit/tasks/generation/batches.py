"""Batches of sources and targets, and the loss of the targets' tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.evaluation.padding import Padding

if TYPE_CHECKING:
    import pyarrow
    import torch

IGNORED = -100  # a label that counts nowhere, as in torch


@dataclass(frozen=True)
class TextPadding(Padding):
    """Padding on the right, with what the decoder reads beside the labels.

    shift: labels -> what the decoder of a model reads; None for one without an encoder. That reads
    prompt and target in one where there are labels, else prompts padded on the left, as generation
    goes on from their ends.
    """

    shift: Callable[[torch.Tensor], torch.Tensor] | None = None

    def __call__(self, table: pyarrow.Table) -> dict[str, torch.Tensor]:
        """Return a batch of the rows of a table: shape (rows, width)."""
        labelled = "labels" in table.column_names
        if self.shift is None:
            padding = Padding(self.fillers, self.step, left=not labelled)
            return padding(_in_one(table) if labelled else table)
        batch = super().__call__(table)
        if labelled:
            batch["decoder_input_ids"] = self.shift(batch["labels"])
        return batch


def _in_one(table: pyarrow.Table) -> pyarrow.Table:
    """Return rows of prompts and their targets, with labels for the targets' tokens alone."""
    import pyarrow as pa

    prompts, targets = (table.column(name).to_pylist() for name in ("input_ids", "labels"))
    ids = [[*asked, *told] for asked, told in zip(prompts, targets, strict=True)]
    labels = [[IGNORED] * len(asked) + told for asked, told in zip(prompts, targets, strict=True)]
    return pa.table({"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids],
                     "labels": labels})  # fmt: skip


@dataclass(frozen=True)
class Collator:
    """Makes batches of dicts as `padding` makes them of tables."""

    padding: TextPadding

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Return a batch: labels are `IGNORED` where they are padded."""
        import pyarrow as pa

        return self.padding(pa.table({name: [row[name] for row in rows] for name in rows[0]}))


def shifted(model: Any) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Return the function from labels to what the decoder reads in their place."""
    own = getattr(model, "prepare_decoder_input_ids_from_labels", None)
    config = model.config
    if not config.is_encoder_decoder:
        return None

    def shift(labels: torch.Tensor) -> torch.Tensor:
        if own is not None:
            found: torch.Tensor = own(labels=labels)
            return found
        moved = labels.roll(1, 1)  # M2M100 and others have this in a function of their module
        moved[:, 0] = config.decoder_start_token_id
        return moved.masked_fill(moved == IGNORED, config.pad_token_id)

    return shift


@dataclass(frozen=True)
class TokenLoss:
    """Mean cross-entropy of the targets' tokens.

    smoothing: of the labels. ahead: whether a token is predicted at the place before it, as by
    models without an encoder.
    """

    smoothing: float = 0.0
    ahead: bool = False

    def __call__(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> Any:
        """Return the loss; divided by the tokens of the whole step, where they are given."""
        from torch.nn import functional

        if (known := getattr(outputs, "known_loss", None)) is not None:
            return known
        logits = outputs["logits"]
        if self.ahead:
            logits, labels = logits[:, :-1], labels[:, 1:]
        total = functional.cross_entropy(
            logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED,
            label_smoothing=self.smoothing, reduction="sum",
        )  # fmt: skip
        count = labels.ne(IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
        return total / count
