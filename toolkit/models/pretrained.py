"""Tokenizers and models from a folder, refused where transformers would make up what is missing.

`from_pretrained` is lenient: a folder without a vocabulary gives a tokenizer to which every word
is unknown, and weights that do not fit the config are replaced by random ones. Fine-tuning either
wastes hours without a warning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from toolkit.errors import ModelError
from toolkit.utils.text import listing

MOST_LACKING = 0.1  # of the body's tensors: some checkpoints come without a pooler


def tokenizer(folder: Path) -> Any:
    """Return a folder's tokenizer; one without a pad token pads with its end token.

    Texts are text: "</s>" or "[SEP]" in one is read by its letters and never as the token, in the
    saved tokenizer as well. Whoever writes control tokens into texts himself (by a chat template)
    says so in the call: `tokenizer(text, split_special_tokens=False)`.

    Raises:
        ModelError: the folder holds no vocabulary, or the tokenizer nothing to pad with.
    """
    from transformers import AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(folder)  # what is wrong with it shows here, not at the rows
    try:
        found = AutoTokenizer.from_pretrained(folder, split_special_tokens=True)
        names = [name for name in found.vocab_files_names.values() if isinstance(name, str)]
        missing = bool(names) and not any((folder / name).is_file() for name in names)
    except ValueError:  # a folder without one, of a model whose tokenizer is not known
        if (folder / "tokenizer_config.json").is_file():
            raise
        missing = True
    if missing:
        there = listing(sorted(item.name for item in folder.iterdir()), 8)
        raise ModelError(
            f"{folder} ({config.model_type}) holds no tokenizer but: {there}. Is it a model of "
            "texts? If it is, save its tokenizer there: tokenizer.save_pretrained(FOLDER)."
        )
    if found.pad_token is None:
        found.pad_token = found.eos_token or found.unk_token
    if found.pad_token is None:
        raise ModelError(
            f"the tokenizer of {folder} has no pad, end or unknown token to pad texts with: set "
            "tokenizer.pad_token and save it beside the model."
        )
    _split_names(found)
    return found


def _split_names(tokenizer: Any) -> None:
    """Split the names of control tokens in texts where the vocabulary itself holds them.

    A unigram vocabulary does, as one piece, which is taken whatever `split_special_tokens` says.
    """
    from tokenizers import Regex, pre_tokenizers

    if not tokenizer.is_fast:
        return
    backend, whole = tokenizer.backend_tokenizer, []
    for name, token in zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True):
        read = backend.encode(name, add_special_tokens=False)
        spans = [b - a for (a, b), one in zip(read.offsets, read.ids, strict=True) if one == token]
        whole += [name] if len(name) > 1 and len(name) in spans else []
    if whole:
        first = "|".join(f"{re.escape(name[0])}(?={re.escape(name[1:])})" for name in whole)
        split = pre_tokenizers.Split(Regex(first), "isolated")
        before = [backend.pre_tokenizer] if backend.pre_tokenizer else []
        backend.pre_tokenizer = pre_tokenizers.Sequence([*before, split])


def longest_input(folder: Path, tokenizer: Any) -> int | None:
    """Return the most tokens that tokenizer and model take; None where neither has a limit.

    Tokenizers without one give 10^30.
    """
    known = [n for n in (tokenizer.model_max_length, _positions(folder)) if n and n < 10**9]
    return int(min(known)) if known else None


@cache
def _positions(folder: Path) -> int | None:
    """Return how many positions a model has: by its config, and by the tables it would make.

    Positions of a table with a padding id are counted from behind that id.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(folder)
    limit = getattr(config, "max_position_embeddings", None)  # XLNet says -1: it has none
    found = [limit] if limit and limit > 0 else []
    try:
        with torch.device("meta"):
            auto: Any = AutoModel
            model = auto.from_config(config)
    except Exception:  # a class that is no Auto class's, or does not build without weights
        return min(found, default=None)
    for name, module in model.named_modules():
        weight: Any = getattr(module, "weight", None)
        if "position" in name.rpartition(".")[2] and getattr(weight, "ndim", 0) == 2:
            padding = getattr(module, "padding_idx", None)
            found.append(weight.shape[0] - (0 if padding is None else padding + 1))
    return min(found, default=None)


