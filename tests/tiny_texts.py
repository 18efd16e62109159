"""Tiny models of texts of many families, with random weights and tokenizers made in code."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from text_rows import FILLERS, WORDS, sentences

LETTERS = "abcdefghijklmnopqrstuvwxyz[]</>|_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ "
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
         "intermediate_size": 16}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "bart": {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16,
             "decoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2},
    "t5": {"d_model": 16, "num_layers": 1, "num_heads": 2, "d_ff": 16, "d_kv": 8},
    "longformer": {**SIZES, "attention_window": [4]},
}  # fmt: skip


def tiny(family: str, folder: Path, tokenizer: Any = None, **settings: Any) -> Path:
    """Save a model of a family, `model_type` of transformers, and return its folder.

    Args:
        tokenizer: byte-level BPE without a limit of its length, where not given.
        settings: of the config, over tiny sizes.
    """
    import transformers

    tokenizer = tokenizer or _bpe()
    tokenizer.save_pretrained(folder)
    names = ("pad", "bos", "eos")
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in names}
    given = {"vocab_size": len(tokenizer), **special, "decoder_start_token_id": 0,
             **OWN.get(family, SIZES), **settings}  # fmt: skip
    transformers.set_seed(0)
    config = transformers.AutoConfig.for_model(family, **given)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


@functools.cache
def _bpe() -> Any:
    from toolkit.models.pretrained import train_tokenizer

    return train_tokenizer([text for text, _ in sentences(160)], 300)


def unigram() -> Any:
    """Return T5's tokenizer with a vocabulary of letters and words."""
    from transformers import T5Tokenizer

    words = [f"▁{word}" for word in (*FILLERS, *(w for group in WORDS.values() for w in group))]
    pieces = ["▁", *dict.fromkeys(LETTERS.replace(" ", "")), *words]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return T5Tokenizer(vocab=[*vocabulary, *((p, -3.0) for p in pieces)], extra_ids=2)
