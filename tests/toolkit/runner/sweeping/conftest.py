"""A tiny recipe for sweeps."""

from __future__ import annotations

import json

import pytest
from text_rows import csv_of, sentences

TRAINING = {"num_train_epochs": 4, "learning_rate": 1e-2, "per_device_train_batch_size": 8}


def arguments(folder, model):
    path = folder / "rows.csv"
    path.write_text(csv_of(sentences(150)))
    return [
        "text-classification", "--quiet", "--data", str(path), "--model", str(model),
        "--set", f"training={json.dumps(TRAINING)}",
        "--set", "data.split.stratify=false", "--set", "report.metrics=[accuracy, log_loss]",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def asked(tmp_path_factory, tiny_model):
    """What `toolkit run` or `toolkit sweep` takes, but for spaces and --out."""
    return arguments(tmp_path_factory.mktemp("rows"), tiny_model)
