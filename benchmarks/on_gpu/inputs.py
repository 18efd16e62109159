"""What `gpu.py` measures on, made in code: texts, a tokenizer, pictures, models with first weights.

All of it depends on seeds alone, so that two machines measure the same rows.
"""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

SYLLABLES = ["".join(pair) for pair in product("bdfgklmnprstvz", "aeiouy")]
CLASSES = 8
OWN_WORDS, OWN_SHARE = 30, 0.08  # of a class: how many words, and how often one of them is drawn
GENERAL_WORDS, LONG_SHARE = 5000, 0.05  # all other words; the share of words of two tokens
VOCABULARY = 30_522  # entries, as many as BERT's
# Lengths as of paragraphs of an encyclopedia: cut at 256 tokens, two special ones among them, the
# mean is 154; a text in ten is longer than that.
MEDIAN_TOKENS, SPREAD = 144.0, 0.47
FEWEST_TOKENS, MOST_TOKENS = 12, 1200


def texts(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Return texts of made words, and their labels, which some words of each text give away."""
    rng = np.random.default_rng(seed)
    pairs = ["".join(pair) for pair in product(SYLLABLES, SYLLABLES)]
    words = np.array(pairs)[np.random.default_rng(0).permutation(len(pairs))]
    own, general = np.split(words[: CLASSES * OWN_WORDS + GENERAL_WORDS], [CLASSES * OWN_WORDS])
    chance = 1 / np.arange(10, GENERAL_WORDS + 10)  # Zipf's law, its very first words left out
    labels = rng.integers(CLASSES, size=count)
    lengths = np.exp(rng.normal(np.log(MEDIAN_TOKENS), SPREAD, count))
    found = []
    for label, tokens in zip(labels, lengths.clip(FEWEST_TOKENS, MOST_TOKENS), strict=True):
        many = round((tokens - 2) / (1 + LONG_SHARE))
        drawn = rng.choice(general, many, p=chance / chance.sum())
        telling = own[label * OWN_WORDS : (label + 1) * OWN_WORDS]
        drawn = np.where(rng.random(many) < OWN_SHARE, rng.choice(telling, many), drawn)
        endings = np.where(rng.random(many) < LONG_SHARE, rng.choice(SYLLABLES, many), "")
        found.append(" ".join(np.char.add(drawn, endings).tolist()))
    return found, [f"class {label}" for label in labels]


def write_rows(path: Path, rows: tuple[list[str], list[str]]) -> Path:
    """Write texts and labels into a csv file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("text", "label"), *zip(*rows, strict=True)])
    return path


def text_folder(path: Path, train: int, test: int) -> Path:
    """Write train.csv, validation.csv and test.csv; the last two have `test` rows each."""
    path.mkdir(parents=True)
    for seed, (name, rows) in enumerate({"train": train, "validation": test, "test": test}.items()):
        write_rows(path / f"{name}.csv", texts(rows, seed))
    return path


def tokenizer() -> Any:
    """Return a WordPiece tokenizer whose vocabulary is written down, not trained."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*SYLLABLES, *(f"##{piece}" for piece in SYLLABLES)]
    words = ["".join(pair) for pair in product(SYLLABLES, SYLLABLES)]
    known = [*special, *pieces, *words]
    known += [f"[unused{number}]" for number in range(VOCABULARY - len(known))]
    places = {piece: place for place, piece in enumerate(known)}
    inner = Tokenizer(models.WordPiece(places))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, places[name]) for name in special[2:4]]
    )
    names = {f"{name[1:-1].lower()}_token": name for name in special}
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=512, **names)


def text_model(path: Path, kind: str, toy: bool) -> Path:
    """Save a BERT or ModernBERT of base size (or a tiny one) with seeded weights, and tokenizer."""
    import transformers

    made = tokenizer()
    tiny: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
                            "intermediate_size": 64} if toy else {}  # fmt: skip
    config: Any
    if kind == "modernbert":
        ends = {"bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3}
        config = transformers.ModernBertConfig(vocab_size=VOCABULARY, pad_token_id=0,
                                               **ends, **tiny)  # fmt: skip
    else:
        if kind == "small":
            tiny = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4,
                    "intermediate_size": 1024} | tiny  # fmt: skip
        config = transformers.BertConfig(vocab_size=VOCABULARY, **tiny)
    return _saved(path, transformers.AutoModelForSequenceClassification, config, made)


def picture_model(path: Path, toy: bool) -> Path:
    """Save a ViT of base size (or a tiny one) with seeded weights, and its image processor."""
    import transformers

    tiny: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
                            "intermediate_size": 64, "image_size": 32, "patch_size": 8}  # fmt: skip
    config = transformers.ViTConfig(**(tiny if toy else {}))
    size = {"height": config.image_size, "width": config.image_size}
    processor = transformers.ViTImageProcessor(size=size)
    return _saved(path, transformers.AutoModelForImageClassification, config, processor)


def _saved(path: Path, auto: Any, config: Any, processor: Any) -> Path:
    import transformers

    transformers.set_seed(0)
    config.id2label = {place: f"class {place}" for place in range(CLASSES)}
    config.label2id = {name: place for place, name in config.id2label.items()}
    auto.from_config(config).save_pretrained(path)
    processor.save_pretrained(path)
    return path


def picture_folder(path: Path, train: int, test: int, side: int) -> Path:
    """Write train, validation and test, a folder per class in each: stripes whose angle tells it.

    Args:
        side: pixels. test: pictures of validation, and of test.
    """
    jobs = []
    for split, count in (("train", train), ("validation", test), ("test", test)):
        for label in range(CLASSES):
            (path / split / f"class {label}").mkdir(parents=True)
        jobs += [(path / split / f"class {n % CLASSES}" / f"{n}.jpg", n) for n in range(count)]
    seeds = np.random.SeedSequence(0).spawn(len(jobs))
    with ThreadPoolExecutor() as pool:  # encoding leaves Python's lock alone
        list(pool.map(_write_picture, jobs, seeds, [side] * len(jobs)))
    return path


def _write_picture(job: tuple[Path, int], seed: Any, side: int) -> None:
    from PIL import Image

    place, number = job
    rng = np.random.default_rng(seed)
    angle = np.pi * (number % CLASSES + rng.uniform(-0.2, 0.2)) / CLASSES
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    waves = np.sin(along[..., None] * rng.uniform(20, 40) + rng.uniform(0, 6, 3))
    grain = rng.integers(-20, 20, (side, side, 1), np.int16)
    pixels = (128 + 90 * waves + grain).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(place, quality=90)
