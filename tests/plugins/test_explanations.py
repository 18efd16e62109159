"""What moved predictions, scenario by scenario: in Python, by predict --explain, in the report."""

from __future__ import annotations

import io
import json
import random
import shutil

import image_rows
import numpy as np
import pytest
from text_rows import FILLERS, WORDS
from toolkit_plugins.vision import occlusion
from toolkit_plugins.vision.image_processing import View

import toolkit
from toolkit.cli.main import outcome
from toolkit.plugin_types.occlusion import score_log_odds
from toolkit.reporting.explanations import read_explanations

# Named, as a column that nearly determines the label is left out where it is not.
COLUMNS = {"options.label": "fraud", "options.numeric": ["told", "noise"],
           "options.categorical": ["place"]}  # fmt: skip
SPEED = {"options.model": "boosting", "training.num_train_epochs": 1,
         "training.per_device_train_batch_size": 256}  # fmt: skip


@pytest.fixture(scope="module")
def claims(shared):
    """A run on a table of which one column tells the label, and a category tells a little."""

    def fill(folder):
        rng = random.Random(0)
        lines = ["told,noise,place,fraud"]
        for _ in range(1200):
            told, noise = rng.random(), rng.random()
            place = rng.choice("abc")
            fraud = int(told + 0.1 * (place == "c") > 0.85)
            lines.append(f"{told:.4f},{noise:.4f},{place},{fraud}")
        (folder / "claims.csv").write_text("\n".join(lines))
        toolkit.run("fraud-detection", data=folder / "claims.csv", out=folder / "run",
                    settings={**SPEED, **COLUMNS})  # fmt: skip

    return toolkit.load_run(shared("explained-claims", fill) / "run")


def test_a_column_that_tells_the_label_comes_first(claims):
    rows = [{"told": 0.97, "noise": 0.5, "place": "a"}, {"told": 0.99, "noise": 0.1, "place": "b"}]
    for row, found in zip(rows, claims.explain(rows), strict=True):
        first, *rest = found["explanation"]
        assert (first["column"], first["value"], first["of"]) == ("told", row["told"], "1")
        assert first["contribution"] > 2
        assert {part["column"] for part in rest} == {"noise", "place"}


def test_columns_have_their_importance_over_the_test_split(claims):
    found = read_explanations(claims.path).importance
    assert next(iter(found.columns)) == "told"
    assert found.metric == "average_precision"
    loss, deviation = found.columns["told"]
    assert loss > 0.4
    assert abs(found.columns["noise"][0]) < 0.1
    assert 0 <= deviation < 0.2
    page = claims.report.read_text()
    assert "What does it depend on?" in page
    assert "Permutation importance" in page


def test_the_history_of_a_card_is_one_part(finished):
    run = finished("fraud-detection")
    found = read_explanations(run.path)
    assert {"customer (payments)", "terminal (earlier frauds)", "time (hour and weekday)",
            "amount", "channel"} <= set(found.importance.columns)  # fmt: skip
    assert found.rows


def test_an_answer_is_explained_by_words_around_it(finished):
    run = finished("question-answering")
    with (run.path.parent / "in" / "rows.jsonl").open() as lines:
        row = json.loads(next(lines))
    (found,) = run.explain([row], top=100)
    start, end = found["prediction"]["start"], found["prediction"]["end"]
    parts = found["explanation"]
    assert {part["column"] for part in parts} == {"question", "context"}
    assert any(part["contribution"] for part in parts)
    assert {part["of"] for part in parts} == {found["prediction"]["answer"] or "(no answer)"}
    if start is not None:
        assert not any(part["column"] == "context" and part["start"] < end and start < part["end"]
                       for part in parts)  # fmt: skip


