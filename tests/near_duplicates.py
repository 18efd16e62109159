"""How many near duplicates are found, and how many rows are marked that are none.

python tests/near_duplicates.py [FOLDER]    FOLDER: photos (jpg); one JSON line for each figure
"""

from __future__ import annotations

import io
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from toolkit_plugins.vision.images import look_at

from toolkit.data.near_images import ImageSketches
from toolkit.data.near_texts import TextSketches
from toolkit.data.row_hashes import normalised

LETTERS = "abcdefghijklmnoprstuvwz"
Texts = Sequence[str]
Change = Callable[[str, random.Random], str]


def words(count: int, rng: random.Random) -> list[str]:
    """Return words made of letters, about as long as those of English."""
    return ["".join(rng.choices(LETTERS, k=rng.randint(2, 9))) for _ in range(count)]


def texts(count: int, length: int, seed: int = 0) -> list[str]:
    """Return texts of as many words, of a vocabulary in which some are frequent."""
    rng = random.Random(seed)
    known = words(5_000, rng)
    weights = [1 / (n + 10) for n in range(len(known))]
    return [" ".join(rng.choices(known, weights, k=length)) for _ in range(count)]


def dropped(text: str, rng: random.Random) -> str:
    parts = text.split()
    del parts[rng.randrange(len(parts))]
    return " ".join(parts)


def replaced(text: str, rng: random.Random) -> str:
    parts = text.split()
    parts[rng.randrange(len(parts))] = words(1, rng)[0]
    return " ".join(parts)


def misspelt(text: str, rng: random.Random) -> str:
    place = rng.choice([n for n, letter in enumerate(text) if letter.isalpha()])
    return text[:place] + rng.choice(LETTERS) + text[place + 1 :]


def rewritten(text: str, rng: random.Random) -> str:
    """Change one word of each twenty."""
    for _ in range(len(text.split()) // 20):
        text = replaced(text, rng)
    return text


CHANGES: dict[str, Change] = {"a word dropped": dropped, "a word changed": replaced,
                              "a typo": misspelt}  # fmt: skip


def sketches(rows: Sequence[Sequence[str]]) -> TextSketches:
    """Return what a split's rows are compared by, as a run makes it."""
    found = TextSketches()
    for start in range(0, len(rows), 10_000):
        part = rows[start : start + 10_000]
        found.add([[normalised(text) for text in row] for row in part])
    return found


def found_texts(originals: Texts, change: Change, seed: int = 1) -> float:
    """Return the share of changed texts that are found among the originals."""
    rng = random.Random(seed)
    changed = [[change(text, rng)] for text in originals]
    return float(sketches(changed).among(sketches([[text] for text in originals])).mean())


def templated(count: int, seed: int = 2) -> list[str]:
    """Return different rows of one template: two names, a town and a number differ."""
    rng = random.Random(seed)
    names, towns = words(300, rng), words(100, rng)
    return [f"Dear {rng.choice(names)} {rng.choice(names)}, your order {rng.randrange(10**6)} to "
            f"{rng.choice(towns)} has left our house and will be with you soon."
            for _ in range(count)]  # fmt: skip


def marked_texts(rows: Texts) -> float:
    """Return the share of the second half of different texts that is marked among the first."""
    half = len(rows) // 2
    one, other = ([[text] for text in part] for part in (rows[half:], rows[:half]))
    return float(sketches(one).among(sketches(other)).mean())


def thumbnails(images: Sequence[bytes]) -> ImageSketches:
    """Return what a split's images are compared by, as a run makes it."""
    cells = b"".join(look_at(content).thumbnail for content in images)
    return ImageSketches(np.frombuffer(cells, np.uint8).reshape(len(images), -1))


def saved_again(content: bytes, quality: int, scale: float = 1) -> bytes:
    """Return an image as a jpeg of a quality, in another size."""
    image, file = Image.open(io.BytesIO(content)).convert("RGB"), io.BytesIO()
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    (image if scale == 1 else image.resize(size)).save(file, "JPEG", quality=quality)
    return file.getvalue()


def found_images(images: Sequence[bytes], quality: int, scale: float = 1) -> float:
    """Return the share of images that are found when they are saved again."""
    again = [saved_again(content, quality, scale) for content in images]
    return float(thumbnails(again).among(thumbnails(images)).mean())


def marked_images(images: Sequence[bytes]) -> float:
    """Return the share of the second half of different images that is marked among the first."""
    half = len(images) // 2
    return float(thumbnails(images[half:]).among(thumbnails(images[:half])).mean())


def digits() -> list[bytes]:
    """Return the digits of scikit-learn, 8 x 8 pixels each, as files."""
    from toolkit_plugins.vision.classification.digits import digits

    return [cell["bytes"] for cell in digits().with_format("arrow")[:]["image"].to_pylist()]


def seconds(count: int, length: int) -> float:
    """Return the processor's seconds for a fifth of as many texts among the others."""
    rows = [[text] for text in texts(count, length)]
    start = time.process_time()
    sketches(rows[: count // 5]).among(sketches(rows[count // 5 :]))
    return time.process_time() - start


def figures(photos: Sequence[bytes] = ()) -> dict[str, float]:
    """Return what is found and what is wrongly marked, as shares, and seconds."""
    found: dict[str, float] = {}
    for length in (10, 30, 200):
        rows = texts(2_000, length)
        for name, change in CHANGES.items():
            found[f"{length} words, {name}: found"] = found_texts(rows, change)
        found[f"{length} words, different: marked"] = marked_texts(rows)
    found["200 words, one of twenty changed: found"] = found_texts(texts(2_000, 200), rewritten)
    found["rows of a template: marked"] = marked_texts(templated(20_000))
    for name, images in {"digits": digits(), "photos": list(photos)}.items():
        if images:
            found[f"{name}, jpeg 95: found"] = found_images(images, 95)
            found[f"{name}, different: marked"] = marked_images(images)
    if photos:
        found["photos, jpeg 75: found"] = found_images(photos, 75)
        found["photos, half the size: found"] = found_images(photos, 90, 0.5)
    found["100,000 texts of 10 words: seconds"] = seconds(100_000, 10)
    found["100,000 texts of 300 words: seconds"] = seconds(100_000, 300)
    return found


def main(argv: Sequence[str]) -> None:
    """Print each figure as a JSON line."""
    files = sorted(Path(argv[0]).rglob("*.jpg")) if argv else []
    for name, value in figures([file.read_bytes() for file in files]).items():
        print(json.dumps({"figure": name, "value": round(value, 4)}))  # noqa: T201 - what is asked for


if __name__ == "__main__":
    main(sys.argv[1:])
