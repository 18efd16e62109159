"""Trainers for ways of a training step."""

from __future__ import annotations

import pytest
import transformers
from training_steps import ROWS, Weighed


@pytest.fixture
def trainer_of(tmp_path):
    def make(model, **settings):
        arguments = transformers.TrainingArguments(
            output_dir=str(tmp_path), per_device_train_batch_size=ROWS, report_to="none",
            disable_tqdm=True, **{"use_cpu": True, **settings},
        )  # fmt: skip
        made = Weighed(model=model, args=arguments)
        made.current_gradient_accumulation_steps = arguments.gradient_accumulation_steps
        return made

    return make
