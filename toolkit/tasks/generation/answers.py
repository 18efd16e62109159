"""Texts generated for a batch: their tokens, how sure they are, and whether they were cut off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolkit.tasks.generation.batches import IGNORED

if TYPE_CHECKING:
    import torch


@dataclass
class Generated:
    """What was generated for the rows of a batch.

    tokens: shape (rows, steps), with what comes after the end as padding. ended: whether a stop
    token came. scores: mean log-probability of a token. margins: smallest lead, in probability, of
    a token over the next likely one; both None where a search does not tell them.
    known_loss: of the batch's labels.
    """

    tokens: torch.Tensor
    ended: torch.Tensor
    scores: torch.Tensor | None = None
    margins: torch.Tensor | None = None
    known_loss: torch.Tensor | None = None


@dataclass
class Leads:
    """A LogitsProcessor that changes nothing, and keeps how likely the best tokens are."""

    chosen: list[torch.Tensor] = field(default_factory=list)
    leads: list[torch.Tensor] = field(default_factory=list)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Keep the log-probability of the best token, and its lead over the second."""
        import torch

        best = scores.topk(2).values.float() - torch.logsumexp(scores.float(), -1, keepdim=True)
        likely = best.exp()
        self.chosen.append(best[:, 0])
        self.leads.append(likely[:, 0] - likely[:, 1])
        return scores

    def over(self, kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean log-probability and smallest lead of each row, over the steps that count.

        Args:
            kept: which steps of a row count, shape (rows, steps).
        """
        import torch

        chosen, leads = (torch.stack(each, 1) for each in (self.chosen, self.leads))
        means = chosen.masked_fill(~kept, 0).sum(1) / kept.sum(1).clamp(min=1)
        return means, leads.masked_fill(~kept, 1).amin(1)


def generated(model: Any, inputs: Mapping[str, torch.Tensor]) -> Generated:
    """Return what a model generates for sources, or prompts, by its generation config."""
    import torch

    config = model.generation_config
    greedy = (config.num_beams or 1) == 1 and not config.do_sample
    watch = Leads()
    found = model.generate(**inputs, logits_processor=[watch] if greedy else None)
    skipped = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    tokens = found[:, skipped:]
    stops = torch.tensor(_listed(config.eos_token_id), device=tokens.device)
    at_end = torch.isin(tokens, stops)
    before = at_end.cumsum(1) - at_end.int()  # stop tokens before each place
    if config.forced_eos_token_id is not None:  # the last place has one, whatever came before
        at_end[:, config.max_new_tokens - 1 :] = False
    result = Generated(tokens, at_end.any(1))
    if greedy:
        result.scores, result.margins = watch.over(before == 0)
    return result


def prompts(batch: Mapping[str, torch.Tensor], pad: int) -> dict[str, torch.Tensor]:
    """Return the prompts of rows that also have their targets, padded on the left.

    Args:
        batch: prompts and targets, padded on the right; labels are `IGNORED` in the prompts.
    """
    import torch

    ids, real = batch["input_ids"], batch["attention_mask"].bool()
    asked = real & batch["labels"].eq(IGNORED)
    counts = asked.sum(1, keepdim=True)
    width = int(counts.max())
    places = torch.arange(width, device=ids.device) - (width - counts)
    kept = places >= 0
    taken = ids.gather(1, places.clamp(min=0)).masked_fill(~kept, pad)
    return {"input_ids": taken, "attention_mask": kept.long()}


def _listed(value: Any) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else list(value)
