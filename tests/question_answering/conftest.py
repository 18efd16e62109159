"""A tiny BERT that can learn to find a colour."""

from pathlib import Path

import pytest
import transformers
from qa_rows import COLOURS, OTHERS, THINGS


@pytest.fixture(scope="session")
def qa_model(tmp_path_factory) -> Path:
    """A BERT of two layers with random weights and a vocabulary written by hand."""
    folder = tmp_path_factory.mktemp("models") / "tiny-qa"
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
