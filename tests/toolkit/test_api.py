"""The Python API, as a person at a prompt uses it."""

from __future__ import annotations

import datasets
import pandas as pd
import pytest
from text_rows import sentences

import toolkit


@pytest.fixture(scope="module")
def run(finished):
    return toolkit.load_run(finished("text-classification").path)


def test_a_frame_is_trained_on_like_a_file(tiny_model, tmp_path, capsys):
    rows = pd.DataFrame(sentences(120), columns=["message", "team"])
    settings = {"options.text": "message", "options.label": "team", "training.max_steps": 3}
    given = {"model": tiny_model, "settings": settings}
    found = toolkit.run("text-classification", data=rows, out=tmp_path / "frame", **given)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    other = toolkit.run(
        "text-classification", data=tmp_path / "rows.csv", out=tmp_path / "file", **given
    )
    assert found.metrics == other.metrics
    assert capsys.readouterr().out == ""  # neither a terminal nor a notebook
    again = toolkit.run("text-classification", data=rows, out=tmp_path / "frame", resume=True,
                        **given)  # fmt: skip
    assert again.path == found.path


def test_progress_is_shown_where_it_is_asked_for(tiny_model, tmp_path, capsys):
    rows = datasets.Dataset.from_list([{"text": t, "label": y} for t, y in sentences(60)])
    toolkit.run("text-classification", data=rows, model=tiny_model, out=tmp_path / "run",
                settings={"training.max_steps": 2}, progress=True)  # fmt: skip
    shown = capsys.readouterr().out
    assert "train 2/2" in shown
    assert "scoring" in shown


def test_texts_alone_are_rows_where_the_model_reads_one_column(run):
    texts = ["my red apple is here", "the old saw"]
    by_rows = run.predict([{"text": text} for text in texts])
    assert run.predict(texts) == by_rows
    assert run.predict(texts[0])["label"] == by_rows[0]["label"]
    assert run.predict({"text": texts[1]})["label"] == by_rows[1]["label"]
    frame = pd.DataFrame({"text": texts, "id": [1, 2]})
    assert run.predict(frame) == by_rows
    assert run.predict(datasets.Dataset.from_pandas(frame)) == by_rows
    assert run.predict([]) == []


def test_texts_alone_are_refused_where_it_reads_several(finished):
    answers = toolkit.load_run(finished("question-answering").path)
    with pytest.raises(toolkit.UserError, match="this model reads question, context: give each"):
        answers.predict("Where is it?")


def test_check_says_what_the_command_says(table, tiny_model, capsys):
    found = toolkit.check("text-classification", data=table, model=tiny_model, estimate=False)
    assert found.rows == {"train": 112, "validation": 16, "test": 32}
    assert found.estimate is None
    assert "overlap: none between splits" in found.facts
    assert str(found).startswith("text-classification: ready to train\n  model: ")
    assert repr(found) == str(found)


def test_errors_have_the_words_of_the_command_line(table, tiny_model):
    with pytest.raises(toolkit.UserError) as error:
        toolkit.check("text-classification", data=table, settings={"options.label": "labl"})
    assert "there is no column 'labl'. Did you mean 'label'?" in str(error.value)
    with pytest.raises(toolkit.UserError, match="takes a path, a pandas or polars DataFrame"):
        toolkit.run("text-classification", data=3)


def test_recipes_are_listed_with_what_they_do():
    found = {recipe.name: recipe for recipe in toolkit.recipes()}
    assert "Classify" in found["text-classification"].description
    assert found["text-classification"].path.suffix == ".yaml"


def test_export_writes_where_it_is_asked_to(run, tmp_path):
    with pytest.raises(toolkit.UserError, match="is no run's folder"):
        toolkit.export(tmp_path, "onnx")
    assert toolkit.export(run, "merged", tmp_path / "merged") == tmp_path / "merged"
    assert (tmp_path / "merged" / "model.safetensors").is_file()


def test_public_names_are_seen():
    assert set(toolkit.__all__) < set(dir(toolkit))
    for name in dir(toolkit):
        assert getattr(toolkit, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'absent'"):
        toolkit.absent  # noqa: B018
