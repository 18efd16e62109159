"""Whole runs: in tiles, on two processes, and as an exported model."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import object_rows
import pytest

import toolkit
from toolkit.tasks.boxes import found
from toolkit.training import log_history

LIMIT = 500  # seconds: what takes longer hangs
TOOLKIT = [sys.executable, "-m", "toolkit"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "toolkit"]
pytestmark = pytest.mark.slow


def test_two_processes_train_and_predict_as_one(tmp_path):
    """YOLOS has no statistics of batches, which are those of a process."""
    source = object_rows.coco(tmp_path / "scenes", 31)
    recipe = object_rows.recipe(
        tmp_path / "squares.yaml", source, "yolos", options={"augment": None, "size": 64},
        training={"max_steps": 6, "logging_steps": 1, "learning_rate": 1e-3, "lr_scheduler_type":
                  "constant", "eval_strategy": "no", "save_strategy": "no"},
    )  # fmt: skip
    runs = []
    for name, launcher, batch in (("one", TOOLKIT, 4), ("two", TORCHRUN, 2)):
        words = ["run", recipe, "--out", str(tmp_path / name), "--set",
                 f"training.per_device_train_batch_size={batch}"]  # fmt: skip
        done = subprocess.run(
            [*launcher, *words], check=False, capture_output=True, text=True, timeout=LIMIT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        runs.append(toolkit.load_run(tmp_path / name))
    curves = [
        [line["loss"] for line in log_history.read(run.path) if "loss" in line] for run in runs
    ]
    assert len(curves[0]) == len(curves[1]) == 6
    assert curves[1] == pytest.approx(curves[0], rel=1e-3)
    rows = [
        [json.loads(line) for line in (run.path / "predictions.jsonl").read_text().splitlines()]
        for run in runs
    ]
    assert len(rows[0]) == len(rows[1]) == runs[0].record["data"]["rows"]["test"]
    for one, two in zip(*rows, strict=True):
        assert one["reference"] == two["reference"]
        assert found.same(one["prediction"], two["prediction"])


def test_tiles_find_what_is_too_small_in_the_whole_image(tmp_path):
    """Squares of 8 pixels in images of 256, seen by a detector of 64 pixels a side."""
    rng = np.random.default_rng(0)
    source = object_rows.written(
        tmp_path / "scenes", [object_rows.small_things(rng, 6, 8, (256, 256)) for _ in range(40)]
    )
    scores = {}
    for name, options in (
        ("plain", {"size": 64}),
        ("tiles", {"tiles": {"size": 64, "overlap": 0.25, "whole": False, "empty": 0.1}}),
    ):
        recipe = object_rows.recipe(
            tmp_path / f"{name}.yaml", source, options={**options, "augment": None},
            training={"max_steps": 150, "learning_rate": 4e-3, "max_grad_norm": 0.1,
                      "per_device_train_batch_size": 8, "eval_strategy": "no",
                      "save_strategy": "no"},
        )  # fmt: skip
        run = toolkit.run(recipe, out=tmp_path / name)
        assert run.record["reload"]["different"] == 0
        scores[name] = run.metrics["test"]["ap50"]["value"]
    assert scores["tiles"] > scores["plain"] + 0.1
    assert any("tiles of 64 x 64" in note for note in run.record["data"]["notes"])
    (answer,) = run.predict([{"image": str(source / "images" / "000.png")}])
    boxes = [one["box"] for key in ("objects", "candidates") for one in answer[key]]
    assert max(edges[2] for edges in boxes) > 128


def test_an_exported_detector_answers_as_its_run_does(tmp_path):
    source = object_rows.coco(tmp_path / "scenes", 60)
    recipe = object_rows.recipe(
        tmp_path / "squares.yaml", source, options={"size": 64, "augment": None},
        training={"max_steps": 200, "learning_rate": 4e-3, "max_grad_norm": 0.1,
                  "per_device_train_batch_size": 8, "eval_strategy": "no",
                  "save_strategy": "no"},
    )  # fmt: skip
    run = toolkit.run(recipe, out=tmp_path / "run")
    assert run.metrics["test"]["ap50"]["value"] > 0.4  # queries have scores of their own
    file = run.export("onnx")
    assert file.exists()
    rows = [{"image": str(path)} for path in sorted((source / "images").iterdir())[:12]]
    answers = zip(run.predict(rows), run.predict(rows, runtime="onnx"), strict=True)
    assert all(found.same(one, other) for one, other in answers)
