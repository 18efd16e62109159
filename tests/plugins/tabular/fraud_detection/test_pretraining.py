"""Pretraining of the model of fields: what it trains, and what fine-tuning takes of it."""

import pytest
import torch

pytest.importorskip("polars")

from toolkit_plugins.tabular.fraud_detection import (
    TransactionConfig,
    TransactionForMaskedFields,
    TransactionForSequenceClassification,
)

SIZES = {
    "edges": [[-1.0, 0.0, 1.0], [0.0, 2.0], [-2.0, 2.0]],
    "cardinalities": [4, 3],
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "hidden_dropout": 0.0,
}


def batch(rows=16, share=0.4, cardinalities=SIZES["cardinalities"]):
    drawn = torch.Generator().manual_seed(0)
    kinds = [torch.randint(0, n, (rows, 1), generator=drawn) for n in cardinalities]
    fields = 3 + len(kinds)
    return {
        "numbers": torch.randn(rows, 3, generator=drawn),
        "mask": torch.rand(rows, fields, generator=drawn) < share,
        **({"kinds": torch.cat(kinds, 1)} if kinds else {}),
    }


def with_gradients(model, inputs):
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.zero_grad()
    model(**inputs).loss.backward()
    return {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


def test_pretraining_reaches_all_that_fine_tuning_reads():
    inputs = batch()
    trained = with_gradients(TransactionForMaskedFields(TransactionConfig(**SIZES)), inputs)
    wanted = {**inputs, "labels": torch.arange(len(inputs["numbers"])) % 2}
    classifier = TransactionForSequenceClassification(TransactionConfig(**SIZES))
    read = {n for n in with_gradients(classifier, wanted) if n.startswith("transformer.")}
    assert "transformer.summary" in read
    assert read <= trained


def test_the_vector_that_a_classifier_reads_is_trained():
    # Parameters do not show it: fields and row share all of them but the row's own start.
    model = TransactionForMaskedFields(TransactionConfig(**SIZES)).eval()
    found = {}

    def keep(module, args, output):
        output.last_hidden_state.retain_grad()
        found["states"] = output.last_hidden_state

    model.transformer.register_forward_hook(keep)
    model(**batch()).loss.backward()
    assert (found["states"].grad[:, 0].abs().sum(1) > 0).all()


@pytest.mark.parametrize("cardinalities", [[4, 3], []])
def test_surprise_is_that_of_masked_fields_alone(cardinalities):
    sizes = {**SIZES, "cardinalities": cardinalities}
    model = TransactionForMaskedFields(TransactionConfig(**sizes)).eval()
    inputs = batch(cardinalities=cardinalities)
    inputs["mask"][:] = False
    inputs["mask"][:, 1] = True  # the second number
    states = model.transformer(**inputs).last_hidden_state[:, 2]
    teller = model.from_field.numbers
    told = states @ teller.weight[1] + teller.bias[1]
    expected = (told - inputs["numbers"][:, 1]) ** 2
    torch.testing.assert_close(model(**inputs).surprise, expected)


def test_what_is_masked_is_the_only_noise_and_fine_tuning_keeps_its_own(tmp_path):
    sizes = {**SIZES, "hidden_dropout": 0.5, "attention_dropout": 0.5}
    model = TransactionForMaskedFields(TransactionConfig(**sizes)).train()
    inputs = batch()
    torch.testing.assert_close(model(**inputs).loss, model(**inputs).loss)
    model.save_pretrained(tmp_path)
    tuned = TransactionForSequenceClassification.from_pretrained(tmp_path)
    assert tuned.transformer.layers[0].dropout.p == tuned.dropout.p == 0.5
    assert tuned.transformer.layers[0].attention_dropout == 0.5
