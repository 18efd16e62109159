"""Blocks, heads and projections, found in models of many families made from their configs."""

from __future__ import annotations

import peft
import pytest
import torch
import transformers as hf
from peft.utils import ModulesToSaveWrapper

from toolkit.errors import RecipeError
from toolkit.models import structure
from toolkit.models.methods import get_method
from toolkit.utils.logging import quiet_peft

TEXT = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "vocab_size": 40,
        "intermediate_size": 64, "max_position_embeddings": 64, "pad_token_id": 0,
        "bos_token_id": 1, "eos_token_id": 2}  # fmt: skip
IMAGE = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
         "intermediate_size": 64}  # fmt: skip
T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_decoder_layers": 3,
      "num_heads": 2, "vocab_size": 40, "decoder_start_token_id": 0}  # fmt: skip
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}
SEGFORMER = {**STAGES, "num_attention_heads": [1, 2, 2, 2]}
WHISPER = {"d_model": 32, "encoder_layers": 3, "decoder_layers": 2, "encoder_attention_heads": 2,
           "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
           "vocab_size": 40, "num_mel_bins": 8, "max_source_positions": 32, "pad_token_id": 0,
           "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}  # fmt: skip
BART = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
        "vocab_size": 40, "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1,
        "eos_token_id": 2, "decoder_start_token_id": 2, "forced_eos_token_id": 2}  # fmt: skip