def train_tokenizer(
    texts: Iterable[str], vocab_size: int = 8000, *, start: bool = True, **settings: Any
) -> Any:
    """Return a PreTrainedTokenizerFast trained on texts, for a model from scratch: byte-level BPE.

    It encodes any text, and the same texts give the same tokenizer (Radford et al. 2019). Called in
    `load_processor` where `is_scratch(self.model_path)`; a run that is resumed loads what it began
    with.

    Args:
        vocab_size: most tokens, among them the 256 bytes and `<pad>` (0), `<s>`, `</s>`, `<unk>`
            and `<mask>`. A text is `<s> text </s>`, a pair `<s> one </s> two </s>`.
        start: whether texts begin with `<s>`. What a decoder writes needs an end alone.
        settings: of the tokenizer, such as `model_max_length`.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    begin, end = "<s>", "</s>"
    before = f"{begin} " if start else ""
    special = {"pad": "<pad>", "bos": begin, "eos": end, "unk": "<unk>", "mask": "<mask>"}
    made, alphabet = Tokenizer(models.BPE()), pre_tokenizers.ByteLevel.alphabet()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, show_progress=False,
        special_tokens=list(special.values()), initial_alphabet=alphabet,
    )  # fmt: skip
    made.train_from_iterator(texts, trainer)
    made.post_processor = processors.TemplateProcessing(
        single=f"{before}$A {end}", pair=f"{before}$A {end} $B {end}",
        special_tokens=[(token, made.token_to_id(token)) for token in (begin, end)],
    )  # fmt: skip
    names = {
        f"{name}_token": token for name, token in (special | {"cls": begin, "sep": end}).items()
    }
    found: Any = PreTrainedTokenizerFast
    return found(tokenizer_object=made, split_special_tokens=True, **names, **settings)


def model(auto: Any, folder: Path, tokenizer: Any = None, **settings: Any) -> Any:
    """Return `auto.from_pretrained(folder, **settings)`, whose body must come from the folder.

    A folder that holds a config alone (`scratch.from_config`) gives a model from scratch.

    Args:
        auto: an `AutoModel...` class, or a model's own.
        tokenizer: whose tokens the model must all know; None where it reads no tokens.

    Raises:
        ModelError: weights of the body are missing or have other shapes than in the config; or the
            tokenizer knows more tokens than the model.
    """
    from transformers import AutoConfig

    if is_scratch(folder):
        config, rest = AutoConfig.from_pretrained(folder, return_unused_kwargs=True, **settings)
        for name in rest:  # T5's has no such field until one is set
            if name.endswith("_token_id"):
                setattr(config, name, rest[name])
        found = auto.from_config(config)
        if (file := folder / "generation_config.json").is_file():
            found.generation_config.update(**json.loads(file.read_text(encoding="utf-8")))
    else:
        found, info = auto.from_pretrained(folder, output_loading_info=True, **settings)
        _check_body(found, info, folder)
    if tokenizer is not None:
        known = found.get_input_embeddings().weight.shape[0]
        tokens = max(tokenizer.get_vocab().values(), default=-1) + 1  # numbers may have gaps
        if tokens > known:
            raise ModelError(
                f"{folder}: its tokenizer knows {tokens:,} tokens, its model {known:,}: "
                f"call model.resize_token_embeddings({tokens}) and save it again"
            )
    return found


def is_scratch(folder: Path) -> bool:
    """Return whether a model's folder holds no weights."""
    return not any(folder.glob("*.safetensors"))


def _check_body(found: Any, info: Mapping[str, Any], folder: Path) -> None:
    prefix = f"{found.base_model_prefix}."
    body = [name for name in found.state_dict() if name.startswith(prefix)]
    lacking = sorted(name for name in info["missing_keys"] if name.startswith(prefix))
    unfit = sorted(found for found in info["mismatched_keys"] if found[0].startswith(prefix))
    if unfit:
        name, saved, expected = unfit[0]
        raise ModelError(
            f"{folder}: config.json does not fit the weights in {len(unfit)} of {len(body)} places "
            f"({name} is {list(saved)}, by the config {list(expected)})"
        )
    if len(lacking) > MOST_LACKING * len(body):
        raise ModelError(
            f"{folder} lacks {len(lacking)} of the {len(body)} weights that its config.json "
            f"describes ({listing(lacking, 2)}): they would be random"
        )
