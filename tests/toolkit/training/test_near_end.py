"""What is begun shortly before training ends is begun once, and in time."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import Trainer, TrainingArguments

from toolkit.training.callbacks.near_end import NearEndCallback


class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x, labels):
        return {"loss": ((self.weight * x - labels) ** 2).mean()}


@pytest.mark.parametrize(("seconds", "begun"), [(math.inf, 1), (0.0, 4)])
def test_it_is_begun_when_so_many_seconds_are_left(seconds, begun, tmp_path):
    steps = []
    arguments = TrainingArguments(
        output_dir=str(tmp_path), max_steps=4, per_device_train_batch_size=2, report_to="none",
        use_cpu=True, save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    rows = [{"x": float(n), "labels": 2.0 * n} for n in range(8)]
    trainer = Trainer(Line(), arguments, train_dataset=rows)
    callback = NearEndCallback(lambda: steps.append(trainer.state.global_step), seconds)
    trainer.add_callback(callback)
    trainer.train()
    assert steps == [begun]
