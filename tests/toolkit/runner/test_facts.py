"""What a run records of the resources that it took."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
import transformers

from toolkit.models.structure import training_flops
from toolkit.reporting import html
from toolkit.runner import facts
from toolkit.runs.folder import Run

SPEED = {"train_samples_per_second": 50.0, "tokens_seen": 3000, "rows_seen": 100, "steps": 4}


def job(device, tiny_model):
    """What is asked of a job, as there is no GPU: the device that training took, and the model."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tiny_model)
    arguments = SimpleNamespace(device=torch.device(device), fsdp=[], deepspeed=None)
    return SimpleNamespace(arguments=arguments, plugin=SimpleNamespace(model=model))


def test_a_gpu_run_records_the_share_of_its_peak(tiny_model):
    made = job("cuda", tiny_model)
    found = facts.resources(made, SPEED, {"accelerator 0": 5.0})
    work = training_flops(made.plugin.model) * 30 * 50
    assert found["mfu"] * found["matrix_peak_flops"] == pytest.approx(work)
    assert found["energy_joules"] == {"accelerator 0": 5.0}


@pytest.mark.parametrize("unknown", ["device", "tokens", "steps", "weights", "shards"])
def test_no_share_is_recorded_where_it_is_unknown(unknown, tiny_model):
    made = job("cpu" if unknown == "device" else "cuda", tiny_model)
    if unknown == "weights":
        made.plugin.model.base_model.requires_grad_(False)
    if unknown == "shards":
        made.arguments.fsdp = ["full_shard"]
    speed = {**SPEED, **{"tokens": {"tokens_seen": None}, "steps": {"steps": 0}}.get(unknown, {})}
    assert set(facts.resources(made, speed, {})) == {"peak_memory_bytes", "energy_joules"}


def test_the_report_shows_memory_and_share_of_a_gpu(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished("text-classification").path, folder)
    record = json.loads((folder / "run.json").read_text())
    peaks = {"accelerator": 8 * 2**30, "accelerator_with_cache": 9 * 2**30}
    record["resources"] |= {"peak_memory_bytes": peaks, "mfu": 0.314, "matrix_peak_flops": 7.9e14}
    (folder / "run.json").write_text(json.dumps(record))
    html.write(Run(folder))
    page = (folder / html.FILE).read_text()
    assert "peak memory of the accelerator with cache" in page
    assert "31.4% of 790 TFLOP/s" in page
