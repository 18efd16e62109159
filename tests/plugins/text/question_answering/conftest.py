"""A tiny BERT that can learn to find a colour."""

from pathlib import Path

import pytest
from qa_rows import tiny_qa


@pytest.fixture(scope="session")
def qa_model(tmp_path_factory) -> Path:
    """A BERT of two layers with random weights and a vocabulary written by hand."""
    return tiny_qa(tmp_path_factory.mktemp("models") / "tiny-qa")
