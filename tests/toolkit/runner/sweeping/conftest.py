"""A tiny recipe for sweeps."""

from __future__ import annotations

import pytest
from text_rows import csv_of, sentences


def arguments(folder, model):
    path = folder / "rows.csv"
    path.write_text(csv_of(sentences(150)))
    return [
        "text-classification", "--quiet", "--data", str(path), "--model", str(model),
        "--set", "training={num_train_epochs: 2, learning_rate: 5.0e-3}",
        "--set", "data.split.stratify=false", "--set", "report.metrics=[accuracy, log_loss]",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def asked(tmp_path_factory, tiny_model):
    """What `toolkit run` or `toolkit sweep` takes, but for spaces and --out."""
    return arguments(tmp_path_factory.mktemp("rows"), tiny_model)
