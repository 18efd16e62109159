"""Batches on devices: halved where memory lacks, in order whatever waits, and as if by one."""

from __future__ import annotations

import logging

import pytest
import torch
from text_rows import sentences

from toolkit.evaluation import passes, predicting
from toolkit.evaluation.batches import by_length
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.predictor import load_predictor

ROWS = [{"text": text} for text, _ in sentences(40)]


def labels(predictor):
    return [found["label"] for found in predictor.predict(ROWS)]


def fits(predictor, most, monkeypatch):
    """Let the model's device hold so many rows; return the list of how many it was given."""
    given, infer = [], predictor.plugin.infer

    def small(model, batch):
        given.append(len(batch["input_ids"]))
        if given[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return infer(model, batch)

    monkeypatch.setattr(predictor.plugin, "infer", small)
    return given


@pytest.mark.parametrize("devices", [(), ("cpu", "cpu")])
def test_a_batch_too_large_for_memory_is_halved(finished, monkeypatch, caplog, devices):
    run = finished("text-classification").path
    predictor = load_predictor(run, ComputeConfig(devices=devices))
    whole = labels(predictor)
    given = fits(predictor, 6, monkeypatch)
    with caplog.at_level(logging.WARNING, "toolkit"):
        assert labels(predictor) == whole
    assert "did not fit into memory: it is halved" in caplog.text
    assert sum(count for count in given if count <= 6) == len(ROWS)


def test_one_row_that_does_not_fit_is_an_error(finished, monkeypatch):
    predictor = load_predictor(finished("text-classification").path)
    fits(predictor, 0, monkeypatch)
    with pytest.raises(torch.OutOfMemoryError):
        predictor.predict(ROWS)


def test_what_waits_is_decoded_in_order(finished, monkeypatch):
    predictor = load_predictor(finished("text-classification").path)
    plugin, raw = predictor.plugin, predictor.dataset(ROWS)
    prepared, whole = plugin.prepare(raw, "predict"), predictor.predict(ROWS)
    work = passes.Passes(plugin, [plugin.model], False, torch.no_grad, divisible=True)
    work.ahead = 3  # as on a GPU
    batches = list(by_length(prepared, range(len(ROWS)), 4))
    seen = []
    for one in work.of((rows, predicting.records(prepared, rows)) for rows in batches):
        with one.reading():
            found = plugin.decode(one.outputs, predicting.records(raw, one.chosen), one.rows)
        seen.append(one.chosen)
        assert [p["label"] for p in found] == [whole[row]["label"] for row in one.chosen]
    assert seen == batches
