"""Tokenizer and model fit together: positions, token types and words, by the model's tables."""

from __future__ import annotations

import pytest
import torch
import transformers
from text_rows import csv_of, sentences, tiny_bert
from tiny_texts import tiny

from toolkit.cli.main import outcome
from toolkit.errors import ModelError
from toolkit.models import pretrained
from toolkit.models.tables import CheckedTables

OFFSET = ["roberta", "camembert", "xlm-roberta", "mpnet", "longformer", "data2vec-text"]


@pytest.fixture
def long_rows(tmp_path):
    rows = [(f"{text} " * 12, label) for text, label in sentences(60)]
    path = tmp_path / "long.csv"
    path.write_text(csv_of(rows))
    return path


@pytest.mark.parametrize(
    ("family", "settings", "most"),
    [
        *[(family, {"pad_token_id": 1}, 32) for family in OFFSET],
        ("bert", {}, 34),
        ("bart", {}, 34),
        ("t5", {"max_position_embeddings": None}, None),
    ],
)
def test_the_longest_input_is_that_of_the_position_table(family, settings, most, tmp_path):
    folder = tiny(family, tmp_path / "model", **{"max_position_embeddings": 34, **settings})
    tokenizer = pretrained.tokenizer(folder)
    assert pretrained.longest_input(folder, tokenizer) == most
    if most is None:
        return
    model = transformers.AutoModel.from_pretrained(folder).eval()
    ids = torch.full((1, most), 9)
    with torch.no_grad():
        model(input_ids=ids)  # as many are taken
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, most + 4), 9))


def check(data, model, *settings):
    options = [part for setting in settings for part in ("--set", setting)]
    return outcome(["check", "text-classification", "--no-estimate", "--data", str(data),
                    "--model", str(model), *options])  # fmt: skip


@pytest.mark.parametrize("family", ["camembert", "mpnet", "longformer", "data2vec-text"])
def test_long_texts_are_cut_to_the_positions_there_are(family, long_rows, tmp_path, capsys):
    model = tiny(family, tmp_path / "model", max_position_embeddings=34)
    assert check(long_rows, model) == 0, capsys.readouterr().err


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_a_longest_row_that_the_model_cannot_take(family, table, tmp_path, monkeypatch, capsys):
    """As if neither config nor tables had shown the limit."""
    model = tiny(family, tmp_path / "model", max_position_embeddings=34)
    with table.open("a") as file:
        file.write(f"{'the ' * 70},tool\n")
    monkeypatch.setattr(pretrained, "longest_input", lambda folder, tokenizer: None)
    assert check(table, model) == 2
    shown = capsys.readouterr().err
    assert "Error: the longest row (74 tokens, in " in shown
    assert "does not fit" in shown
    assert "Lower max_length" in shown
    assert "Traceback" not in shown


def test_pairs_for_a_model_of_one_token_type(tmp_path, capsys):
    bert = tiny_bert(tmp_path / "bert")
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    model = tiny("bert", tmp_path / "model", tokenizer, type_vocab_size=1)
    rows = [f"{text},the saw,{label}" for text, label in sentences(60)]
    data = tmp_path / "pairs.csv"
    data.write_text("\n".join(["text,other,label", *rows]))
    assert check(data, model) == 0  # single texts need one type alone
    capsys.readouterr()
    assert check(data, model, "options.text_pair=other") == 2
    shown = capsys.readouterr().err
    assert "token_type_embeddings.weight" in shown
    assert "has 1 rows, and the data asks for number 2" in shown
    assert "Traceback" not in shown


def test_lookups_within_a_table_pass_and_others_are_named():
    model = torch.nn.ModuleDict({"words": torch.nn.Embedding(5, 2)})
    with CheckedTables(model):
        assert model["words"](torch.tensor([0, 4])).shape == (2, 2)
        with pytest.raises(ModelError, match="words.weight of ModuleDict has 5 rows.*number 6"):
            model["words"](torch.tensor([5]))


def test_numbers_of_tokens_may_have_gaps(tmp_path):
    folder = tiny_bert(tmp_path / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    words = {**tokenizer.get_vocab(), "walnut": 50}
    tokenizer = transformers.BertTokenizer(vocab=words)
    with pytest.raises(ModelError, match="knows 51 tokens, its model 33"):
        pretrained.model(
            transformers.AutoModelForSequenceClassification, folder, tokenizer, num_labels=3
        )
