"""Texts generated for a batch: their tokens, how sure they are, and whether they were cut off."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolkit.tasks.generation.batches import IGNORED
from toolkit.tasks.generation.options import SAMPLING

if TYPE_CHECKING:
    import torch

VALUES = 2**26  # logits that are looked at in one pass


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
class Draws:
    """A LogitsProcessor that leaves one token of each row, drawn with the probability it has.

    It adds Gumbel noise and takes the largest sum (Gumbel 1954; Maddison et al. 2014). Each row has
    a generator of its own: so it gets the same text alone and in any batch.
    """

    warpers: Any
    generators: list[torch.Generator]

    @classmethod
    def of(cls, config: Any, inputs: Mapping[str, torch.Tensor], seed: int) -> Draws:
        """Return the draws that a generation config asks for.

        Args:
            inputs: of the rows, whose tokens and the seed decide on what is drawn.
        """
        import torch
        import transformers as hf

        kinds = {"temperature": hf.TemperatureLogitsWarper, "top_k": hf.TopKLogitsWarper,
                 "top_p": hf.TopPLogitsWarper, "min_p": hf.MinPLogitsWarper,
                 "typical_p": hf.TypicalLogitsWarper}  # fmt: skip
        given = {name: getattr(config, name) for name in kinds}
        warpers = [kinds[name](value) for name, value in given.items() if value]
        real = inputs["attention_mask"].bool()
        texts = [ids[kept].tolist() for ids, kept in zip(inputs["input_ids"], real, strict=True)]
        digests = [hashlib.sha256(f"{seed} {ids}".encode()).digest() for ids in texts]
        seeds = [int.from_bytes(digest[:7]) for digest in digests]
        return cls(
            hf.LogitsProcessorList(warpers), [torch.Generator().manual_seed(n) for n in seeds]
        )

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return scores that leave one token of each row."""
        import torch

        scores = self.warpers(input_ids, scores.float())
        drawn = [torch.empty(scores.shape[1]).exponential_(generator=g) for g in self.generators]
        noise = -torch.stack(drawn).log().to(scores.device)
        chosen = (scores + noise).argmax(-1, keepdim=True)
        return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)


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


def generated(
    model: Any, inputs: Mapping[str, torch.Tensor], seed: int, scored: bool = True
) -> Generated:
    """Return what a model generates for sources, or prompts, by its generation config.

    Args:
        seed: of sampling. scored: whether to compute scores that take a pass of their own, a sixth
            of the time of beam search.
    """
    import torch

    config, watch = model.generation_config, Leads()
    beams = (config.num_beams or 1) > 1
    if config.do_sample:
        found = _sampled(model, inputs, seed)
    else:
        found = model.generate(**inputs, logits_processor=None if beams else [watch])
    skipped = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    tokens = found[:, skipped:]
    stops = torch.tensor(_listed(config.eos_token_id), device=tokens.device)
    at_end = torch.isin(tokens, stops)
    kept = at_end.cumsum(1) - at_end.int() == 0  # no stop token comes before
    if config.forced_eos_token_id is not None:  # the last place has one, whatever came before
        at_end[:, config.max_new_tokens - 1 :] = False
    result = Generated(tokens, at_end.any(1))
    if watch.chosen:
        result.scores, result.margins = watch.over(kept)
    elif scored and model.config.is_encoder_decoder:
        result.scores = _scored(model, inputs, found, kept)
    return result


def _sampled(model: Any, inputs: Mapping[str, torch.Tensor], seed: int) -> torch.Tensor:
    """Return sampled tokens: those of a row follow from its source and the seed alone."""
    config = copy.deepcopy(model.generation_config)
    draws = Draws.of(config, inputs, seed)
    config.do_sample = False
    for name in SAMPLING:  # what they do, `draws` does
        setattr(config, name, None)
    found: torch.Tensor = model.generate(
        **inputs, generation_config=config, logits_processor=[draws]
    )
    return found


def _scored(
    model: Any, inputs: Mapping[str, torch.Tensor], found: torch.Tensor, kept: torch.Tensor
) -> torch.Tensor:
    """Return the mean log-probability of a token of what an encoder-decoder has generated."""
    import torch

    rows = max(1, VALUES // (found.shape[1] * model.config.vocab_size))
    scores = []
    for part in range(0, len(found), rows):
        some = slice(part, part + rows)
        given = {name: value[some] for name, value in inputs.items()}
        logits = model(**given, decoder_input_ids=found[some, :-1]).logits.float()
        chosen = logits.gather(2, found[some, 1:, None]).squeeze(2) - logits.logsumexp(2)
        counted = kept[some]
        means = chosen.masked_fill(~counted, 0).sum(1) / counted.sum(1).clamp(min=1)
        scores.append(means)
    return torch.cat(scores)


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