# name: config, Auto class, first block, blocks, head, above, projections of attention, all linear
FAMILIES = {
    "bert": (hf.BertConfig(**TEXT), "SequenceClassification",
             "bert.encoder.layer.0", 3, ["classifier"], ["bert.pooler"], 12, 18),
    "roberta": (hf.RobertaConfig(**TEXT), "SequenceClassification",
                "roberta.encoder.layer.0", 3, ["classifier"], [], 12, 18),
    "distilbert": (hf.DistilBertConfig(dim=32, n_layers=3, n_heads=2, hidden_dim=64, vocab_size=40),
                   "SequenceClassification", "distilbert.transformer.layer.0", 3,
                   ["pre_classifier", "classifier"], [], 12, 18),
    "electra": (hf.ElectraConfig(**TEXT, embedding_size=16), "SequenceClassification",
                "electra.encoder.layer.0", 3, ["classifier"], [], 12, 18),
    "deberta-v2": (hf.DebertaV2Config(**TEXT, relative_attention=True, position_buckets=8,
                                      pos_att_type=["p2c", "c2p"], norm_rel_ebd="layer_norm"),
                   "SequenceClassification", "deberta.encoder.layer.0", 3,
                   ["pooler", "classifier"], ["deberta.encoder.LayerNorm"], 18, 24),
    "modernbert": (hf.ModernBertConfig(**TEXT, cls_token_id=1, sep_token_id=2),
                   "SequenceClassification", "model.layers.0", 3, ["head", "classifier"],
                   ["model.final_norm"], 6, 12),
    "gpt2": (hf.GPT2Config(n_embd=32, n_layer=3, n_head=2, vocab_size=40, n_positions=64,
                           bos_token_id=1, eos_token_id=2),
             "SequenceClassification", "transformer.h.0", 3, ["score"], ["transformer.ln_f"],
             6, 12),
    "llama": (hf.LlamaConfig(**TEXT, num_key_value_heads=1), "SequenceClassification",
              "model.layers.0", 3, ["score"], ["model.norm"], 12, 21),
    "llama-lm": (hf.LlamaConfig(**TEXT, num_key_value_heads=1), "CausalLM",
                 "model.layers.0", 3, ["lm_head"], ["model.norm"], 12, 21),
    "qwen2": (hf.Qwen2Config(**TEXT, num_key_value_heads=1), "SequenceClassification",
              "model.layers.0", 3, ["score"], ["model.norm"], 12, 21),
    "qwen3": (hf.Qwen3Config(**TEXT, num_key_value_heads=1, head_dim=32), "SequenceClassification",
              "model.layers.0", 3, ["score"], ["model.norm"], 12, 21),
    "t5": (hf.T5Config(**T5), "SequenceClassification", "transformer.encoder.block.0", 5,
           ["classification_head"], ["transformer.decoder.final_layer_norm"], 32, 42),
    "t5-lm": (hf.T5Config(**T5), "Seq2SeqLM", "encoder.block.0", 5, ["lm_head"],
              ["decoder.final_layer_norm"], 32, 42),
    "bart": (hf.BartConfig(**BART), "SequenceClassification", "model.encoder.layers.0", 5,
             ["classification_head"], ["model.decoder.layernorm_embedding"], 32, 42),
    "vit": (hf.ViTConfig(**IMAGE, image_size=16, patch_size=4), "ImageClassification",
            "vit.layers.0", 3, ["classifier"], ["vit.layernorm"], 12, 18),
    "swin": (hf.SwinConfig(image_size=32, patch_size=2, embed_dim=8, depths=[1, 2],
                           num_heads=[2, 2], window_size=2),
             "ImageClassification", "swin.encoder.layers.0.blocks.0", 3, ["classifier"],
             ["swin.layernorm"], 12, 18),
    "convnext": (hf.ConvNextConfig(**STAGES, image_size=32), "ImageClassification",
                 "convnext.encoder.stages.0.layers.0", 5, ["classifier"],
                 ["convnext.layernorm"], 0, 10),
    "resnet": (hf.ResNetConfig(**STAGES, embedding_size=8, layer_type="basic"),
               "ImageClassification", "resnet.encoder.stages.0.layers.0", 5, ["classifier"], [],
               0, 0),
    "segformer": (hf.SegformerConfig(**SEGFORMER), "ImageClassification",
                  "segformer.stages.0.blocks.0", 5, ["classifier"],
                  ["segformer.stages.3.layer_norm"], 20, 30),
    "segformer-masks": (hf.SegformerConfig(**SEGFORMER), "SemanticSegmentation",
                        "segformer.stages.0.blocks.0", 5, ["decode_head"],
                        ["segformer.stages.3.layer_norm"], 20, 30),
    "mobilenet-v2": (hf.MobileNetV2Config(image_size=32, depth_multiplier=0.25),
                     "ImageClassification", "mobilenet_v2.layer.0", 16, ["classifier"],
                     ["mobilenet_v2.conv_1x1"], 0, 0),
    "wav2vec2": (hf.Wav2Vec2Config(**IMAGE, conv_dim=(16,) * 7), "AudioClassification",
                 "wav2vec2.encoder.layers.0", 3, ["projector", "classifier"], [], 12, 18),
    "wav2vec2-layer": (hf.Wav2Vec2Config(**IMAGE, conv_dim=(16,) * 7, feat_extract_norm="layer"),
                       "AudioClassification", "wav2vec2.encoder.layers.0", 3,
                       ["projector", "classifier"], [], 12, 18),
    "ast": (hf.ASTConfig(**IMAGE, max_length=32, num_mel_bins=16), "AudioClassification",
            "audio_spectrogram_transformer.layers.0", 3, ["classifier"],
            ["audio_spectrogram_transformer.layernorm"], 12, 18),
    "whisper": (hf.WhisperConfig(**WHISPER, use_weighted_layer_sum=True), "AudioClassification",
                "encoder.layers.0", 3, ["projector", "classifier"], ["encoder.layer_norm"], 12,
                18),
}  # fmt: skip


def made(name):
    config, kind, *_ = FAMILIES[name]
    return getattr(hf, f"AutoModelFor{kind}").from_config(config)


@pytest.mark.parametrize("name", FAMILIES)
def test_parts_are_found_in_every_family(name):
    _, _, first, blocks, head, above, projections, linear = FAMILIES[name]
    model = made(name)
    found = structure.find_structure(model)
    assert (found.blocks[0], len(found.blocks)) == (first, blocks)
    assert (list(found.head), list(found.above)) == (head, above)
    assert set(found.depths) == {n for n, _ in model.named_parameters()}
    assert found.below
    assert not any(part in n for n in found.below for part in (*found.blocks, *head, "downsamp"))
    attention = structure.attention_layers(model, found)
    assert sum(map(len, attention.values())) == projections
    assert len(structure.linear_layers(model, found.blocks)) == linear
    for names in attention.values():  # the last one leads back to the width of the block
        widths = {structure.widths(model.get_submodule(n)) for n in names[:-1]}
        assert structure.widths(model.get_submodule(names[-1]))[1] in {taken for taken, _ in widths}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_upper_part_is_trained_alone(name):
    model = made(name)
    blocks = structure.find_structure(model).blocks
    get_method("partial")(blocks=2).apply(model, None)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    for block in blocks[:-2]:
        assert not any(n.startswith(f"{block}.") for n in trained)
    for part in (*blocks[-2:], *FAMILIES[name][4], *FAMILIES[name][5]):
        inside = {n for n, _ in model.named_parameters() if n.startswith(f"{part}.")}
        assert inside <= trained or part == "lm_head"  # tied to the embeddings below
    below = [m for n, m in model.named_modules() if isinstance(m, torch.nn.Embedding)
             and not n.startswith(blocks)]  # fmt: skip
    assert not any(m.weight.requires_grad for m in below)


