"""Batches of many lengths become batches of at most 16."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from toolkit.training import buckets

CONFIG = SimpleNamespace(max_position_embeddings=512, pad_token_id=7)


def test_few_lengths_hold_all_batches():
    found = {buckets.length(tokens, 10_000) for tokens in range(1, 769)}
    assert len(found) == 16
    assert all(buckets.length(n, 10_000) >= n for n in range(1, 769))
    assert buckets.length(769, 10_000) is None


@pytest.mark.parametrize(
    ("tokens", "limit", "expected"),
    [(1, 512, 32), (32, 512, 32), (154, 512, 160), (257, 512, 320), (490, 500, 500),
     (501, 500, None)],
)  # fmt: skip
def test_a_length_is_one_that_the_model_takes(tokens, limit, expected):
    assert buckets.length(tokens, limit) == expected


def text(length, **more):
    ones = torch.ones(2, length, dtype=torch.long)
    return {"input_ids": ones, "attention_mask": ones, **more}


def test_each_value_is_padded_with_what_stands_for_nothing():
    tokens = torch.ones(2, 5, dtype=torch.long)
    made = buckets.padded(text(5, token_type_ids=tokens, labels=tokens), CONFIG)
    assert {name: value.shape for name, value in made.items()} == dict.fromkeys(made, (2, 32))
    rest = {name: set(value[:, 5:].flatten().tolist()) for name, value in made.items()}
    assert rest == {"input_ids": {7}, "attention_mask": {0}, "token_type_ids": {0},
                    "labels": {-100}}  # fmt: skip


def test_labels_per_row_or_class_are_not_padded():
    rows, classes = torch.tensor([0, 1]), torch.zeros(2, 5)
    assert buckets.padded(text(5, labels=rows), CONFIG)["labels"] is rows
    assert buckets.padded(text(5, labels=classes), CONFIG)["labels"] is classes


@pytest.mark.parametrize(
    ("inputs", "config"),
    [
        (text(5, boxes=torch.zeros(2, 5, 4)), CONFIG),
        (text(5, names=["a", "b"]), CONFIG),
        (text(800), SimpleNamespace(max_position_embeddings=4096, pad_token_id=0)),
        (text(5), SimpleNamespace(pad_token_id=0)),
        (text(5), SimpleNamespace(max_position_embeddings=512, pad_token_id=None)),
    ],
    ids=["unknown value per token", "no tensor", "long", "unknown limit", "no padding token"],
)
def test_what_cannot_be_padded_is_left(inputs, config):
    assert buckets.padded(inputs, config) is None


def test_batches_without_a_mask_keep_their_shape():
    pixels = {"pixel_values": torch.zeros(2, 3, 8, 8), "labels": torch.tensor([0, 1])}
    assert buckets.padded(pixels, CONFIG) == pixels
