"""A stranger's scenario of masks: files as targets through all that a run does."""

from __future__ import annotations

import base64
import csv
import io
import json
import urllib.request

import numpy as np
import pytest
from PIL import Image
from walkthrough import page_file

import toolkit
from toolkit.api import compare, evaluate
from toolkit.deployment import predict_file
from toolkit.plugin_types import PredictionFile
from toolkit.runs.folder import Run, read_predictions

PLUGIN = page_file("docs/plugins/tasks.md", "squares.py")
TINY = {
    "model_type": "segformer", "num_encoder_blocks": 2, "depths": [1, 1], "sr_ratios": [1, 1],
    "hidden_sizes": [8, 16], "patch_sizes": [3, 3], "strides": [2, 2], "decoder_hidden_size": 16,
    "num_attention_heads": [1, 2], "mlp_ratios": [2, 2],
}  # fmt: skip


def drawn(folder, count, seed=0):
    """Images of 40 x 32 pixels with a bright square each, and their masks; rows that name them."""
    rng, rows = np.random.default_rng(seed), []
    (folder / "images").mkdir(parents=True)
    for n in range(count):
        y, x = rng.integers(2, 18, 2)
        mask = np.zeros((32, 40), np.uint8)
        mask[y : y + 12, x : x + 16] = 1
        image = (mask * 150 + rng.integers(0, 90, mask.shape)).astype(np.uint8)
        mask[:1] = 255
        Image.fromarray(image).save(folder / "images" / f"photo {n}.png")
        Image.fromarray(mask).save(folder / "images" / f"mask{n}.png")
        rows.append({"image": f"images/photo {n}.png", "mask": f"images/mask{n}.png"})
    return rows


def asked(url, row):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(row).encode(), headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def size_of(file):
    return Image.open(io.BytesIO(file)).size


@pytest.mark.slow
@pytest.mark.enable_socket
def test_masks_from_files_to_files(scenario, tmp_path):
    rows = drawn(tmp_path, 40)
    rows.append(rows[0] | {"mask": rows[1]["mask"]})  # another mask of the same image
    training = {"max_steps": 30, "learning_rate": 0.02, "per_device_train_batch_size": 8,
                "gradient_accumulation_steps": 2}  # fmt: skip
    recipe = scenario("squares", PLUGIN, "Squares", rows, model={"from_config": TINY},
                      training=training, options={"loss": "cross_entropy+dice"})  # fmt: skip
    run = toolkit.run(recipe, out=tmp_path / "run")
    record = run.record
    assert record["status"] == "finished"
    assert record["failed_parts"] == []
    assert record["reload"] == {"compared": 8, "different": 0}
    assert list(record["metrics"]["test"]) == ["mean_iou", "iou", "dice", "pixel_accuracy",
                                               "mean_accuracy"]  # fmt: skip
    assert record["metrics"]["test"]["iou"]["value"] > 0.3
    assert list(record["baselines"]) == ["majority", "position_majority", "otsu_threshold",
                                         "pixel_logistic_regression"]  # fmt: skip
    assert "classes" in record["tables"]
    assert (run.path / "figures").is_dir()
    notes = record["data"]["notes"]
    assert any("1 inputs occur with different targets" in note for note in notes)
    assert any("of the pixels are ignored" in note for note in notes)

    predictions, references = next(iter(read_predictions(run.path / "predictions.jsonl")))
    assert isinstance(predictions[0]["mask"], PredictionFile)
    assert {size_of(one["mask"].read()) for one in (*predictions, *references)} == {(40, 32)}
    report = (run.path / "report.html").read_text()
    assert 'alt="the image with predicted' in report
    # The mask is among the references, and nowhere kept as a small JPEG.
    assert all("mask" not in row for row in lines(run.path / "logs" / "test_rows.jsonl"))

    new = drawn(tmp_path / "new", 3, seed=1)
    (tmp_path / "new" / "rows.jsonl").write_text("\n".join(map(json.dumps, new)))
    source = str(tmp_path / "new" / "rows.jsonl")
    predict_file.predict(Run(run.path), source, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open() as file:
        cells = list(csv.DictReader(file))
    assert cells[1]["prediction.mask"] == "out.csv.files/0000001-photo_1.png"
    assert size_of((tmp_path / cells[1]["prediction.mask"]).read_bytes()) == (40, 32)
    predict_file.predict(Run(run.path), source, tmp_path / "out.jsonl")
    (first, *_) = lines(tmp_path / "out.jsonl")
    assert first["prediction"]["mask"] == {"file": "out.jsonl.files/0000000-photo_0.png"}

    again = evaluate(run.path, source)
    assert 0 < again.record["metrics"]["test"]["iou"]["value"] <= 1
    assert len(again.record["baselines"]) == 4

    image = base64.b64encode((tmp_path / "new" / new[0]["image"]).read_bytes()).decode()
    with run.serve(block=False, port=0) as server:
        told = asked(server.url + "/predict?show", {"image": image})
        with urllib.request.urlopen(server.url) as page:  # noqa: S310 - loopback
            assert page.status == 200
    kind, _, data = told["prediction"]["mask"]["file"].partition(",")
    assert kind == "data:image/png;base64"
    mask = (tmp_path / first["prediction"]["mask"]["file"]).read_bytes()
    assert base64.b64decode(data) == mask
    assert "<img src=" in told["html"]

    other = toolkit.run(recipe, out=tmp_path / "other", settings={"training.max_steps": 2})
    found = compare(run, other)
    (against,) = found.to_dict()["runs"]
    assert against["changed"] is None  # hardly two models give the same mask
    assert against["changes"] == []
    assert set(against["metrics"]) == set(record["metrics"]["test"])
    found.write_html(tmp_path / "compared.html")
