"""Which models generate texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolkit.errors import ModelError


def auto_class(config: Any, folder: Path) -> Any:
    """Return the Auto class of a model that generates texts.

    Raises:
        ModelError: the model reads texts and writes none, or is no model of texts.
    """
    import transformers as hf

    if config.is_encoder_decoder and type(config) in hf.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING:
        return hf.AutoModelForSeq2SeqLM
    # BERT and its like are in both: a word of theirs sees those after it.
    reads = type(config) in hf.MODEL_FOR_MASKED_LM_MAPPING and not config.is_decoder
    writes = type(config) in hf.MODEL_FOR_CAUSAL_LM_MAPPING and not reads
    if writes and not config.is_encoder_decoder:
        return hf.AutoModelForCausalLM
    raise ModelError(
        f"{folder} ({config.model_type}) generates no texts: choose an encoder-decoder (Marian, "
        "T5, BART, mBART, NLLB, Pegasus), or a decoder (GPT-2, Llama, Qwen)"
    )
