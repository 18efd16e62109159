"""A pretrained detector that knows classes of the data by name."""

from __future__ import annotations

import object_rows
import pytest
import torch
import transformers
from toolkit_plugins.vision.detection import known_classes
from toolkit_plugins.vision.fast_layers import faster

from toolkit.errors import RecipeError
from toolkit.evaluation import run_metrics
from toolkit.evaluation.baselines import score_baselines
from toolkit.evaluation.predicting import predict
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare


def test_names_are_the_same_but_for_case_blanks_and_underscores():
    names = ["person", "Traffic Light", "sports_ball", "traffic-light"]
    assert known_classes.known(["traffic_light", "cell", "PERSON"], names, None) == {
        0: [1, 3], 2: [0]}  # fmt: skip
    given = {"cell": ["sports ball", "person"]}
    assert known_classes.known(["cell", "person"], names, given) == {0: [2, 0], 1: [0]}
    with pytest.raises(RecipeError) as caught:
        known_classes.known(["cell"], names, {"cell": ["persn"], "cel": ["person"]})
    told = str(caught.value)
    assert "the model has no class 'persn'. Did you mean 'person'" in told
    assert "the data has no class 'cel'. Did you mean 'cell'" in told


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """A DETR of five classes, of which the last but one is the data's `small`."""
    path = object_rows.tiny_detector(tmp_path_factory.mktemp("models") / "pretrained")
    config = transformers.AutoConfig.from_pretrained(path)
    names = ["cat", "dog", "bus", "Small", "huge"]
    config.id2label = dict(enumerate(names))
    config.label2id = {name: place for place, name in enumerate(names)}
    transformers.set_seed(0)
    transformers.DetrForObjectDetection(config).save_pretrained(path)
    return path


def checked(folder, detector, **settings):
    source = object_rows.coco(folder / "scenes", 30)
    path = object_rows.recipe(folder / "squares.yaml", source)
    given = {"model": str(detector), **settings}
    return prepare(find_recipe(path, [(tuple(k.split(".")), v) for k, v in given.items()]))


def test_known_classes_start_from_their_outputs_and_are_a_baseline(tmp_path, detector):
    job = checked(tmp_path, detector)
    plugin = job.plugin
    assert plugin.classes == ["large", "small"]
    old = transformers.AutoModelForObjectDetection.from_pretrained(detector)
    head, before = plugin.model.class_labels_classifier, old.class_labels_classifier
    assert torch.equal(head.weight[1], before.weight[3])  # small
    assert torch.equal(head.bias[2], before.bias[5])  # no object
    assert not any(torch.equal(head.weight[0], row) for row in before.weight)
    told = " ".join(plugin.notes())
    assert "classes that the pretrained model knows by name: small; new to it: large" in told
    scores, used, _ = score_baselines(
        plugin, job.prepared, lambda: run_metrics.modules(plugin), 60, 0)  # fmt: skip
    assert used["zero_shot"]["setting"] == "classes: small"
    assert used["zero_shot"]["test"] == len(plugin.data["test"])
    assert scores["zero_shot"]["ap50"]["value"] is not None
    # What it finds is what the pretrained model says of its own class, without the toolkit.
    row = plugin.data["test"].select([0])
    prepared = plugin.prepare(row, "test")
    same = known_classes.of(plugin)
    image = plugin.collator().on_device(plugin.collator()(prepared.to_list()))
    with torch.no_grad():
        own = old.eval()(pixel_values=image["pixel_values"]).logits.softmax(-1)[0, :, 3]
    model = known_classes.renamed(faster(old).eval(), same, 2)
    (batch,) = predict(plugin, model, row, prepared, 1)
    (found,) = batch.predictions
    every = [one for key in ("objects", "candidates") for one in found[key]]
    seen = sorted((one["score"] for one in every if one["label"] == "small"), reverse=True)
    assert seen
    assert max(seen) == pytest.approx(float(own.max()), abs=1e-4)


def test_without_a_common_class_a_note_says_why_there_is_no_baseline(tmp_path, detector):
    job = checked(tmp_path, detector, **{"options.labels": ["large"]})
    assert "none of the model's 5 classes has the name" in " ".join(job.plugin.notes())
    assert [one.name for one in job.plugin.baselines()] == ["frequent_boxes", "threshold_blobs"]
    given = known_classes.known(job.plugin.classes, ["huge"], {"large": ["HUGE"]})
    assert given == {0: [0]}
