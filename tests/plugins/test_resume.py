"""Every scenario by every method: killed at some moment and resumed, it ends as left in peace.

Each pair is killed at moments of its own; `python tests/soak.py --moments` kills all of them at
all moments. Text classification is in `tests/toolkit/runner/test_resume.py`.
"""

import image_rows
import pytest
import small_runs
import torch

import toolkit
from toolkit.testing.interruptions import assert_resumes

# A head alone that is set to its optimum takes no steps and writes no checkpoints.
MOMENTS = {
    ("image-classification", "full"): {"step": 9},
    ("image-classification", "lora"): {"checkpoint": 2},
    ("image-classification", "head"): {"evaluation": 1},
    ("image-segmentation", "full"): {"step": 8},
    ("image-segmentation", "lora"): {"checkpoint": 1},
    ("image-segmentation", "head"): {"evaluation": 1},
    ("image-segmentation/tiles", "full"): {"step": 8},
    ("image-segmentation/queries", "full"): {"checkpoint": 2},
    ("image-segmentation/instance", "full"): {"step": 8},
    ("image-segmentation/panoptic", "full"): {"evaluation": 2},
    ("object-detection", "full"): {"step": 7},
    ("object-detection", "lora"): {"evaluation": 2},
    ("object-detection", "head"): {"checkpoint": 1},
    ("fraud-detection", "full"): {"evaluation": 2},
    ("fraud-detection", "lora"): {"step": 8},
    ("fraud-detection", "head"): {"reload": 1},
    ("question-answering", "full"): {"rename": 2},
    ("question-answering", "lora"): {"save": 1},
    ("question-answering", "head"): {"checkpoint": 2},
    ("summarization", "full"): {"step": 7},
    ("summarization", "lora"): {"evaluation": 1},
    ("summarization", "head"): {"save": 1},
    ("token-classification", "full"): {"rename": 1},
    ("token-classification", "lora"): {"step": 5},
    ("token-classification", "head"): {"evaluation": 1},
    ("translation", "full"): {"checkpoint": 2},
    ("translation", "lora"): {"reload": 1},
}


@pytest.mark.nightly
@pytest.mark.parametrize(("kind", "moments"), MOMENTS.items(), ids=map("-".join, MOMENTS))
def test_killed_and_resumed_it_ends_as_one_left_in_peace(kind, moments, tmp_path):
    assert_resumes(small_runs.arguments(*kind, tmp_path / "data"), tmp_path, moments)


def test_no_scenario_and_no_method_is_left_out():
    from toolkit import registry

    built_in = {e.name for e in registry.entries() if e.target.startswith("toolkit_plugins")}
    tried = {scenario for scenario, _ in MOMENTS}
    kinds = tried - set(small_runs.KINDS) | {"text-classification"}
    assert set(small_runs.KINDS) <= tried
    assert kinds == set(small_runs.SCENARIOS) == built_in
    assert {method for _, method in MOMENTS} == set(small_runs.METHODS)


def test_the_best_weights_are_saved_whatever_names_they_were_published_under(tmp_path):
    """Of a ViT they have other names in its files than in memory, which is where Trainer looks."""
    from safetensors.torch import load_file
    from transformers import AutoModelForImageClassification

    photos = image_rows.folder(tmp_path / "photos", dict.fromkeys(image_rows.CLASSES, 20))
    model = image_rows.tiny_vit(tmp_path / "model")
    # So slowly that no epoch scores better than the first.
    training = {"num_train_epochs": 3, "learning_rate": 1e-6, "save_total_limit": 5}
    run = toolkit.run("image-classification", data=photos, model=model, out=tmp_path / "run",
                      settings={"training": training, "options.size": 24})  # fmt: skip
    first, *others = sorted((run.path / "checkpoints").glob("checkpoint-*"),
                            key=lambda path: int(path.name.rpartition("-")[2]))  # fmt: skip
    assert len(others) == 2
    saved, best, last = (
        AutoModelForImageClassification.from_pretrained(path).state_dict()
        for path in (run.path / "model", first, others[-1])
    )
    assert all(torch.equal(saved[name], best[name]) for name in saved)
    changed = [name for name in saved if not torch.equal(saved[name], last[name])]
    assert any(".layers." in name for name in changed)
    assert set(load_file(run.path / "model" / "model.safetensors")) == set(
        load_file(model / "model.safetensors")
    )
