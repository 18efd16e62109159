"""Every method meets every scenario once, and with it the settings that runs are given.

It is a covering array: each pair of a method and a scenario, and each setting with every method and
every scenario. Text classification meets the methods in `tests/toolkit/models/methods`. One pair of
each method is among the fast tests, and never one of fraud detection, whose small run starts from a
model that is pretrained first; lora's others are slow, and all that is left is nightly.
"""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest
import small_runs

from toolkit.cli.main import outcome
from toolkit.models import methods

QUICK = ("question-answering", "image-classification", "token-classification", "translation",
         "summarization", "image-segmentation", "object-detection")  # fmt: skip
SCENARIOS = (*QUICK, "fraud-detection")
SETTINGS = (
    {"gradient_accumulation_steps": 2},
    {"activation_checkpointing": True},
    {"bf16": True},
    {"train_sampling_strategy": "sequential"},
)
#: What cannot be had together -> what the refusal names.
REFUSED = {
    ("fraud-detection", "activation_checkpointing"): "training.activation_checkpointing",
    ("question-answering", "distill"): "distill learns from logits",
    ("translation", "distill"): "distill learns from logits",
    ("translation", "head"): "head cannot train T5ForConditionalGeneration",
    ("summarization", "distill"): "method.teacher",
    ("token-classification", "distill"): "method.teacher",
    ("image-segmentation", "distill"): "distill learns from logits",
    ("object-detection", "distill"): "distill learns from logits",
}
#: One score each: what is asked here is whether a method trains, and the saved model is the same.
SCORES = {
    "question-answering": "f1", "image-classification": "accuracy",
    "token-classification": "entity_f1",
    "translation": "chrf", "summarization": "rouge1", "image-segmentation": "mean_iou",
    "object-detection": "ap50", "fraud-detection": "average_precision",
}  # fmt: skip
OWN = {"partial": {"blocks": 1}, "adalora": {"rank": 4}}


def pairs():
    """Yield each pair with a setting; of each method one pair is fast."""
    for place, method in enumerate(methods.METHODS):
        for turn, scenario in enumerate(SCENARIOS):
            more = SETTINGS[(place + turn) % len(SETTINGS)]
            others = pytest.mark.slow if method == "lora" else pytest.mark.nightly
            marks = [] if scenario == QUICK[place % len(QUICK)] else [others]
            if method == "qlora":
                marks.append(pytest.mark.skipif(
                    find_spec("bitsandbytes") is None, reason="the extra qlora is not installed"
                ))  # fmt: skip
            name = f"{scenario}-{method}-{'-'.join(more)}"
            yield pytest.param(scenario, method, more, marks=marks, id=name)


@pytest.mark.parametrize(("scenario", "method", "more"), list(pairs()))
def test_a_method_meets_a_scenario(scenario, method, more, shared, finished, tmp_path, capsys):
    own = dict(OWN.get(method, {}))
    folder = shared(f"small-{scenario}", lambda f: small_runs.arguments(scenario, "full", f))
    if method == "distill":  # a run on the same questions knows those of test
        run = finished(scenario).path if (scenario, method) not in REFUSED else folder / "model"
        own["teacher"] = str(run)
    words = small_runs.arguments(scenario, method, folder, max_steps=3, **more)
    words += ["--set", f"report.metrics=[{SCORES[scenario]}]"]
    words += ["--set", f"method={json.dumps({'name': method, **own})}"]
    code, told = outcome(["run", *words, "--out", str(tmp_path / "run")]), capsys.readouterr().err
    for other in (method, *more):
        if (scenario, other) in REFUSED:
            assert code == 2
            assert REFUSED[scenario, other] in told
            return
    assert code == 0, told
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["reload"]["different"] == 0
    assert record["reload"]["compared"] == record["data"]["rows"]["test"]
    assert 0 < record["parameters"]["trained"] <= record["parameters"]["all"]
