"""Sources and targets as tokens, cut where they are too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SOURCE = "{source}"
Encoded = tuple[list[list[int]], list[bool]]  # tokens of each text, and whether it was cut


@dataclass(frozen=True)
class TextEncoder:
    """How texts become tokens.

    template: text around a source, which stands at {source}; where a source is too long, it alone
    is cut. is_decoder: whether the model has no encoder: prompts have no end, and targets nothing
    before them.
    """

    tokenizer: Any
    template: str
    is_decoder: bool

    def prompts(self, sources: Sequence[str], limit: int) -> Encoded:
        """Return sources in the template, of at most `limit` tokens."""
        found = self._asked(sources)
        cut = [len(ids) > limit for ids in found]
        long = [place for place, is_long in enumerate(cut) if is_long]
        if long:
            shorter = [self._shortened(sources[place], limit) for place in long]
            for place, ids in zip(long, self._asked(shorter, limit), strict=True):
                found[place] = ids
        return found, cut

    def targets(self, texts: Sequence[str], limit: int) -> Encoded:
        """Return targets with their ends, of at most `limit` tokens."""
        if self.is_decoder:
            plain = self._tokens(texts, add_special_tokens=False)
            end = self.tokenizer.eos_token_id
            return [[*ids[: limit - 1], end] for ids in plain], [len(i) >= limit for i in plain]
        found: list[list[int]] = self.tokenizer(text_target=list(texts), verbose=False)["input_ids"]
        cut = [len(ids) > limit for ids in found]
        long = [text for text, is_long in zip(texts, cut, strict=True) if is_long]
        if long:
            named = {"truncation": True, "max_length": limit}
            shorter = iter(self.tokenizer(text_target=long, **named)["input_ids"])
            found = [next(shorter) if is_long else ids
                     for ids, is_long in zip(found, cut, strict=True)]  # fmt: skip
        return found, cut

    def _asked(self, sources: Sequence[str], limit: int | None = None) -> list[list[int]]:
        named = {} if limit is None else {"truncation": True, "max_length": limit}
        found = self._tokens([self.template.replace(SOURCE, text) for text in sources], **named)
        end = self.tokenizer.eos_token_id
        if self.is_decoder:  # some tokenizers add an end, after which nothing would come
            found = [ids[:-1] if ids[-1:] == [end] else ids for ids in found]
        return found

    def _shortened(self, source: str, limit: int) -> str:
        """Return what fits of a source, where text of the template comes after it."""
        if self.template.endswith(SOURCE) or not self.tokenizer.is_fast:
            return source
        room = limit - len(self._asked([""])[0])
        named = {"add_special_tokens": False, "return_offsets_mapping": True, "verbose": False}
        offsets = self.tokenizer(source, **named)["offset_mapping"]
        # Two less, as tokens may come apart where the texts meet.
        last = max(0, room - 2)
        return source[: offsets[last - 1][1]] if last else ""

    def _tokens(self, texts: Sequence[str], **named: Any) -> list[list[int]]:
        found: list[list[int]] = self.tokenizer(list(texts), verbose=False, **named)["input_ids"]
        return found
