"""Model folders that transformers loads with a part made up, and what is said of them."""

from __future__ import annotations

import json
import shutil

import pytest
import transformers

from toolkit.cli.main import outcome
from toolkit.errors import ModelError
from toolkit.models import pretrained


@pytest.fixture
def folder(tiny_model, tmp_path):
    """A copy of the tiny model, to be damaged."""
    return shutil.copytree(tiny_model, tmp_path / "model")


def change(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def load(folder):
    return pretrained.model(transformers.AutoModelForSequenceClassification, folder, num_labels=3,
                            ignore_mismatched_sizes=True)  # fmt: skip


def test_a_whole_model_is_loaded_whatever_its_head(tiny_model):
    assert load(tiny_model).config.num_labels == 3


def test_a_checkpoint_without_a_pooler_is_whole(tiny_model, tmp_path):
    body = transformers.BertModel.from_pretrained(tiny_model, add_pooling_layer=False)
    body.save_pretrained(tmp_path / "model")
    assert load(tmp_path / "model").config.num_labels == 3


def test_weights_of_another_shape_are_not_replaced_by_random_ones(folder):
    change(folder, hidden_size=64)
    with pytest.raises(ModelError, match=r"does not fit the weights .*is \[32\], by the config"):
        load(folder)


def test_blocks_that_the_weights_lack_are_not_made_up(folder):
    change(folder, num_hidden_layers=4)
    with pytest.raises(ModelError, match=r"lacks 32 of the 71 weights .*encoder.layer.2"):
        load(folder)


def test_a_tokenizer_that_knows_more_than_the_model(folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["walnut", "anvil"])
    with pytest.raises(ModelError, match="knows 35 tokens, its model 33: .*resize_token_embedd"):
        pretrained.model(
            transformers.AutoModelForSequenceClassification, folder, tokenizer, num_labels=3
        )


def test_a_folder_without_a_vocabulary(folder):
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError, match=r"\(bert\) holds no tokenizer but: config.json"):
        pretrained.tokenizer(folder)


def test_a_model_of_pictures(tmp_path):
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        image_size=8, patch_size=4,
    )  # fmt: skip
    transformers.ViTModel(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"\(vit\) holds no tokenizer.*a model of texts\?"):
        pretrained.tokenizer(tmp_path)


def test_a_tokenizer_that_has_nothing_to_pad_with(folder):
    plain = transformers.AutoTokenizer.from_pretrained(folder).backend_tokenizer
    transformers.PreTrainedTokenizerFast(tokenizer_object=plain).save_pretrained(folder)
    with pytest.raises(ModelError, match="no pad, end or unknown token"):
        pretrained.tokenizer(folder)


def truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def bring_code(folder):
    change(folder, model_type="odd", auto_map={"AutoConfig": "odd.Config"})
    (folder / "odd.py").write_text("raise SystemExit('it ran')")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "not fully covered"),
        (bring_code, "it needs code of its own"),
        (lambda folder: change(folder, model_type="flubber"), "`flubber`"),
        (lambda folder: (folder / "config.json").write_text("[]"), "model_type"),
    ],
    ids=["damaged", "code", "unknown", "list"],
)
def test_a_wrong_model_is_one_message_and_code_two(damage, message, folder, table, capsys):
    damage(folder)
    code = outcome(["check", "text-classification", "--data", str(table), "--model", str(folder)])
    shown = capsys.readouterr()
    assert code == 2
    assert shown.err.startswith("Error: ")
    assert message in shown.err
    assert not shown.out  # transformers would ask here whether to run the code
