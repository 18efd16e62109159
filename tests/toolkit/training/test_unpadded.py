"""Without padding, models learn what they learn with it."""

from __future__ import annotations

import datasets
import pytest
import torch
import transformers
from training_steps import CLOSE, ENCODERS, alike, batch, bert, both, config

from toolkit.training.unpadded import Unpadded, fits, padding_share


def by_rows(query, key, value, starts, longest, *, scale, window):
    """Attend within each row; the kernel for it needs a GPU."""
    found = []
    for start, end in zip(starts.tolist(), starts[1:].tolist(), strict=False):
        parts = (part[start:end].transpose(0, 1) for part in (query, key, value))
        away = torch.arange(end - start)
        near = (away[:, None] - away).abs() <= (window[0] if window[0] >= 0 else longest)
        attended = torch.nn.functional.scaled_dot_product_attention(*parts, near, scale=scale)
        found.append(attended.transpose(0, 1))
    assert end == len(query)
    return torch.cat(found)


def unpadded(trainer, model):
    return Unpadded(trainer, model, attend=by_rows)


@pytest.mark.parametrize("name", ENCODERS)
def test_models_learn_as_with_padding(trainer_of, name):
    kind, settings = ENCODERS[name]
    torch.manual_seed(0)
    model = kind(settings)
    batches = [batch(length, per_token="tokens" in name, seed=i)
               for i, length in enumerate([20, 33, 7, 40])]  # fmt: skip
    batches += [batch(9, rows=1, per_token="tokens" in name)]
    plain, found, way = both(trainer_of, model, batches, way=unpadded)
    assert way.record() == {"name": "eager", "unpadded": True, "note": None}
    alike(plain, found, **CLOSE)


def test_rows_padded_on_the_left(trainer_of):
    batches = [{name: value.flip(1) for name, value in batch(20, per_token=True, seed=i).items()}
               for i in range(3)]  # fmt: skip
    model = transformers.ModernBertForTokenClassification(ENCODERS["ModernBERT"][1])
    plain, found, way = both(trainer_of, model, batches, way=unpadded)
    assert way.unpadded
    alike(plain, found, **CLOSE)


def test_a_head_that_reads_padding_is_noticed(trainer_of):
    batches = []
    for i in range(2):
        made = batch(20, seed=i)
        labels = made.pop("labels")  # per row; the first token, of which it is made, is padding
        batches.append({**{name: value.flip(1) for name, value in made.items()}, "labels": labels})
    model = transformers.ModernBertForSequenceClassification(ENCODERS["ModernBERT"][1])
    plain, found, way = both(trainer_of, model, batches, way=unpadded)
    assert not way.unpadded
    assert "a step gives a loss and gradient norm of" in way.note
    alike(plain, found, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("lengths", "share"), [([10] * 8, 0.0), ([10] * 4 + [5] * 4, 0.0), ([10, 5, 5, 5] * 2, 0.375)]
)
def test_the_share_of_padding_is_that_of_the_batches(trainer_of, lengths, share):
    trainer = trainer_of(bert(), train_sampling_strategy="sequential")
    trainer.train_dataset = datasets.Dataset.from_dict({"length": lengths})
    assert padding_share(trainer) == pytest.approx(share)


def test_which_models_fit():
    assert fits(ENCODERS["BERT"][0](ENCODERS["BERT"][1]))
    assert not fits(bert(attention_probs_dropout_prob=0.1))
    assert not fits(torch.nn.Linear(2, 2))


def test_padding_is_computed_no_longer(trainer_of):
    model, seen = bert(), []
    model.bert.encoder.layer[0].intermediate.register_forward_hook(
        lambda layer, given, found: seen.append(tuple(given[0].shape))
    )
    way = Unpadded(trainer_of(model), model, attend=by_rows)
    inputs = batch(40)
    way.forward_backward(inputs, None)
    assert seen[-1] == (1, int(inputs["attention_mask"].sum()), 16)


def test_the_model_is_as_before_outside_of_a_step(trainer_of):
    model = bert()
    way = Unpadded(trainer_of(model), model, attend=by_rows)
    way.forward_backward(batch(20), None)
    assert model.config._attn_implementation == "sdpa"
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (bert(attention_probs_dropout_prob=0.1), "attention has dropout"),
        (bert(transformers.BertLMHeadModel, is_decoder=True),
         "BertLMHeadModel is no encoder with one stack of layers"),
    ],
    ids=["dropout", "decoder"],
)  # fmt: skip
def test_what_needs_padding_keeps_it_with_a_note(trainer_of, model, said):
    per_token = isinstance(model, transformers.BertLMHeadModel)
    batches = [batch(20, per_token=per_token, seed=i) for i in range(2)]
    plain, found, way = both(trainer_of, model, batches, way=unpadded)
    note = f"plain steps, as taking out padding failed: {said}"
    assert way.record() == {"name": "eager", "unpadded": False, "note": note}
    alike(plain, found, rtol=0, atol=0)


def test_an_attention_that_mixes_rows_is_noticed(trainer_of):
    def mixed(query, key, value, starts, longest, **rest):
        return by_rows(query, key, value, starts[[0, -1]], longest, **rest)

    model = transformers.BertForSequenceClassification(config(initializer_range=0.5))
    _, _, way = both(trainer_of, model, [batch(20)],
                     way=lambda *parts: Unpadded(*parts, attend=mixed))  # fmt: skip
    assert not way.unpadded
    assert "a step gives a loss and gradient norm of" in way.note
