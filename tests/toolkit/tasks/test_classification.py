"""Classification of whatever input: a stranger's plugin for sounds, on what the task brings."""

from __future__ import annotations

import io
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.io import wavfile
from walkthrough import page_file

import toolkit
from toolkit.tasks.classification import binary_cross_entropy, cross_entropy

PLUGIN = page_file("docs/plugins/tasks.md", "sounds.py")
TINY = {
    "model_type": "wav2vec2", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 16, "conv_dim": [8], "conv_kernel": [10], "conv_stride": [5],
    "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 8,
    "apply_spec_augment": False,
}  # fmt: skip


def tone(pitch: float, shift: int) -> bytes:
    """A wav file."""
    file = io.BytesIO()
    wavfile.write(file, 16_000, (20_000 * np.sin(pitch * (np.arange(160) + shift))).astype("<i2"))
    return file.getvalue()


@pytest.fixture
def sounds(scenario, tmp_path):
    """A recipe for the scenario, installed."""
    rows = []
    for shift in range(20):
        for label, pitch in (("low", 0.1), ("high", 1.5)):
            name = f"{label}-{shift}.wav"
            (tmp_path / name).write_bytes(tone(pitch, shift))
            rows.append({"sound": name, "label": label})
    training = {"num_train_epochs": 2, "learning_rate": 0.01}
    weights = {"class_weights": "balanced"}
    return scenario(
        "sounds", PLUGIN, "Sounds", rows, model={"from_config": TINY}, training=training,
        options=weights,
    )  # fmt: skip


def test_a_stranger_writes_inputs_and_model_alone(sounds, tmp_path):
    run = toolkit.run(sounds, out=tmp_path / "run")
    assert list(run.record["metrics"]["test"]) == [
        "accuracy", "f1_macro", "log_loss", "expected_calibration_error"
    ]  # fmt: skip
    assert list(run.record["baselines"]) == ["majority", "frozen_linear"]
    assert run.record["baselines"]["frozen_linear"]["accuracy"]["value"] == 1.0
    assert run.record["reload"]["different"] == 0
    [found] = run.predict([{"sound": tone(0.1, 3)}])
    assert found["score"] == max(found["scores"].values()) == found["scores"][found["label"]]
    assert set(found["scores"]) == {"high", "low"}


def test_cross_entropy_weighs_and_ignores_rows():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
    outputs, labels = SimpleNamespace(logits=logits), torch.tensor([0, 1, -100])
    each = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(-1))]
    found = cross_entropy([1.0, 3.0])(outputs, labels)
    assert float(found) == pytest.approx((each[0] + 3 * each[1]) / 2, rel=1e-6)
    shares = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    mixed = cross_entropy(None)(SimpleNamespace(logits=logits[:2]), shares)
    assert float(mixed) == pytest.approx(sum(each) / 2, rel=1e-6)
    summed = cross_entropy(None)(outputs, labels, num_items_in_batch=torch.tensor(4))
    assert float(summed) == pytest.approx(sum(each) / 4, rel=1e-6)


def test_binary_cross_entropy_counts_rows_not_elements():
    outputs = SimpleNamespace(logits=torch.zeros(2, 3))
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    loss = binary_cross_entropy([1.0, 1.0, 4.0])
    assert float(loss(outputs, labels)) == pytest.approx(2 * math.log(2), rel=1e-6)
    halved = loss(outputs, labels, num_items_in_batch=torch.tensor(12))
    assert float(halved) == pytest.approx(math.log(2), rel=1e-6)


def test_smoothing_of_several_labels_moves_both_targets():
    logits, labels = torch.randn(3, 4), torch.randint(0, 2, (3, 4)).float()
    found = binary_cross_entropy(smoothing=0.2)(SimpleNamespace(logits=logits), labels)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels * 0.8 + 0.1)
    torch.testing.assert_close(found, wanted)
