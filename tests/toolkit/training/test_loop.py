"""The lean epoch and its batches: the same as transformers' and the collator's own."""

from __future__ import annotations

import re

import datasets
import pytest
import torch
import transformers
from safetensors.torch import load_file
from text_rows import sentences

import toolkit
from toolkit.errors import RecipeError
from toolkit.evaluation.padding import ArrowRows, Padding, table_collator
from toolkit.training import batching
from toolkit.training.loop import LeanLoopMixin


@pytest.fixture
def run(tmp_path, table, tiny_model):
    def go(name, *, method=None, **settings):
        return toolkit.run(
            "text-classification",
            data=table,
            model=tiny_model,
            method=method,
            out=tmp_path / name,
            settings={"training": {"max_steps": 7, **settings}},
        )

    return go


def weights(run, file="model.safetensors"):
    return load_file(run.path / "model" / file)


@pytest.mark.parametrize(
    "settings",
    [
        {"per_device_train_batch_size": 8},
        {"per_device_train_batch_size": 7, "gradient_accumulation_steps": 3, "max_grad_norm": 0.0},
        {"per_device_train_batch_size": 8, "label_smoothing_factor": 0.1, "optim": "adafactor",
         "train_sampling_strategy": "random", "eval_strategy": "steps", "eval_steps": 3},
    ],
)  # fmt: skip
def test_weights_equal_those_of_the_loop_of_transformers(run, settings, monkeypatch):
    steps, add = [], LeanLoopMixin._add_gradients

    def counted(self, *given):
        steps.append(len(given[1]))
        add(self, *given)

    monkeypatch.setattr(LeanLoopMixin, "_add_gradients", counted)
    lean = run("lean", **settings)
    assert len(steps) == 7
    assert max(steps) == settings.get("gradient_accumulation_steps", 1)
    epochs = []
    monkeypatch.setattr(LeanLoopMixin, "lean", lambda self: epochs.append(1) and False)
    stock = run("stock", **settings)
    assert epochs
    ours, theirs = weights(lean), weights(stock)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert lean.record["metrics"] == stock.record["metrics"]
    assert len(steps) == 7


def test_a_trainer_with_a_step_of_its_own_keeps_the_loop_of_transformers(tmp_path):
    class Own(LeanLoopMixin, transformers.Trainer):
        def training_step(self, *arguments, **named):
            return super().training_step(*arguments, **named)

    class Usual(LeanLoopMixin, transformers.Trainer):
        pass

    class Epochs(transformers.Trainer):
        def _run_epoch(self, **named):
            return super()._run_epoch(**named)

        def floating_point_ops(self, inputs):
            return 7

    class Around(LeanLoopMixin, Epochs):
        pass

    given = {"model": torch.nn.Linear(1, 1), "args": transformers.TrainingArguments(
        str(tmp_path), use_cpu=True, report_to="none", logging_nan_inf_filter=False)}  # fmt: skip
    assert (Own(**given).lean(), Usual(**given).lean()) == (False, True)
    around = Around(**given)
    assert (around.lean(), around.floating_point_ops({})) == (False, 7)
    given["args"].logging_nan_inf_filter = True
    assert not Usual(**given).lean()


@pytest.fixture
def encoded(tiny_model):
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model)
    rows = datasets.Dataset.from_list(
        [{**tokenizer(text * (1 + n % 3)), "labels": n % 2, "score": n / 7}
         for n, (text, _) in enumerate(sentences(20))]
    )  # fmt: skip
    return tokenizer, rows


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("step", [None, 8])
def test_batches_from_tables_are_those_of_the_collator(encoded, side, step):
    tokenizer, rows = encoded
    tokenizer.padding_side = side
    collate = transformers.DataCollatorWithPadding(tokenizer, pad_to_multiple_of=step)
    made = table_collator(collate, rows)
    for chosen in ([3], [5, 0, 11, 2], list(range(20))):
        ours = made(ArrowRows(rows).__getitems__(chosen))
        theirs = collate([rows[n] for n in chosen])
        assert {*ours} == {*theirs}
        for name, value in theirs.items():
            assert ours[name].dtype == value.dtype
            assert torch.equal(ours[name], value)


def test_what_cannot_be_told_is_left_to_the_collator(encoded):
    tokenizer, rows = encoded
    assert table_collator(lambda rows: {"n": len(rows)}, rows) is None
    usual = transformers.DataCollatorWithPadding(tokenizer)
    assert table_collator(usual, rows.add_column("words", [["a"]] * 20)) is None

    class Different:
        padding = Padding({"input_ids": 5, "attention_mask": 0, "token_type_ids": 0})

        def __call__(self, given):
            return usual(given)

    assert table_collator(Different(), rows) is None  # it claims another filler


def test_passes_hold_no_more_tokens_than_asked_for():
    lengths = torch.tensor([9, 8, 8, 3, 3, 3, 30, 1]).numpy()
    passes = batching.divided(list(range(8)), lengths, 16)
    assert passes == [[0], [1, 2], [3, 4, 5], [6], [7]]


def test_a_step_in_passes_is_the_step_as_a_whole(run, monkeypatch):
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, *_, **__: x)
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)
    plain = {"bf16": False, "optim": "sgd", "rows_per_step": 16}
    whole = run("whole", **plain)
    parts = run("parts", **plain, max_tokens_per_batch=40)
    assert parts.record["devices"]["batch"]["rows_per_step"] == 16
    assert parts.record["devices"]["batch"]["max_tokens"] == 40
    ours, theirs = weights(parts), weights(whole)
    assert any(not torch.equal(ours[name], theirs[name]) for name in theirs)  # other sums
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rows_per_step": 10, "per_device_train_batch_size": 4},
         "rows_per_step: 10 cannot be divided by 1 process(es) of 4 rows each. Try 8."),
        ({"rows_per_step": 8, "gradient_accumulation_steps": 2},
         "rows_per_step: follows from gradient_accumulation_steps: leave one of the two out"),
        ({"rows_per_step": 2, "gradient_accumulation_steps": 2},
         "rows_per_step: follows from gradient_accumulation_steps: leave one of the two out"),
        ({"per_device_train_batch_size": "most"}, "'most': takes a number from 1, or auto"),
        ({"rows_per_step": 0}, "rows_per_step: takes a number from 1, not 0"),
        ({"max_tokens_per_batch": 64, "logging_nan_inf_filter": True},
         "max_tokens_per_batch: is not for ScoredTrainer with these settings"),
    ],
)  # fmt: skip
def test_rows_of_a_step_that_do_not_fit_together_are_refused(run, settings, said):
    with pytest.raises(RecipeError, match=re.escape(said)):
        run("out", **settings)


def test_rows_of_a_step_divide_into_batches_that_the_recipe_names(run):
    batch = run("out", rows_per_step=24, per_device_train_batch_size=8).record["devices"]["batch"]
    assert (batch["per_device"], batch["accumulated"], batch["rows_per_step"]) == (8, 3, 24)
