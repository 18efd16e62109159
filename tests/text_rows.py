"""Short texts that a tiny model can learn to sort, made in code, and that model."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

WORDS = {
    "fruit": ["apple", "pear", "plum", "cherry", "grape", "melon"],
    "tool": ["hammer", "saw", "drill", "wrench", "file", "chisel"],
    "bird": ["robin", "crow", "heron", "finch", "swift", "stork"],
}
FILLERS = ["the", "a", "old", "new", "red", "my", "one", "is", "here", "there"]


def tiny_bert(folder: Path) -> Path:
    """Save a BERT of two layers with random weights to a folder, and return it."""
    import transformers

    words = [*FILLERS, *(word for group in WORDS.values() for word in group)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    tokenizer = transformers.BertTokenizer(
        vocab={word: place for place, word in enumerate(vocabulary)}, model_max_length=64
    )
    tokenizer.save_pretrained(folder)
    transformers.set_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def sentences(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return (text, label) rows that a tiny model can learn: one word tells the class."""
    rng = random.Random(seed)
    rows = {}
    while len(rows) < count:
        label = rng.choice(list(WORDS))
        words = rng.choices(FILLERS, k=rng.randint(2, 7))
        words.insert(rng.randrange(len(words) + 1), rng.choice(WORDS[label]))
        rows[" ".join(words)] = label
    return list(rows.items())


def csv_of(rows: Iterable[tuple[str, str]]) -> str:
    """Return (text, label) rows as a csv with a header."""
    return "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows)
