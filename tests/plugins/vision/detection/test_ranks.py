"""A step's loss does not depend on how its images are spread over batches and processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = Path(__file__).parents[3] / "detector_steps.py"
PAIR = ["-m", "torch.distributed.run", "--nproc_per_node", "2"]


def weights(file, kind, batch, accumulated=1, launcher=()):
    """Return the weights after two epochs of seven images, of which some have no object."""
    words = [kind, str(batch), str(accumulated), str(file), "7"]
    done = subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), *words], check=False, capture_output=True,
        text=True, timeout=500, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return load_file(file)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["detr", "rt_detr_v2"])
def test_images_weigh_by_their_objects_wherever_they_stand(kind, tmp_path):
    one = weights(tmp_path / "one", kind, 4)
    parts = weights(tmp_path / "parts", kind, 2, accumulated=2)
    ranks = weights(tmp_path / "ranks", kind, 2, launcher=PAIR)
    other = weights(tmp_path / "other", kind, 2)  # twice the steps: what differs is seen
    for name, value in one.items():
        assert torch.allclose(parts[name], value, rtol=0, atol=1e-6), name
        assert torch.allclose(ranks[name], value, rtol=0, atol=1e-6), name
    assert max(float((other[name] - value).abs().max()) for name, value in one.items()) > 1e-5
