"""Which way a run's steps are taken: by its length, what it is made of, and measured times."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import transformers
from tape import Tapes
from training_steps import CLOSE, alike, batch, bert, both, config, trained

from toolkit.training import ways
from toolkit.training.captured import Captured
from toolkit.training.compiled import Compiled
from toolkit.training.eager import Way


def test_a_run_is_long_enough_or_not():
    assert not ways.worth_trying(199)
    assert ways.worth_trying(200)
    assert not ways.worth_compiling(0.011, 200_000)  # 37 minutes
    assert ways.worth_compiling(0.011, 220_000)


@pytest.mark.parametrize(
    ("seconds", "batches", "expected"),
    [
        ({"eager": 0.024, "captured": 0.011}, 1000, "captured"),
        ({"eager": 0.024, "captured": 0.011}, 100, "eager"),  # capturing takes as long as 80
        ({"eager": 0.024, "captured": 0.0225}, 10_000, "captured"),
        ({"eager": 0.024, "captured": 0.0235}, 10_000, "eager"),  # within the noise
        ({"eager": 0.5, "captured": 0.49, "compiled": 0.4}, 10_000, "compiled"),
        ({"eager": 0.024, "captured": 0.011, "compiled": 0.0107}, 10_000, "captured"),
        ({"eager": 0.5, "unpadded": 0.3}, 300, "unpadded"),
        ({"eager": 0.024}, 10_000, "eager"),
    ],
)
def test_the_way_that_ends_first_is_taken(seconds, batches, expected):
    assert ways.fastest(seconds, batches) == expected


def asked(trainer, **training):
    trainer.toolkit_plugin = SimpleNamespace(recipe=SimpleNamespace(training=training))
    return trainer


@pytest.mark.parametrize(
    ("training", "recorded", "name", "note"),
    [
        ({}, None, "eager", None),
        ({"step": "eager"}, None, "eager", None),
        ({"step": "captured"}, None, "eager", "plain steps: captured needs a CUDA GPU"),
        ({"step": "unpadded"}, None, "eager", "plain steps: unpadded needs a CUDA GPU"),
        ({"step": "compiled"}, None, "compiled", None),
        ({}, {"name": "compiled", "note": "as before"}, "compiled", "as before"),
        ({"step": "compiled"}, {"name": "eager", "note": "it failed"}, "eager", "it failed"),
    ],
)
def test_on_a_cpu_steps_are_plain_unless_asked_or_recorded(
    trainer_of, training, recorded, name, note
):
    model = bert()
    way = ways.chosen(asked(trainer_of(model), **training), model, 10_000, recorded)
    expected = {"name": name, "unpadded": False, "note": note}
    assert way.record() == expected


def test_plain_steps_on_a_cpu_import_nothing():
    import subprocess
    import sys

    code = "import sys, toolkit.training.ways; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class OwnLoss(transformers.Trainer):
    def compute_loss(self, *args, **named):
        return super().compute_loss(*args, **named)


def test_what_keeps_steps_plain_is_named(trainer_of):
    model = bert()
    trainer = trainer_of(model)
    assert ways.obstacle(trainer, model, "auto") == ""
    assert ways.obstacle(trainer, model, "captured") == "captured needs a CUDA GPU"
    model.activation_checkpointing_enable()
    assert ways.obstacle(trainer, model, "auto") == "activation checkpointing is on"
    model = bert()
    own = OwnLoss(model=model, args=trainer.args)
    assert ways.obstacle(own, model, "auto") == "OwnLoss takes steps of its own"
    assert ways.obstacle(own, model, "compiled") == ""
    trainer.accelerator.scaler = object()
    assert ways.obstacle(trainer, model, "auto") == "fp16 uses a gradient scaler"


def test_the_users_torch_compile_stands(trainer_of):
    model = bert()
    trainer = asked(trainer_of(model), step="captured")
    trainer.args.torch_compile = True
    way = ways.chosen(trainer, model, 10_000)
    assert type(way) is Way
    assert way.record()["name"] == "compiled"
    assert way.note == "compiled, as training.torch_compile asks for it"


BATCHES = [batch(length, seed=i) for i, length in enumerate([32, 20, 40, 32])]


def test_measuring_leaves_training_as_it_is(trainer_of):
    def measured(trainer, model):
        return ways.Measured(Captured(trainer, model, graphs=Tapes()), 1000)

    plain, found, way = both(trainer_of, bert(), BATCHES, way=measured)
    alike(plain, found, **CLOSE)
    assert way.name in ("eager", "captured")
    assert way.note.startswith(f"{way.name} steps for 1,000 batches, by the time of one: eager ")
    assert ", captured " in way.note


@pytest.mark.parametrize(("captured", "found"), [(0.5, "captured"), (0.99, "eager")])
def test_the_faster_way_is_kept(trainer_of, monkeypatch, captured, found):
    seconds = {"Way": 1.0, "Captured": captured}
    monkeypatch.setattr(ways.Measured, "_seconds",
                        lambda self, way, *_: seconds[type(way).__name__])  # fmt: skip
    model = bert()
    way = ways.Measured(Captured(trainer_of(model), model, graphs=Tapes()), 1000)
    way.forward_backward(batch(32), None)
    assert (way.record()["name"], way.keeps_gradients) == (found, found == "captured")


def test_a_trial_that_fails_ends_in_plain_steps(trainer_of):
    model = bert(attention_probs_dropout_prob=0.0)
    trainer = trainer_of(model)
    trainer.train_dataset = SimpleNamespace(column_names=["length"])  # of which nothing is read
    plain = Way(trainer_of(model), model).forward_backward(batch(32), None)
    model.zero_grad()
    way = ways.Measured(Captured(trainer, model, graphs=Tapes()), 1000)
    assert float(way.forward_backward(batch(32), None)) == float(plain)
    assert way.record()["name"] == "eager"
    assert way.note.startswith("plain steps, as trying others failed: ")


def test_batches_that_no_graph_holds_are_waited_out(trainer_of):
    model = bert()
    way = ways.Measured(Captured(trainer_of(model), model, graphs=Tapes()), 1000)
    trained(way, [batch(32, rows=2, seed=i) for i in range(ways.WAIT)])
    assert way.name == "eager"
    assert way.note.startswith("eager steps for 1,000 batches, by the time of one: eager ")
    assert "captured" not in way.note


@pytest.mark.slow
def test_compiled_steps_train_as_plain_ones_do(trainer_of):
    def compiled(trainer, model):
        return Compiled(trainer, model, backend="eager")

    plain, found, way = both(trainer_of, bert(num_hidden_layers=1), BATCHES[1:3], way=compiled)
    alike(plain, found, **CLOSE)
    assert way.record() == {"name": "compiled", "unpadded": False, "note": None}


def broken(graph, inputs):
    raise RuntimeError("no compiler here")


def wrong(graph, inputs):
    return lambda *values: tuple(
        2 * value if isinstance(value, torch.Tensor) and value.is_floating_point() else value
        for value in graph(*values)
    )


@pytest.mark.parametrize(
    ("backend", "said"),
    [(broken, "no compiler here"),
     (wrong, "a step gives a loss and gradient norm of")],
)  # fmt: skip
def test_what_does_not_compile_is_run_plainly_with_a_note(trainer_of, backend, said):
    def compiled(trainer, model):
        return Compiled(trainer, model, backend=backend)

    plain, found, way = both(trainer_of, bert(num_hidden_layers=1), BATCHES[:2], way=compiled)
    alike(plain, found, rtol=0, atol=0)
    assert way.name == "eager"
    assert way.note.startswith("plain steps, as compiling failed: ")
    assert said in way.note


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, as its compiler is loaded
def test_the_default_compiler_compiles(trainer_of):
    small = config(hidden_dropout_prob=0.1, num_hidden_layers=1)
    model = transformers.BertForSequenceClassification(small)
    way = Compiled(trainer_of(model), model)
    losses, _ = trained(way, BATCHES[:2])
    assert way.name == "compiled", way.note
    assert all(loss == loss for loss in losses)
