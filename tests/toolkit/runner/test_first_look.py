"""Mistakes that need no library to be seen are said before these are imported."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.cli.main import outcome
from toolkit.training.arguments import checked_settings
from toolkit.training.field_names import field_names
from toolkit.training.quick_check import quick_faults

NAME = "text-classification"
SLOW = {"torch", "transformers", "sklearn", "peft", "evaluate"}


def told(arguments, folder):
    """Return what is said of a mistake, and the slow libraries that were imported for it.

    Nothing is left in the folder where that is done.
    """
    before = sorted(folder.iterdir())
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "toolkit", *arguments],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 2
    assert sorted(folder.iterdir()) == before
    lines = done.stderr.splitlines()
    imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time")}
    said = "\n".join(line for line in lines if not line.startswith("import time"))
    return said, imported & SLOW


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", NAME, "--data", "/no/such.csv"], "/no/such.csv: there is no such file"),
        (["run", "fraud-detection", "--data", "/no/such.csv"], "/no/such.csv: there is no such"),
        (["run", NAME, "--seeds", "2", "--data", "/no/such.csv"], "/no/such.csv: there is no"),
        (["check", NAME, "--data", "/no/such.csv"], "/no/such.csv: there is no such file"),
        (["check", NAME, "--set", "options.label=lable"], "there is no column 'lable'"),
        (["check", NAME, "--model", "no/such"], "model 'no/such' cannot be had"),
        (["run", NAME, "--model", "./no/such"], "no/such does not exist"),
        (["run", NAME, "--set", "options.txt=a"], "options.txt: unknown key. Did you mean 'text'"),
        (["run", NAME, "--set", "training.lerning_rate=1"], "Did you mean 'learning_rate'?"),
        (["run", NAME, "--set", "training.learning_rate=-1"], "takes a number from 0, not -1"),
    ],
)
def test_a_mistake_is_told_without_the_libraries(arguments, message, tmp_path):
    said, imported = told(arguments, tmp_path)
    assert message in said
    assert imported == set()


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_rows_that_are_not_there_are_told_without_the_libraries(command, finished, tmp_path):
    run = finished(NAME)
    (tmp_path / "tickets.csv").touch()
    said, imported = told([command, str(run.path), str(tmp_path / "tickts.csv"),
                           "--out", str(tmp_path / "new.csv")], tmp_path)  # fmt: skip
    assert "there is no such file. Did you mean 'tickets.csv'?" in said
    assert imported == set()


def test_all_paths_where_nothing_is_are_told_at_once(tmp_path, capsys):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "include: text-classification\nmodel: ./no-model\n"
        "data: {source: {train: a.csv, test: [b.csv, mine.yaml]}}\n"
    )
    assert outcome(["run", str(recipe)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: 3 things are wrong")
    assert all(f"{tmp_path}/{name}" in said for name in ("a.csv", "b.csv", "no-model"))


def test_what_will_be_run_is_said_first(table, tiny_model, capsys):
    arguments = ["--data", str(table), "--model", str(tiny_model), "--set", "options.label=lable"]
    assert outcome(["run", NAME, *arguments]) == 2
    shown = capsys.readouterr()
    first = f"{NAME}: {tiny_model} on {table.name} Error: "
    assert " ".join(shown.err.split()).startswith(first)
    assert shown.out == ""


def test_the_names_of_fields_are_those_of_the_class():
    import transformers

    fields = dataclasses.fields(transformers.TrainingArguments)
    assert set(field_names()) == {field.name for field in fields if field.init}


@given(
    st.dictionaries(
        st.sampled_from(["num_train_epochs", "learning_rate", "save_total_limit", "eval_steps",
                         "dataloader_num_workers", "optim", "lr", "output_dir", "push_to_hub",
                         "early_stopping_patience", "bf16", "logging_steps"]),
        st.sampled_from([0, 1, 3, -1, 0.5, 2.5, 1e400, True, False, "adamw_torch", "1e-4", None]),
    )
)  # fmt: skip
def test_a_quick_check_says_what_the_class_says_or_nothing(settings):
    import transformers

    quick = quick_faults(settings)
    if quick is not None:
        assert quick == checked_settings(transformers.TrainingArguments, settings)[1]
