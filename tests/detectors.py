"""Tiny detectors from configs, as recipes have them under `model.from_config`."""

from __future__ import annotations

from typing import Any

BACKBONE = {
    "model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 12, 16, 20],
    "depths": [1, 1, 1, 1], "layer_type": "basic", "out_features": ["stage2", "stage3", "stage4"],
}  # fmt: skip
LAST = {**BACKBONE, "out_features": ["stage4"]}
RT: dict[str, Any] = {
    "backbone_config": BACKBONE, "d_model": 32, "encoder_hidden_dim": 32,
    "encoder_in_channels": [12, 16, 20], "decoder_in_channels": [32, 32, 32],
    "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "decoder_layers": 2, "num_queries": 12, "num_denoising": 8,
}  # fmt: skip
DETR: dict[str, Any] = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "num_queries": 12,
}  # fmt: skip
DAB = {**{k: v for k, v in DETR.items() if k != "d_model"}, "hidden_size": 32}
YOLOS = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "image_size": [64, 96], "num_detection_tokens": 12,
}  # fmt: skip
#: model type -> its config, of those that run in a second.
QUICK: dict[str, dict[str, Any]] = {
    "rt_detr_v2": RT,
    "detr": {**DETR, "backbone_config": LAST},
    "yolos": YOLOS,
}
MORE: dict[str, dict[str, Any]] = {
    "d_fine": RT,
    "rt_detr": RT,
    "conditional_detr": {**DETR, "backbone_config": LAST},
    "deformable_detr": {**DETR, "backbone_config": BACKBONE, "num_feature_levels": 3},
    "dab-detr": {**DAB, "backbone_config": LAST},
    "deimv2": {"num_queries": 12},
}


def config(model_type: str) -> dict[str, Any]:
    """Return `model.from_config` of a tiny detector."""
    return {"model_type": model_type, **{**QUICK, **MORE}[model_type]}
