"""The two ways of summarizing: to pick sentences, or to write a text."""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import Fault, RecipeError
from toolkit_plugins.text.summarization.options import SummaryOptions

#: Options that one of the two reads.
OF_EXTRACTS = ("sentences", "overlap")
OF_GENERATION = ("max_target_length", "prompt", "source_lang", "target_lang", "vocab_size",
                 "generation")  # fmt: skip


def picks(folder: Path) -> bool:
    """Return whether the model in a folder is an encoder, which picks sentences.

    All that has a decoder, or reads words from left to right only, writes.
    """
    from transformers import AutoConfig
    from transformers.models.auto import modeling_auto

    config = AutoConfig.from_pretrained(folder)
    kind, heads = config.model_type, config.architectures or []
    if config.is_encoder_decoder or any(name.endswith("ForCausalLM") for name in heads):
        return False
    masked = kind in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return masked or kind not in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


def check(options: SummaryOptions, folder: Path, smoothing: float = 0) -> None:
    """Raise RecipeError for options, or label smoothing, that the model in a folder does not read.

    The targets of extracts are soft already.
    """
    from transformers import AutoConfig

    picking, model = picks(folder), AutoConfig.from_pretrained(folder).model_type
    unread = OF_GENERATION if picking else OF_EXTRACTS
    how = "picks sentences, as it is an encoder" if picking else "writes a text"
    usual = SummaryOptions.model_validate({})
    names = [f"options.{name}" for name in unread
             if getattr(options, name) != getattr(usual, name)]  # fmt: skip
    names += ["training.label_smoothing_factor"] if picking and smoothing else []
    faults = [Fault(name, f"has no effect: the model ({model}) {how}") for name in names]
    if faults:
        raise RecipeError(faults)