def test_the_patches_of_a_bar_come_first(finished):
    run = finished("image-classification")
    rng, hits, boxes = np.random.default_rng(5), 0, []
    for label in image_rows.CLASSES * 4:
        image = image_rows.bar(label, rng)
        bright = np.asarray(image).min(2) >= 150
        (found,) = run.explain([{"image": image_rows.as_bytes(image)}], top=3)
        for part in found["explanation"]:
            left, top, right, bottom = part["box"]
            hits += bool(bright[top:bottom, left:right].any())
            boxes.append(part["box"])
    assert hits > 0.7 * len(boxes)  # of all patches, less than a third lie on the bar
    assert all(0 <= b[0] < b[2] <= 24 and 0 <= b[1] < b[3] <= 24 for b in boxes)


@pytest.mark.parametrize("size", [(3, 5), (8, 8), (640, 90)])
def test_patches_cover_an_image_once(size):
    from PIL import Image
    from transformers import ViTImageProcessorPil

    view = View.of(ViTImageProcessorPil(size={"height": 24, "width": 24}), 3)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8))
    whole, *parts = occlusion.occlusions("image", image_rows.as_bytes(image), view)
    assert whole.part is None
    seen = np.zeros(size[::-1], int)
    for one in parts:
        left, top, right, bottom = one.part.box
        seen[top:bottom, left:right] += 1
        Image.open(io.BytesIO(one.cells["image"]["bytes"])).load()
    assert (seen == 1).all()
    same = view.canvases([whole.cells["image"], image_rows.as_bytes(image)])
    assert np.array_equal(*same)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "epochs", "rate"), [("full", 30, 3e-3), ("lora", 3, 1e-2)])
def test_labels_of_pairs(method, epochs, rate, tmp_path, tiny_model):
    rng, lines = random.Random(1), []
    for _ in range(240):
        one, two = (rng.choices(FILLERS, k=4) for _ in range(2))
        labels = []
        for words, label in ((one, "fruit"), (two, "tool")):
            if rng.random() < 0.5:
                words[rng.randrange(4)] = rng.choice(WORDS[label])
                labels.append(label)
        lines.append({"a": " ".join(one), "b": " ".join(two), "label": labels})
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    run = toolkit.run(
        "text-classification", data=tmp_path / "rows.jsonl", model=tiny_model, method=method,
        out=tmp_path / "run", settings={
            "options.text": "a", "options.text_pair": "b", "options.multi_label": True,
            "training.num_train_epochs": epochs, "training.learning_rate": rate,
            "training.per_device_train_batch_size": 16,
        },
    )  # fmt: skip
    row = {"a": "the old plum", "b": "my hammer here"}
    (found,) = run.explain([row])
    part, *_ = found["explanation"]
    without = row[part["column"]][: part["start"]] + row[part["column"]][part["end"] :]
    whole, less = (score_log_odds(one)[part["of"]]
                   for one in run.predict([row, {**row, part["column"]: without}]))  # fmt: skip
    assert part["contribution"] == pytest.approx(whole - less, abs=1e-3)
    if method == "full":  # an adapter on random weights learns little
        planted = {"fruit": ("a", "plum"), "tool": ("b", "hammer")}
        sure = {name for name, score in found["prediction"]["scores"].items() if score > 0.9}
        best = {}
        for one in found["explanation"]:
            best.setdefault(one["of"], (one["column"], one["text"]))
        assert sure
        assert all(best[name] == planted[name] for name in sure)
        assert {one["column"] for one in found["explanation"]} == {"a", "b"}


@pytest.mark.slow
def test_an_export_is_explained_as_its_model(finished, tmp_path):
    pytest.importorskip("onnxscript")
    run = shutil.copytree(finished("text-classification").path, tmp_path / "run")
    assert outcome(["export", str(run), "--to", "onnx"]) == 0
    rows = [{"text": "the old hammer is here"}]
    (one,), (other,) = (toolkit.load_run(run).explain(rows, runtime=r) for r in ("torch", "onnx"))
    assert [p["text"] for p in one["explanation"]] == [p["text"] for p in other["explanation"]]
    for mine, theirs in zip(one["explanation"], other["explanation"], strict=True):
        assert mine["contribution"] == pytest.approx(theirs["contribution"], abs=1e-2)
