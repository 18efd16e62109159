"""Steps that run as a graph train the model as plain steps do, and what no graph holds is plain."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
import torch
import transformers
from tape import Tapes
from training_steps import CLOSE, ROWS, alike, batch, bert, both

from toolkit.training.captured import Captured
from toolkit.training.eager import Way

LENGTHS = [32, 7, 30, 64, 40, 32, 12, 50, 33, 20]


def test_padded_graphs_train_as_plain_steps_do(trainer_of):
    batches = [batch(length, seed=i) for i, length in enumerate(LENGTHS)]
    plain, captured, way = both(trainer_of, bert(), batches)
    alike(plain, captured, **CLOSE)
    assert (way.name, way.note) == ("captured", None)
    assert len(way.captured) == 2  # 32 and 64 tokens
    assert sum(graph.replays for graph in way.captured.values()) == len(batches)


def test_the_same_random_numbers_are_drawn(trainer_of):
    model = bert(hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.3)
    batches = [batch(32, seed=i) for i in range(6)]
    plain, captured, way = both(trainer_of, model, batches)
    alike(plain, captured, rtol=1e-6, atol=1e-7)
    assert way.name == "captured"


def test_accumulated_batches_weigh_as_their_rows_do(trainer_of):
    batches = [batch(length, per_token=True, seed=i) for i, length in enumerate(LENGTHS)]
    model = bert(transformers.BertForTokenClassification)
    plain, captured, way = both(trainer_of, model, batches, parts=2)
    alike(plain, captured, **CLOSE)
    assert way.name == "captured"
    assert len(way.captured) == 2


def test_gradients_are_added_to_those_that_are_there(trainer_of):
    model = bert()
    way = Captured(trainer_of(model), model, graphs=Tapes())
    way.forward_backward(batch(32), None)
    once = {name: p.grad.clone() for name, p in model.named_parameters()}
    way.forward_backward(batch(32), None)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, 2 * once[name])
    model.zero_grad(set_to_none=True)  # by a callback, say
    way.forward_backward(batch(32), None)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, once[name])


def test_what_is_captured_leaves_the_first_batch_to_be_run_once(trainer_of):
    model = bert(hidden_dropout_prob=0.3)
    random.seed(5)
    torch.manual_seed(2)
    way = Captured(trainer_of(model), model, graphs=Tapes())
    state, python = torch.get_rng_state(), random.getstate()
    loss = way.forward_backward(batch(32), None)
    after, torch_state = torch.get_rng_state(), state
    torch.set_rng_state(torch_state)
    plain = Way(way.trainer, model)
    model.zero_grad()
    assert float(plain.forward_backward(batch(32), None)) == pytest.approx(float(loss), rel=1e-6)
    assert torch.equal(torch.get_rng_state(), after)
    assert random.getstate() == python


def test_smaller_and_longer_batches_are_run_plainly(trainer_of):
    batches = [batch(32), batch(32, rows=2), batch(9, rows=1)]
    model = bert()
    plain, captured, way = both(trainer_of, model, batches)
    alike(plain, captured, **CLOSE)
    assert sum(graph.replays for graph in way.captured.values()) == 1


def test_a_step_of_fewer_batches_is_run_plainly(trainer_of):
    model = bert()
    trainer = trainer_of(model, gradient_accumulation_steps=3)
    trainer.current_gradient_accumulation_steps = 2  # the last one of an epoch
    way = Captured(trainer, model, graphs=Tapes())
    way.forward_backward(batch(32), None)
    assert not way.captured


def test_a_parameter_that_a_step_does_not_reach_has_no_gradient(trainer_of):
    model = bert()
    model.spare = torch.nn.Parameter(torch.ones(3))
    batches = [batch(32, seed=i) for i in range(3)]
    plain, captured, way = both(trainer_of, model, batches)
    assert way.model.spare.grad is None
    assert torch.equal(captured[1]["spare"], torch.ones(3))  # no weight decay, either
    alike(plain, captured, **CLOSE)


class Changed(transformers.BertForSequenceClassification):
    """Does something in each forward pass that a graph would not do again, or could not."""

    change = staticmethod(lambda outputs: outputs)

    def forward(self, **inputs):
        outputs = super().forward(**inputs)
        outputs.loss = self.change(outputs.loss)
        return outputs


def reads(loss):
    return loss * (2.0 if float(loss.detach()) > 0 else 1.0)


def draws(loss):
    return loss * random.choice([1.0, 2.0])


def counting():
    calls = iter(range(10**6))
    return lambda loss: loss * (1 + max(0, next(calls) - 2))


@pytest.mark.parametrize(
    ("change", "said", "replays"),
    [
        (reads, "operation not permitted when stream is capturing", 0),
        (draws, "a step draws random numbers outside of the GPU", 0),
        (counting(), "as a graph, a step gives a loss and gradient norm of", 10),
    ],
    ids=["reads a value", "draws on the host", "changes on the host"],
)
def test_what_no_graph_can_hold_is_run_plainly_with_a_note(trainer_of, change, said, replays):
    model = bert(Changed)
    model.change = change
    graphs = Tapes()
    way = Captured(trainer_of(model), model, graphs=graphs)
    random.seed(3)
    for seed in range(12):
        way.forward_backward(batch(32, seed=seed), None)
    assert sum(tape.played for tape in graphs.tapes) <= replays + 3  # with those that check
    assert (way.name, way.captured) == ("eager", {})
    assert way.note.startswith("plain steps, as capturing them failed: ")
    assert said in way.note


def test_the_batch_that_fails_is_run_once(trainer_of):
    model = bert(Changed)
    model.change = reads
    way = Captured(trainer_of(model), model, graphs=Tapes())
    loss = way.forward_backward(batch(20), None)
    found = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    assert float(Way(way.trainer, model).forward_backward(batch(20), None)) == float(loss)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter.grad, found[name])


class Average(torch.nn.Module):
    """Averages over all tokens, padding included."""

    def __init__(self):
        super().__init__()
        self.config = SimpleNamespace(max_position_embeddings=128, pad_token_id=0)
        self.embedding, self.head = torch.nn.Embedding(50, 8), torch.nn.Linear(8, 3)
        with torch.no_grad():
            self.embedding.weight.mul_(10)

    def forward(self, input_ids, attention_mask, labels):
        logits = self.head(self.embedding(input_ids).mean(1))
        return {"loss": torch.nn.functional.cross_entropy(logits, labels)}


def test_a_model_that_padding_changes_is_run_plainly(trainer_of):
    torch.manual_seed(0)
    model = Average()
    way = Captured(trainer_of(model), model, graphs=Tapes())
    way.forward_backward(batch(33), None)
    assert way.name == "eager"
    assert "with padding, a batch gives a loss of" in way.note


class Regressor(torch.nn.Module):
    """Has no configuration, and rows of one shape."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(8, 1)

    def forward(self, values, labels):
        return {"loss": (self.line(values)[:, 0] - labels).square().mean()}


