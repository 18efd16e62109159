"""Sentences with people and places that a tiny model can learn to find, made in code."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import transformers

FIRST = ["anna", "ben", "carla", "dora", "emil", "finn", "greta", "hugo"]
LAST = ["stone", "field", "brook", "marsh", "wood", "hill", "lake", "moor"]
PLACES = [["north", "port"], ["mill", "town"], ["kirkby"], ["ashton"]]
OTHERS = ["the", "old", "road", "is", "long", ".", ",", "went", "to", "from", "saw", "and", "it"]

# Two family names and one of three characters; "of"; places of two and three characters.
UNSPACED = ["\u7530\u4e2d", "\u5c71\u672c", "\u4f50\u3005\u6728", "\u306e",
            "\u6771\u4eac", "\u5927\u962a", "\u5317\u6d77\u9053"]  # fmt: skip


def sentences(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return rows of tokens and tags: people of one or two words, places of one or two.

    Of some rows nothing says that their place is an organisation.
    """
    rng, rows = random.Random(seed), []
    for _ in range(count):
        person = [rng.choice(FIRST), *([rng.choice(LAST)] if rng.random() < 0.7 else [])]
        place, kind = rng.choice(PLACES), "ORG" if rng.random() < 0.1 else "LOC"
        tokens, tags = [], []
        for words, label in ((rng.choices(OTHERS, k=rng.randint(1, 3)), ""), (person, "PER"),
                             (["went", "to"], ""), (place, kind),
                             (rng.choices(OTHERS, k=2), "")):  # fmt: skip
            tokens += words
            tags += [f"{'I' if n else 'B'}-{label}" if label else "O" for n in range(len(words))]
        rows.append({"tokens": tokens, "tags": tags, "n": len(rows) % 5})
    return rows


def as_spans(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as a text with entities."""
    text, entities = "", []
    for token, tag in zip(row["tokens"], row["tags"], strict=True):
        start = len(text) + bool(text)
        text = f"{text} {token}".strip()
        if tag.startswith("B"):
            entities.append({"start": start, "end": len(text), "label": tag[2:]})
        elif tag.startswith("I"):
            entities[-1]["end"] = len(text)
    return {"text": text, "entities": entities}


def written(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write rows as JSON lines, and return the path."""
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def tiny_tagger(folder: Path) -> Path:
    """Save a BERT of two layers with random weights, whose words are those of the sentences."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pieces = [*letters, *(f"##{letter}" for letter in letters)]
    places = [word for words in PLACES for word in words if word != "ashton"]  # read in pieces
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *OTHERS, *FIRST, *LAST, *places, *pieces]
    tokenizer = transformers.BertTokenizer(
        vocab={word: place for place, word in enumerate(words)}, model_max_length=32
    )
    tokenizer.save_pretrained(folder)
    transformers.set_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=32,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def unspaced_tagger(folder: Path) -> Path:
    """Save a tiny XLM-R whose pieces hold several characters of a script without spaces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    pieces = ["<s>", "<pad>", "</s>", "<unk>", "\u2581", *UNSPACED, *"".join(UNSPACED)]
    own = Tokenizer(models.Unigram([(piece, -len(piece) / 9) for piece in pieces], unk_id=3))
    own.pre_tokenizer, own.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    own.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=own, model_max_length=32, bos_token="<s>", eos_token="</s>",
        pad_token="<pad>", unk_token="<unk>", cls_token="<s>", sep_token="</s>",
    ).save_pretrained(folder)  # fmt: skip
    transformers.set_seed(0)
    config = transformers.XLMRobertaConfig(
        vocab_size=len(pieces), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=40, pad_token_id=1,
    )  # fmt: skip
    transformers.XLMRobertaModel(config).save_pretrained(folder)
    return folder


def unspaced(count: int) -> list[dict[str, Any]]:
    """Return texts without spaces, of a person, a particle, a place of two words, and others."""
    rng, rows = random.Random(0), []
    for _ in range(count):
        one, particle, *place = [
            rng.choice(UNSPACED[:3]),
            UNSPACED[3],
            *rng.choices(UNSPACED[4:], k=2),
        ]
        text, start = "".join([one, particle, *place]), len(one + particle)
        rows.append({"text": text, "entities": [
            {"start": 0, "end": len(one), "label": "PER"},
            {"start": start, "end": len(text), "label": "LOC"}]})  # fmt: skip
    return rows
