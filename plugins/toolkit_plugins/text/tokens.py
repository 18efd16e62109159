"""Texts as token ids in Arrow arrays, without a Python list for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

STEP = 1000  # texts that are tokenized, by all cores, while those before are made arrays
FEW = 32  # texts up to which the first is not tokenized twice
KNOWN = {"input_ids", "token_type_ids", "attention_mask"}


def encoded(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, limit: int
) -> Mapping[str, Any]:
    """Return what a tokenizer makes of texts, or pairs, of at most `limit` tokens.

    Of tokenizers in Rust these are Arrow lists of the same numbers, in a third less time.
    """
    cut: Any = {"truncation": True, "max_length": limit}
    if len(texts) <= FEW:
        few: Mapping[str, Any] = tokenizer(texts, pairs, **cut)
        return few
    # It also sets how the tokenizer's backend cuts, pads and marks texts.
    first = tokenizer(texts[:1], pairs and pairs[:1], **cut)
    if not _is_plain(tokenizer) or not set(first) <= KNOWN:
        found: Mapping[str, Any] = tokenizer(texts, pairs, **cut)
        return found
    rows = list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
    parts = [_arrays(part, list(first), pairs is None) for part in _tokenized(tokenizer, rows)]
    return {name: pa.concat_arrays([part[name] for part in parts]) for name in first}


def _is_plain(tokenizer: Any) -> bool:
    """Return whether calling a tokenizer does no more than its backend."""
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

    kind = type(tokenizer)
    return (
        issubclass(kind, PreTrainedTokenizerFast)
        and kind.__call__ is PreTrainedTokenizerBase.__call__
        and kind._encode_plus is PreTrainedTokenizerFast._encode_plus
    )


def _tokenized(tokenizer: Any, rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    encode = tokenizer.backend_tokenizer.encode_batch
    if len(rows) <= STEP:
        yield encode(rows)
        return
    with ThreadPoolExecutor(1) as thread:  # it holds no lock of Python's while it works
        parts = [rows[start : start + STEP] for start in range(0, len(rows), STEP)]
        yield from thread.map(encode, parts)


def _arrays(encodings: Sequence[Any], names: Sequence[str], alone: bool) -> dict[str, pa.Array]:
    lengths = np.fromiter(map(len, encodings), np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    size = int(offsets[-1])
    # What a lone text has for types is the same for each: see the longest.
    flat = alone and not any(encodings[int(lengths.argmax())].type_ids)
    found = {}
    for name in names:
        if name == "input_ids":
            values = _joined((row.ids for row in encodings), np.int32, size)
        elif name == "token_type_ids" and not flat:
            values = _joined((row.type_ids for row in encodings), np.int8, size)
        else:  # nothing is padded here
            values = np.full(size, name == "attention_mask", np.int8)
        found[name] = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values))
    return found


def _joined(parts: Iterator[list[int]], kind: Any, size: int) -> Any:
    return np.fromiter(chain.from_iterable(parts), kind, size)