@pytest.mark.parametrize("method", ["lora", "ia3", "adalora"])
@pytest.mark.parametrize("name", FAMILIES)
def test_adapters_go_where_they_belong(name, method):
    model, chosen = made(name), get_method(method)()
    projections, linear = FAMILIES[name][-2:]
    if not linear:
        with pytest.raises(RecipeError, match="no linear layers in its blocks"):
            chosen.check(model)
        return
    config = chosen.config(model)
    with quiet_peft():
        wrapped = peft.get_peft_model(model, config)
    layers = [n for n, m in wrapped.named_modules() if hasattr(m, "base_layer")]
    blocks = tuple(f"base_model.model.{b}." for b in structure.find_structure(made(name)).blocks)
    assert all(n.startswith(blocks) for n in layers)
    if method == "ia3":
        assert len(config.feedforward_modules) >= len(blocks)
        assert layers
    else:
        assert len(layers) == (projections or linear)
    whole = [n for n, m in wrapped.named_modules() if isinstance(m, ModulesToSaveWrapper)]
    kept = [] if name.endswith("-lm") else [*FAMILIES[name][4], *FAMILIES[name][5]]
    assert sorted(n.removeprefix("base_model.model.") for n in whole) == sorted(kept)


def test_convolutions_take_adapters_where_they_are_named():
    model = made("resnet")
    config = get_method("lora")(target_modules=["convolution"]).config(model)
    with quiet_peft():
        wrapped = peft.get_peft_model(model, config).eval()
    pictures = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
        before = wrapped(pictures).logits
        assert torch.allclose(wrapped.merge_and_unload()(pictures).logits, before, atol=1e-3)


def test_a_model_without_a_head_has_none():
    model = hf.AutoModel.from_config(FAMILIES["bert"][0])
    found = structure.find_structure(model)
    assert (found.head, found.above, len(found.blocks)) == ((), ("pooler",), 3)


def test_layerwise_rates_pass_through_stages():
    rates = get_method("layerwise")(decay=0.5, head_factor=3).learning_rates(made("swin"))
    assert {r for n, r in rates.items() if ".layers.0.blocks.0." in n} == {0.125}
    assert {r for n, r in rates.items() if "layers.0.downsample" in n} == {0.125}
    assert {r for n, r in rates.items() if ".layers.1.blocks.1." in n} == {0.5}
    assert {r for n, r in rates.items() if "embeddings" in n} == {0.0625}
    assert rates["classifier.weight"] == 3


def test_frozen_norms_keep_their_statistics():
    model = made("mobilenet-v2")
    get_method("partial")(blocks=2).apply(model, None)
    before = {n: b.clone() for n, b in model.named_buffers() if "running_mean" in n}
    model.train()
    model(torch.randn(4, 3, 32, 32))
    moved = {n for n, b in model.named_buffers() if n in before and not torch.equal(b, before[n])}
    weights = {n: model.get_parameter(n.replace("running_mean", "weight")) for n in before}
    assert moved == {n for n, weight in weights.items() if weight.requires_grad}
    assert 0 < len(moved) < len(before)


def test_the_work_of_training_is_three_times_that_of_the_forward_pass():
    from torch.utils.flop_counter import FlopCounterMode

    model = hf.AutoModel.from_config(FAMILIES["bert"][0]).eval()
    tokens = torch.ones(1, 8, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model(tokens)
    counted = 3 * counter.get_total_flops() / tokens.numel()
    # Attention itself is left out; the pooler works on one token alone.
    assert structure.training_flops(model) == pytest.approx(counted, rel=0.1)
    model.encoder.layer[0].requires_grad_(False)
    assert structure.training_flops(model) is None
