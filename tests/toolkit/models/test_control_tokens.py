"""Names of control tokens in texts are text: in training, in predict, and in what is saved."""

from __future__ import annotations

import csv
import shutil

import pytest
import transformers
from text_rows import csv_of, sentences, tiny_bert
from tiny_texts import tiny, unigram

import toolkit
from toolkit.cli.main import outcome
from toolkit.models import pretrained

WRITTEN = ["</s>", "old</s>saw", "a <s> b </s>", "[SEP] the [MASK]", "<pad>", "<mask> <unk>"]


def bytes_of(folder):
    return tiny("t5", folder, transformers.ByT5Tokenizer())


FAMILIES = {
    "bpe": lambda folder: tiny("bart", folder),
    "unigram": lambda folder: tiny("t5", folder, unigram()),
    "wordpiece": tiny_bert,
    "slow": bytes_of,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_no_text_holds_a_control_token(family, tmp_path):
    folder = FAMILIES[family](tmp_path / "model")
    tokenizer = pretrained.tokenizer(folder)
    control = {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}
    for text in WRITTEN:
        assert not control & {*tokenizer(text, add_special_tokens=False)["input_ids"]}, text
    plain, pair = tokenizer("a", "b")["input_ids"], tokenizer("</s>", "[SEP]")["input_ids"]
    own = [[token for token in ids if token in control] for ids in (plain, pair)]
    assert own[0] == own[1] != []  # those that the tokenizer adds are still there


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_tokenizer_reads_texts_as_before(family, tmp_path):
    folder = FAMILIES[family](tmp_path / "model")
    saved = shutil.copytree(folder, tmp_path / "saved")
    tokenizer = pretrained.tokenizer(folder)
    tokenizer.save_pretrained(saved)
    again = pretrained.tokenizer(saved)
    assert again(WRITTEN)["input_ids"] == tokenizer(WRITTEN)["input_ids"]
    plain = transformers.AutoTokenizer.from_pretrained(saved)
    assert plain.split_special_tokens
    if family != "unigram":  # whose class makes its pre-tokenizer anew, without the toolkit's part
        assert plain(WRITTEN)["input_ids"] == tokenizer(WRITTEN)["input_ids"]


def test_names_of_tokens_have_places_in_the_text(tmp_path):
    tokenizer = pretrained.tokenizer(tiny("t5", tmp_path / "model", unigram()))
    text = "the </s> saw"
    found = tokenizer("a", text, return_offsets_mapping=True)
    spans = [span for span, part in zip(found["offset_mapping"], found.sequence_ids(), strict=True)
             if part == 1]  # fmt: skip
    assert {place for a, b in spans for place in range(a, b)} == {0, 1, 2, *range(4, 8), 9, 10, 11}
    assert (4, 5) in spans  # the sign alone, not the name as a whole


def test_whoever_writes_control_tokens_may_say_so(tmp_path):
    tokenizer = pretrained.tokenizer(tiny("bart", tmp_path / "model"))
    assert tokenizer.eos_token_id not in tokenizer("</s>", add_special_tokens=False)["input_ids"]
    read = tokenizer("</s>", add_special_tokens=False, split_special_tokens=False)["input_ids"]
    assert read == [tokenizer.eos_token_id]


@pytest.mark.parametrize("family", ["bpe", "unigram"])
def test_an_encoder_decoder_trains_on_and_predicts_such_texts(family, tmp_path):
    """These heads want as many end tokens in each row of a batch."""
    rows = [(f"{text}</s>" if n % 9 == 0 else text, y)
            for n, (text, y) in enumerate(sentences(90))]  # fmt: skip
    (tmp_path / "rows.csv").write_text(csv_of(rows))
    model = FAMILIES[family](tmp_path / "model")
    run = toolkit.run("text-classification", data=tmp_path / "rows.csv", model=model,
                      out=tmp_path / "run", settings={"training.max_steps": 2})  # fmt: skip
    assert run.record["reload"]["different"] == 0
    new = tmp_path / "new.csv"
    new.write_text("text\nthe old saw\nmy </s> <s> robin\n[SEP] one pear\n")
    assert outcome(["predict", str(run.path), str(new), "-o", str(tmp_path / "out.csv")]) == 0
    with (tmp_path / "out.csv").open() as file:
        assert [row["text"] for row in csv.DictReader(file)] == [
            "the old saw", "my </s> <s> robin", "[SEP] one pear",
        ]  # fmt: skip
