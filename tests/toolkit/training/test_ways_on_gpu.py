"""The ways of a step on a GPU, where there is one: they train as plain steps do."""

from __future__ import annotations

import pytest
import torch
import transformers
from training_steps import ENCODERS, alike, batch, bert, both

from toolkit.training import ways
from toolkit.training.captured import Captured
from toolkit.training.unpadded import Unpadded

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def batches():
    made = [batch(length, seed=i) for i, length in enumerate([32, 7, 64, 32, 40, 12])]
    made += [batch(32, rows=2)]
    return [{name: value.cuda() for name, value in each.items()} for each in made]


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_captured_steps(trainer_of, dropout):
    model = bert(hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout).cuda()
    plain, found, way = both(trainer_of, model, batches(), way=Captured, use_cpu=False)
    assert way.record() == {"name": "captured", "unpadded": False, "note": None}
    assert len(way.captured) == 2
    if not dropout:  # padded batches draw other numbers
        alike(plain, found, rtol=1e-3, atol=1e-4)


def test_what_cannot_be_captured_ends_in_plain_steps(trainer_of):
    class Reads(transformers.BertForSequenceClassification):
        def forward(self, **inputs):
            outputs = super().forward(**inputs)
            outputs.loss = outputs.loss * (1.0 if float(outputs.loss.detach()) > 0 else 2.0)
            return outputs

    model = bert(Reads, hidden_dropout_prob=0.2).cuda()
    plain, found, way = both(trainer_of, model, batches(), way=Captured, use_cpu=False)
    assert way.name == "eager"
    assert way.note.startswith("plain steps, as capturing them failed: ")
    alike(plain, found, rtol=1e-3, atol=1e-4)  # with the same random numbers


def test_measured_steps(trainer_of):
    def measured(trainer, model):
        return ways.Measured(Captured(trainer, model), 1000)

    plain, found, way = both(trainer_of, bert().cuda(), batches(), way=measured, use_cpu=False)
    assert ", captured " in way.note
    alike(plain, found, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["BERT", "ModernBERT"])
def test_unpadded_steps(trainer_of, name):
    def unpadded(trainer, model):
        return Unpadded(trainer, trainer.accelerator.prepare(model))

    kind, settings = ENCODERS[name]
    torch.manual_seed(0)
    model = kind(settings).cuda()
    plain, found, way = both(trainer_of, model, batches(), way=unpadded, use_cpu=False, bf16=True)
    assert way.record() == {"name": "eager", "unpadded": True, "note": None}
    torch.testing.assert_close(torch.tensor(plain[0]), torch.tensor(found[0]), rtol=0.05, atol=0.05)