def test_rows_without_padding_share_a_graph(trainer_of):
    torch.manual_seed(0)
    batches = [{"values": torch.randn(ROWS, 8), "labels": torch.randn(ROWS)} for _ in range(4)]
    plain, captured, way = both(trainer_of, Regressor(), batches)
    alike(plain, captured, **CLOSE)
    assert [graph.replays for graph in way.captured.values()] == [4]


def test_running_statistics_count_each_batch_once(trainer_of):
    model = bert(Changed)
    norm = torch.nn.BatchNorm1d(1)
    model.norm = norm
    model.change = lambda loss: loss + 0 * norm(torch.stack([loss, loss + 1])[:, None]).sum()
    way = Captured(trainer_of(model), model, graphs=Tapes())
    for seed in range(3):
        way.forward_backward(batch(32, seed=seed), None)
    assert way.name == "captured"
    assert int(norm.num_batches_tracked) == 3


def test_unfrozen_layers_get_a_graph_of_their_own(trainer_of):
    model = bert()
    model.bert.requires_grad_(False)
    way = Captured(trainer_of(model), model, graphs=Tapes())
    way.forward_backward(batch(32), None)
    model.bert.requires_grad_(True)
    way.forward_backward(batch(32), None)
    assert len(way.captured) == 2
    assert model.bert.embeddings.word_embeddings.weight.grad.abs().sum() > 0
