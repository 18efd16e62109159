"""Texts as arrays of token ids: the same numbers as the tokenizer's own lists."""

from __future__ import annotations

import random
import sys

import pyarrow as pa
import pytest
from text_rows import FILLERS, WORDS
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from toolkit_plugins.text import tokens
from transformers import AutoTokenizer, CanineTokenizer, PreTrainedTokenizerFast

VOCABULARY = [*FILLERS, *(word for group in WORDS.values() for word in group)]
LIMIT = 12


def texts(count, seed=0):
    rng = random.Random(seed)
    return [" ".join(rng.choices([*VOCABULARY, "ödd"], k=rng.randint(0, 20))) for _ in range(count)]


def with_types():
    """A tokenizer that marks a lone text's last token with a type of its own, as XLNet's does."""
    words = {word: place for place, word in enumerate(["<unk>", "<sep>", "<cls>", *VOCABULARY])}
    backend = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="$A:0 <sep>:0 <cls>:2",
        pair="$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2",
        special_tokens=[("<sep>", 1), ("<cls>", 2)],
    )
    names = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=names)


def without_types():
    found = with_types()
    found.model_input_names = ["input_ids", "attention_mask"]
    found.truncation_side = "left"
    return found


class Marking(PreTrainedTokenizerFast):
    """A tokenizer that does more than its backend."""

    def _encode_plus(self, *args, **named):
        found = super()._encode_plus(*args, **named)
        found["input_ids"] = [[0, *ids] for ids in found["input_ids"]]
        return found


KINDS = {
    "bert": lambda folder: AutoTokenizer.from_pretrained(folder),
    "types": lambda _: with_types(),
    "left": lambda _: without_types(),
    "own": lambda _: Marking(tokenizer_object=with_types().backend_tokenizer),
    "python": lambda _: CanineTokenizer(),
}


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_arrays_hold_what_the_tokenizer_gives(kind, pair, tiny_model, monkeypatch):
    monkeypatch.setattr(tokens, "STEP", 40)
    tokenizer, second = KINDS[kind](tiny_model), texts(130, 1) if pair else None
    for rows in (1, 40, 130):
        some = texts(rows), second and second[:rows]
        wanted = dict(tokenizer(*some, truncation=True, max_length=LIMIT))
        found = tokens.encoded(tokenizer, *some, LIMIT)
        assert list(found) == list(wanted)
        lists = {name: values.to_pylist() if isinstance(values, pa.Array) else values
                 for name, values in found.items()}  # fmt: skip
        assert lists == wanted
    assert isinstance(found["input_ids"], pa.Array) == (kind in ("bert", "types", "left"))


def test_few_calls_tokenize_a_row(tiny_model):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    totals = []
    for rows in (500, 5_500):
        given, calls = texts(rows), 0

        def count(_frame, event, _what):
            nonlocal calls
            calls += event in ("call", "c_call")

        sys.setprofile(count)
        tokens.encoded(tokenizer, given, None, LIMIT)
        sys.setprofile(None)
        totals.append(calls)
    assert (totals[1] - totals[0]) / 5_000 < 3
