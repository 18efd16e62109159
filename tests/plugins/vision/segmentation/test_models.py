"""Models of semantic segmentation from tiny configs: forward, loss, backward, save and load."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import transformers as hf
from toolkit_plugins.vision import batch_norm
from toolkit_plugins.vision.segmentation import models

from toolkit.errors import RecipeError
from toolkit.models.feature_stand_in import on_features
from toolkit.models.structure import find_structure, head_modules
from toolkit.tasks.masks.losses import pixel_loss

HEAD = {
    "num_labels": 3, "id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2},
    "ignore_mismatched_sizes": True, "dtype": "float32",
}  # fmt: skip
VIT = {"image_size": 32, "patch_size": 8, "hidden_size": 16, "num_hidden_layers": 4,
       "num_attention_heads": 2, "intermediate_size": 16}  # fmt: skip
RESNET = hf.ResNetConfig(
    embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic",
    out_features=["stage1", "stage2", "stage3", "stage4"],
)  # fmt: skip
#: config, modules of the head, blocks, whether it has an auxiliary head
FAMILIES = {
    "segformer": (hf.SegformerConfig(depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 16],
                                     num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=16),
                  ("decode_head",), 4, False),
    "mobilenet_v2": (hf.MobileNetV2Config(depth_multiplier=0.1, finegrained_output=False),
                     ("segmentation_head",), 16, False),
    "upernet": (hf.UperNetConfig(backbone_config=RESNET, hidden_size=16, pool_scales=[1, 2],
                                 auxiliary_channels=8, auxiliary_in_channels=16),
                ("decode_head", "auxiliary_head"), 4, True),
    "dpt": (hf.DPTConfig(**VIT, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8] * 4,
                         fusion_hidden_size=8),
            ("neck", "head", "auxiliary_head"), 4, True),
    "beit": (hf.BeitConfig(**VIT, out_indices=[1, 2, 3, 4], pool_scales=[1, 2]),
             ("fpn", "decode_head", "auxiliary_head"), 4, True),
}  # fmt: skip


def loaded(config, folder, **more):
    config.save_pretrained(folder)
    torch.manual_seed(0)
    return models.load(folder, HEAD, more.get("output_stride"))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_learns_and_is_loaded_again_as_it_was(name, tmp_path):
    config, head, blocks, auxiliary = FAMILIES[name]
    model = loaded(config, tmp_path)
    assert head_modules(model) == head
    assert len(find_structure(model).blocks) == blocks
    images, labels = torch.randn(2, 3, 32, 32), torch.randint(0, 3, (2, 32, 32))
    labels[:, :4] = -100
    measure = pixel_loss("cross_entropy")
    outputs = model.train()(pixel_values=images)
    assert (models.AUXILIARY in outputs) == auxiliary
    loss = models.with_auxiliary(measure, outputs, labels)
    assert bool(loss > measure(outputs, labels)) == auxiliary
    loss.backward()
    for part in head:
        assert any(p.grad is not None for p in model.get_submodule(part).parameters())
    logits = model.eval()(pixel_values=images).logits
    model.save_pretrained(tmp_path / "saved")
    again = hf.AutoModelForSemanticSegmentation.from_pretrained(tmp_path / "saved").eval()
    outputs = again(pixel_values=images)
    assert torch.allclose(outputs.logits, logits, atol=1e-6)
    assert models.AUXILIARY not in outputs


@pytest.mark.parametrize("name", ["upernet", "dpt", "beit"])
def test_the_auxiliary_loss_is_that_of_transformers(name, tmp_path):
    config, *_ = FAMILIES[name]
    model = loaded(config, tmp_path).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout) or "DropPath" in type(module).__name__:
            module.eval()
    images, labels = torch.randn(2, 3, 32, 32), torch.randint(0, 3, (2, 32, 32))
    measure = pixel_loss("cross_entropy")
    ours = models.with_auxiliary(measure, model(pixel_values=images), labels)
    upernet = name == "upernet"  # which upsamples by itself, as we do
    theirs = model(pixel_values=images, labels=labels).loss
    assert torch.allclose(ours, theirs, rtol=1e-4 if upernet else 1e-3)


def test_a_classifier_is_the_pretrained_encoder(tiny_mobilenet):
    model = models.load(tiny_mobilenet, HEAD, 8)
    before = hf.AutoModelForImageClassification.from_pretrained(tiny_mobilenet).state_dict()
    body = {n: w for n, w in model.state_dict().items() if n.startswith("mobilenet_v2.")}
    assert body
    assert all(torch.equal(weight, before[name]) for name, weight in body.items())
    assert model.eval()(pixel_values=torch.zeros(1, 3, 64, 64)).logits.shape == (1, 3, 8, 8)
    head = {id(layer) for layer in batch_norm.layers(model.segmentation_head)}
    kept = batch_norm.of_body(model)
    assert head
    assert kept
    assert not head & {id(layer) for layer in kept}


def test_upernet_is_built_on_a_classifier_and_keeps_its_weights(tiny_mobilenet, tmp_path):
    model = models.load(tiny_mobilenet, HEAD, decoder="upernet", width=16)
    before = hf.AutoModelForImageClassification.from_pretrained(tiny_mobilenet).state_dict()
    body = model.backbone.state_dict()
    assert all(torch.equal(w, before[f"mobilenet_v2.{n}"]) for n, w in body.items())
    assert len(body) > 100
    images, labels = torch.randn(2, 3, 64, 96), torch.randint(0, 3, (2, 64, 96))
    pixel_loss("cross_entropy")(model.train()(pixel_values=images), labels).backward()
    assert all(p.grad is not None for p in model.parameters())
    norms = {id(layer) for layer in batch_norm.layers(model.backbone)}
    assert {id(layer) for layer in batch_norm.of_body(model)} == norms
    model.save_pretrained(tmp_path)
    again = hf.AutoModelForSemanticSegmentation.from_pretrained(tmp_path).eval()
    assert torch.allclose(again(images).logits, model.eval()(images).logits, atol=1e-6)
    assert models.config_of(tmp_path, "upernet").model_type == "upernet"


def test_decoders_that_do_not_fit_are_refused(tiny_mobilenet, tmp_path):
    with pytest.raises(RecipeError, match="UPerNet reads maps of 4 to 32"):
        models.load(tiny_mobilenet, HEAD, 8, decoder="upernet")
    segformer, *_ = FAMILIES["segformer"]
    what = "upernet needs a backbone, and segformer is none.*--set options.decoder=auto"
    with pytest.raises(RecipeError, match=what):
        models.load(_saved(segformer, tmp_path / "segformer"), HEAD, decoder="upernet")
    with pytest.raises(RecipeError, match="resnet has no head: name upernet"):
        models.load(_saved(RESNET, tmp_path / "resnet"), HEAD)


def _saved(config, folder):
    config.save_pretrained(folder)
    return folder


def test_what_cannot_be_had_names_what_can(tiny_mobilenet, tmp_path):
    hf.ViTConfig(**VIT).save_pretrained(tmp_path / "vit")
    with pytest.raises(RecipeError, match=r"no semantic segmentation with 'vit'.*mobilenet_v2"):
        models.config_of(tmp_path / "vit")
    segformer, *_ = FAMILIES["segformer"]
    with pytest.raises(RecipeError, match="segformer has a fixed stride"):
        loaded(segformer, tmp_path / "segformer", output_stride=8)
    dpt = loaded(FAMILIES["dpt"][0], tmp_path / "dpt")
    with pytest.raises(RecipeError, match=r"takes no images of 64 x 32 .*own 32 x 32"):
        models.require_size(dpt, (64, 32))
    assert models.own_size(segformer) is None


@pytest.mark.parametrize("name", ["beit", "dpt", "segformer"])
def test_features_are_not_kept_for_a_head_that_reads_several_layers(name, tmp_path):
    model, report = loaded(FAMILIES[name][0], tmp_path).eval(), {}
    context = SimpleNamespace(
        first_batch=lambda _: {"pixel_values": torch.zeros(2, 3, 32, 32)}, report=report
    )
    assert on_features(model, context) is None
    assert "the head reads more" in report["features"]


def test_outputs_without_an_auxiliary_head_have_the_plain_loss():
    outputs = SimpleNamespace(logits=torch.zeros(1, 3, 2, 2))
    labels = torch.zeros(1, 2, 2, dtype=torch.long)
    measure = pixel_loss("cross_entropy")
    assert models.with_auxiliary(measure, outputs, labels) == measure(outputs, labels)
