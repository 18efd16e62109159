"""Questions that a tiny model can learn to answer, made in code."""

import json
import random
from pathlib import Path

import transformers

THINGS = ["cup", "hat", "car", "door", "ship", "book"]
COLOURS = ["red", "blue", "green", "white", "black", "brown"]
OTHERS = [
    "size",
    "the",
    "is",
    "what",
    "colour",
    "has",
    "of",
    "and",
    ".",
    "?",
    "it",
    "was",
    "new",
    "old",
]
# A script of its own, CRLF, an emoji that is no word to it, and an accent that is split off.
ODD = "Caf\u00e9\r\n\U0001f600 cafe\u0301."


def questions(count: int, seed: int = 0, long: bool = False) -> list[dict]:
    """Return rows in SQuAD's layout; each fourth asks for what the context does not say.

    A tiny model learns that the colour in the middle is asked for, and that sizes are not told.
    """
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        things = rng.sample(THINGS, 3)
        words = [word for thing in things for word in ("the", thing, rng.choice(COLOURS), ".")]
        if long:
            place = rng.randrange(4) * 3
            words = [*["old"] * 20, *words[:place], *["new"] * 40, *words[place:], *["was"] * 20]
        context = " ".join(words)
        asked = "size" if number % 4 == 3 else "colour"
        answers = {"text": [], "answer_start": []}
        if asked == "colour":
            start = context.index(f"{things[1]} ") + len(things[1]) + 1
            answers = {"text": [context[start:].split()[0]], "answer_start": [start]}
        rows.append({"id": str(number % 7), "context": context, "answers": answers,
                     "question": f"what {asked} has the {things[1]} ?"})  # fmt: skip
    return rows


def written(path: Path, rows: list[dict]) -> Path:
    """Write rows as JSON lines, and return the path."""
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def tiny_qa(folder: Path) -> Path:
    """Save a BERT of two layers with random weights, whose words are those of the questions."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pieces = [*letters, *(f"##{letter}" for letter in letters)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *OTHERS, *THINGS, *COLOURS, *pieces]
    tokenizer = transformers.BertTokenizer(
        vocab={word: place for place, word in enumerate(vocabulary)}, model_max_length=64
    )
    tokenizer.save_pretrained(folder)
    transformers.set_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    return folder
