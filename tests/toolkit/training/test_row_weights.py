"""What a row weighs in a step does not depend on the batch and the process that it falls into."""

from __future__ import annotations

import json

import pytest
import small_runs
import torch
import transformers
from text_rows import sentences

from toolkit.cli.main import outcome
from toolkit.recipe.library import find_recipe
from toolkit.runner.fit import make_trainer
from toolkit.runner.prepare import prepare
from toolkit.runs.writer import RunWriter
from toolkit.training.train import train

ROWS = 9
PLAIN = {"bf16": False, "optim": "sgd", "weight_decay": 0.0, "max_grad_norm": 0.0,
         "lr_scheduler_type": "constant", "warmup_steps": 0, "learning_rate": 0.5,
         "eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False,
         "train_sampling_strategy": "sequential", "num_train_epochs": 1}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_dropout(monkeypatch):
    """Dropout draws other masks for other batch shapes; the comparison needs none."""
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, *_, **__: x)


@pytest.fixture
def stepped(shared, tmp_path):
    """Return the weights before and after one step over nine rows, in batches of a size."""

    def go(scenario, size, parts, data=None, **settings):
        def fill(folder):
            small_runs.arguments(scenario, "full", folder)

        folder = shared(f"small-{scenario}", fill)
        source, model, own = json.loads((folder / "small.json").read_text())
        training = {**PLAIN, **settings.pop("training", {}), "per_device_train_batch_size": size,
                    "gradient_accumulation_steps": parts}  # fmt: skip
        own = {**own, "options.augment": None} if "image" in scenario else own
        given = {**own, **settings, "data.source": str(data or source), "model": str(model),
                 **{f"training.{name}": value for name, value in training.items()}}  # fmt: skip
        given.pop("training", None)
        draft = find_recipe(scenario, [(tuple(k.split(".")), v) for k, v in given.items()])
        job = prepare(draft)
        job.prepared["train"] = job.prepared["train"].select(range(ROWS))
        made = make_trainer(job, RunWriter(tmp_path), transformers.TrainerCallback())
        before = {name: value.clone() for name, value in made.model.state_dict().items()}
        train(made)
        assert made.state.global_step == 1
        return before, made.model.state_dict()

    return go


@pytest.fixture
def several(tmp_path):
    """Rows with one or two labels each."""
    rows = sentences(120)
    lines = [json.dumps({"text": text, "label": [label, "long"] if len(text) > 25 else [label]})
             for text, label in rows]  # fmt: skip
    (tmp_path / "several.jsonl").write_text("\n".join(lines))
    return tmp_path / "several.jsonl"


SMOOTH = {"training": {"label_smoothing_factor": 0.2}}
SEVERAL = {"options.multi_label": True, "data.split.stratify": False}


@pytest.mark.parametrize(
    ("scenario", "settings"),
    [
        ("text-classification", {}),
        ("text-classification", SMOOTH),
        ("text-classification", {"options.class_weights": "balanced"}),
        ("text-classification", SEVERAL),
        ("text-classification", {**SEVERAL, **SMOOTH}),
        ("image-classification", {}),
        ("question-answering", {}),
        ("question-answering", SMOOTH),
        ("translation", SMOOTH),
        pytest.param("fraud-detection", {}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_last_batch_of_one_row_weighs_as_one_row(scenario, settings, stepped, several):
    """Its loss, the mean of one row, counted as much as the mean of four."""
    data = several if "options.multi_label" in settings else None
    first, whole = stepped(scenario, ROWS, 1, data, **settings)
    again, parts = stepped(scenario, 4, 3, data, **settings)
    moved = 0.0
    for name, tensor in whole.items():
        assert torch.equal(first[name], again[name]), name
        if tensor.is_floating_point():
            torch.testing.assert_close(parts[name], tensor, atol=2e-6, rtol=1e-4, msg=name)
            moved = max(moved, float((tensor - first[name]).abs().max()))
    assert moved > 1e-3


def test_label_smoothing_of_several_labels(several, tiny_model, tmp_path, capsys):
    """A library warned, with a path, and went on to fail or to smooth nothing."""
    words = ["run", "text-classification", "--data", str(several), "--model", str(tiny_model),
             "--set", "options.multi_label=true", "--set", "data.split.stratify=false",
             "--set", "training.max_steps=2", "--out", str(tmp_path / "run")]  # fmt: skip
    code = outcome([*words, "--set", "training.label_smoothing_factor=0.2"])
    told = capsys.readouterr()
    assert code == 0, told.err
    assert "site-packages" not in told.err + told.out
