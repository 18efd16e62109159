"""Documents that a tiny model can learn to summarize, made in code, and that model."""

import json
import random
from pathlib import Path

from text_rows import FILLERS, WORDS, tiny_bert

SIGN = "here"  # stands in the sentence that says most, and in no other
TOPICS = [word for group in WORDS.values() for word in group]


def documents(count: int, seed: int = 0) -> list[dict]:
    """Return rows whose summary is what one sentence says: the one with the sign, at any place."""
    rng = random.Random(seed)
    plain = [word for word in FILLERS if word != SIGN]
    rows = []
    for number in range(count):
        said = [rng.sample(TOPICS, 3) for _ in range(rng.randrange(3, 6))]
        place = rng.randrange(len(said))
        sentences = [
            " ".join([*rng.sample(plain, 2), *([SIGN] if at == place else []), *words]).capitalize()
            + "."
            for at, words in enumerate(said)
        ]
        other = " ".join(["my", *said[place]])
        summary = " ".join(said[place])
        rows.append({"document": " ".join(sentences), "summary": summary,
                     "references": [summary, other], "topic": number % 2})  # fmt: skip
    return rows


def written(path: Path, rows: list[dict]) -> Path:
    """Write rows as JSON lines, and return the path."""
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def tiny_reader(folder: Path) -> Path:
    """Save a BERT of two layers with random weights that knows the words of the documents."""
    return tiny_bert(folder)
