"""Going on from a model that has seen test rows: counted, left out of a score, or refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from text_rows import csv_of, sentences, tiny_bert

import toolkit
from toolkit.cli.main import outcome
from toolkit.data import known_inputs
from toolkit.errors import DataError, ModelError
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare

TRAINING = {"max_steps": 2, "per_device_train_batch_size": 8}


def recipe(data, model, **changes):
    values = {"data.source": str(data), "model": str(model), "training": TRAINING, **changes}
    return find_recipe("text-classification", [(tuple(k.split(".")), v) for k, v in values.items()])


def checked(data, model, **changes):
    return prepare(recipe(data, model, **changes)).loaded


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    file = tmp_path_factory.mktemp("rows") / "rows.csv"
    file.write_text(csv_of(sentences(120)))
    return file


@pytest.fixture(scope="module")
def first(rows, tmp_path_factory):
    """A run whose model has seen 96 of 120 rows."""
    folder = tmp_path_factory.mktemp("first")
    return toolkit.run("text-classification", data=rows, model=tiny_bert(folder / "bert"),
                       out=folder / "run", settings={"training": TRAINING})  # fmt: skip


def test_a_saved_model_says_which_inputs_it_has_seen(first):
    hashes = np.load(first.path / "model" / known_inputs.FILE, allow_pickle=False)
    assert hashes.dtype == np.uint64
    assert (hashes[1:] > hashes[:-1]).all()
    assert 96 <= len(hashes) <= 192  # as they are, and normalised
    assert known_inputs.FILE in first.record["model_files"]


def test_with_the_same_split_no_test_row_is_known(rows, first):
    loaded = checked(rows, first.path / "model")
    assert loaded.known.rows == {"validation": 12, "test": 0}
    assert not loaded.overlapping.any()


def test_another_split_of_the_same_rows_is_refused(rows, first, capsys):
    words = ["check", "text-classification", "--data", str(rows), "--model",
             str(first.path / "model"), "--set", "data.split.seed=7", "--no-estimate"]  # fmt: skip
    assert outcome(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "of 24 test rows are known to" in said
    assert "data.split.seed=42" in said


def test_a_checkpoint_has_seen_what_its_run_has(rows, first, tmp_path):
    copy = shutil.copytree(first.path, tmp_path / "copy")
    point = shutil.copytree(copy / "model", copy / "checkpoints" / "checkpoint-2")
    (point / known_inputs.FILE).unlink()
    with pytest.raises(DataError, match="test rows are known"):
        checked(rows, point, **{"data.split.seed": 7})


def test_some_known_rows_are_counted_and_left_out_of_a_score(rows, first, tmp_path):
    seen = sentences(120)[:8]
    files = {"train": csv_of(sentences(160, seed=3)), "test": csv_of([*seen, *sentences(40, 9)])}
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text.replace("text,label", "message,label"))
    settings = {"options.text": "message", "training": TRAINING}
    run = toolkit.run("text-classification", data=tmp_path, model=first.path / "model",
                      out=tmp_path / "run", settings=settings)  # fmt: skip
    known = run.record["data"]["known"]
    assert known["models"] == [str(first.path / "model")]
    assert 4 <= known["test"] <= 12
    assert "test_without_overlap" in run.metrics
    chain = np.load(run.path / "model" / known_inputs.FILE)
    before = np.load(first.path / "model" / known_inputs.FILE)
    assert np.isin(before, chain).all()
    assert len(chain) > len(before)
    for page in ("README.md", "report.html"):
        assert f"{known['test']} of the test rows" in (run.path / page).read_text()


def test_what_a_teacher_has_seen_counts_as_well(rows, first, tmp_path):
    method = {"name": "distill", "teacher": str(first.path)}
    model = tiny_bert(tmp_path / "bert")
    with pytest.raises(DataError, match=str(first.path)):
        checked(rows, model, method=method, **{"data.split.seed": 7})
    assert checked(rows, model, method=method).known.rows["test"] == 0


def test_a_run_without_the_record_is_unknown_and_a_damaged_one_is_refused(rows, first, tmp_path):
    copy = shutil.copytree(first.path, tmp_path / "copy")
    file = copy / "model" / known_inputs.FILE
    file.write_bytes(b"\x93NUMPY torn")
    with pytest.raises(ModelError, match=known_inputs.FILE):
        checked(rows, copy / "model")
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ModelError, match=known_inputs.FILE):
        checked(rows, copy / "model")
    file.unlink()
    loaded = checked(rows, copy / "model", **{"data.split.seed": 7})
    assert loaded.known is None
    assert any("does not say on which rows" in note for note in loaded.notes)
    assert not any("does not say" in n for n in checked(rows, tiny_bert(tmp_path / "bert")).notes)
