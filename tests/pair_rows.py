"""Pairs of texts that a tiny model can learn to translate, made in code, and tiny models."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORDS = {"one": "eins", "two": "zwei", "three": "drei", "red": "rot", "blue": "blau",
         "green": "grün", "house": "Haus", "tree": "Baum", "dog": "Hund",
         "cat": "Katze"}  # fmt: skip
Pair = tuple[str, str]
#: Of each family: sizes of the config, in its own words.
SIZES: dict[str, dict[str, Any]] = {
    "t5": {"d_model": 16, "num_layers": 1, "num_heads": 2, "d_ff": 16, "d_kv": 8},
    "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 96},
}
WIDE = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16,
        "decoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "max_position_embeddings": 96}  # fmt: skip


def pairs(count: int, seed: int = 0) -> list[Pair]:
    """Return different pairs: word for word, in the same order."""
    rng, found = random.Random(seed), dict[str, str]()
    while len(found) < count:
        words = rng.choices(list(WORDS), k=rng.randint(1, 7))
        found[" ".join(words)] = " ".join(WORDS[word] for word in words)
    return list(found.items())


def written(file: Path, rows: Sequence[Pair]) -> Path:
    """Write pairs as JSON lines."""
    lines = [json.dumps({"source": source, "target": target}) for source, target in rows]
    file.write_text("\n".join(lines) + "\n")
    return file


def config(family: str, **settings: Any) -> dict[str, Any]:
    """Return `model.from_config` of a tiny model of a family.

    Weights are large, so that what it generates is decided by more than rounding.
    """
    spread = "initializer_factor" if family == "t5" else "initializer_range"
    spread = "init_std" if family in ("marian", "bart", "m2m_100", "mbart", "pegasus") else spread
    large = {spread: 20.0 if family == "t5" else 1.0}
    return {"model_type": family, **SIZES.get(family, WIDE), **large, **settings}


def tiny(family: str, folder: Path, tokenizer: Any = None, **settings: Any) -> Path:
    """Save a model of a family with random weights and a tokenizer, and return its folder."""
    import transformers

    tokenizer = tokenizer or bpe()
    tokenizer.save_pretrained(folder)
    own = {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")
    }
    if family != "gpt2":
        own["decoder_start_token_id"] = own["pad_token_id"]
    named = {**config(family), "vocab_size": len(tokenizer), "forced_eos_token_id": None, **own,
             **settings}  # fmt: skip
    transformers.set_seed(0)
    auto: Any = transformers.AutoModelForCausalLM
    if family != "gpt2":
        auto = transformers.AutoModelForSeq2SeqLM
    del named["model_type"]
    made = auto.from_config(transformers.AutoConfig.for_model(family, **named))
    made.save_pretrained(folder)
    return folder


def bpe() -> Any:
    """Return a tokenizer of some 300 tokens, trained on pairs."""
    from toolkit.models.pretrained import train_tokenizer

    return train_tokenizer([text for pair in pairs(80) for text in pair], 300, start=False)
