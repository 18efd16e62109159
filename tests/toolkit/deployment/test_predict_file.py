"""`toolkit predict`: every row out once, in order, as the run itself predicts; wrong ones told."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import threading

import image_rows
import pyarrow.parquet as pq
import pytest
import small_runs
from text_rows import sentences

from toolkit import Run
from toolkit.cli.main import outcome
from toolkit.deployment import predict_file
from toolkit.errors import DataError
from toolkit.plugin import Plugin
from toolkit.runs.folder import read_predictions
from toolkit.runs.predictor import Predictor


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_model):
    """A finished run whose test split is a file of its own."""
    folder = tmp_path_factory.mktemp("predicting")
    rows = sentences(120)
    for name, part in {"train": rows[:80], "dev": rows[80:96], "test": rows[96:]}.items():
        lines = "\n".join(f"{place},{text},{label}" for place, (text, label) in enumerate(part))
        (folder / f"{name}.csv").write_text(f"id,text,label\n{lines}\n")
    asked = ["--model", str(tiny_model), "--set", "training.num_train_epochs=2", "--quiet"]
    words = ["run", "text-classification", "--data", str(folder), "--out", str(folder / "run")]
    assert outcome([*words, *asked]) == 0
    return Run(folder / "run")


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_test_split_is_predicted_as_in_the_run(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predict_file, "WINDOW", 10)
    out = tmp_path / "out.jsonl"
    assert (
        outcome(["predict", str(run.path), str(run.path.parent / "test.csv"), "-o", str(out)]) == 0
    )
    assert "wrote 24 rows" in capsys.readouterr().out
    found = lines_of(out)
    assert [row["id"] for row in found] == list(map(str, range(24)))
    before = [p for said, _ in read_predictions(run.path / "predictions.jsonl") for p in said]
    assert [row["prediction"]["label"] for row in found] == [p["label"] for p in before]
    for row, prediction in zip(found, before, strict=True):
        assert row["prediction"]["scores"] == pytest.approx(prediction["scores"], abs=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl"]


def test_of_several_splits_one_is_named(run, tmp_path, capsys):
    words = ["predict", str(run.path), str(tmp_path / "in"), "-o", str(tmp_path / "out.jsonl")]
    (tmp_path / "in").mkdir()
    for name in ("train", "test"):
        shutil.copy(run.path.parent / f"{name}.csv", tmp_path / "in")
    for options, told in (
        ([], "has train, test: --split says which of them"),
        (["--split", "dev"], "--split: 'dev' is none of train, test in"),
    ):
        assert outcome([*words, *options]) == 2
        assert told in capsys.readouterr().err
    assert outcome([*words, "--split", "test"]) == 0
    texts = [row["text"] for row in lines_of(tmp_path / "out.jsonl")]
    with (tmp_path / "in" / "test.csv").open() as file:
        assert texts == [row["text"] for row in csv.DictReader(file)]


def predicted(run, data, out, *options):
    """Return the predictions of a file by `toolkit predict`."""
    assert outcome(["predict", str(run.path), str(data), "-o", str(out), *options, "--quiet"]) == 0
    return [row["prediction"] for row in lines_of(out)]


def test_several_devices_share_the_batches(run, tmp_path, monkeypatch):
    data = run.path.parent / "train.csv"
    before = predicted(run, data, tmp_path / "one.jsonl", "--device", "cpu")
    monkeypatch.setattr(predict_file, "WINDOW", 30)
    monkeypatch.setattr(Predictor, "batch_size", 4)
    threads, infer = set(), Plugin.infer

    def watched(*given):
        threads.add(threading.get_ident())
        return infer(*given)

    monkeypatch.setattr(Plugin, "infer", watched)
    both = ["--device", "cpu", "--device", "cpu:0", "--device", "cpu"]
    found = predicted(run, data, tmp_path / "three.jsonl", *both)
    assert len(threads) >= 3
    for one, other in zip(found, before, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-5)


BFLOAT16 = ["text-classification", *(
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("question-answering", "image-classification", "fraud-detection")
)]  # fmt: skip


@pytest.mark.parametrize("scenario", BFLOAT16)
def test_bfloat16_rounds_and_no_more(scenario, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "toolkit.utils.hardware.bf16_supported", lambda **_: True
    )  # slow is no matter
    words = small_runs.arguments(scenario, "full", tmp_path / "in", max_steps=10)
    assert outcome(["run", *words, "--out", str(tmp_path / "run"), "--quiet"]) == 0
    data = words[words.index("--data") + 1]
    run = Run(tmp_path / "run")
    exact = predicted(run, data, tmp_path / "32.jsonl")
    rounded = predicted(run, data, tmp_path / "16.jsonl", "--dtype", "bfloat16")
    assert exact != rounded
    both = ["--device", "cpu", "--device", "cpu:0"]
    assert rounded == predicted(run, data, tmp_path / "2.jsonl", "--dtype", "bfloat16", *both)
    if scenario == "text-classification":
        row = {"text": lines_of(tmp_path / "16.jsonl")[0]["text"]}
        (one,), (other,) = run.predict([row]), run.predict([row], dtype="bfloat16", devices="cpu")
        assert one["scores"] != other["scores"] == pytest.approx(one["scores"], abs=0.02)
    scores = [found["score"] for found in rounded]
    assert scores == pytest.approx([found["score"] for found in exact], abs=0.02)


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_what_this_machine_cannot_compute_is_told(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("toolkit.utils.hardware.bf16_supported", lambda **_: False)
    for options, told in (
        (["--dtype", "bfloat16", "--device", "cuda:7", "--device", "gpu"],
         ["3 things are wrong", "dtype bfloat16: this machine has no", "device cuda:7: is not here",
          "device gpu: is not here: there is cpu"]),
        (["--runtime", "onnx", "--dtype", "bfloat16"], ["runtime onnx: an export has its own"]),
    ):  # fmt: skip
        data = str(run.path.parent / "test.csv")
        words = ["predict", str(run.path), data, "-o", str(tmp_path / "x.csv"), *options]
        assert outcome(words) == 2
        said = capsys.readouterr().err
        assert all(part in said for part in told)
    assert outcome(["serve", str(run.path), "--port", "0", "--dtype", "bfloat16"]) == 2
    assert "dtype bfloat16: this machine has no" in capsys.readouterr().err


def test_csv_and_parquet_have_a_column_for_each_part(run, tmp_path):
    data = str(run.path.parent / "test.csv")
    for suffix in ("csv", "parquet"):
        assert outcome(["predict", str(run.path), data, "-o", str(tmp_path / f"out.{suffix}")]) == 0
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        flat = list(csv.DictReader(file))
    typed = pq.read_table(tmp_path / "out.parquet")
    assert typed.column_names[:3] == ["id", "text", "label"]
    assert typed.schema.field("prediction.score").type == "double"
    for row, other in zip(flat, typed.to_pylist(), strict=True):
        assert row["prediction.label"] == other["prediction.label"]
        assert float(row["prediction.score"]) == other["prediction.score"]
        assert json.loads(row["prediction.scores"]) == json.loads(other["prediction.scores"])


def test_wrong_rows_are_left_out_with_the_reason(run, tmp_path, monkeypatch, capsys):
    lines = [
        '{"text": "a red plum", "n": 1}', "", "[1]", '{"text": ["a"]}', '{"text": "  "}',
        '{"text": 7, "n": 2}', '{"text": "half', '{"n": 3}', '{"text": "old saw", "n": 4}',
        '{"text": "a crow", "n": NaN}', '{"text": "\\ud800"}', '{"n": ' + "[" * 9000,
    ]  # fmt: skip
    stdin = io.TextIOWrapper(io.BytesIO("\n".join(lines).encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    out = tmp_path / "out.jsonl"
    assert outcome(["predict", str(run.path), "-", "-o", str(out), "--quiet"]) == 0
    assert [(row["text"], row["n"]) for row in lines_of(out)] == [
        ("a red plum", 1), ("7", 2), ("old saw", 4)
    ]  # fmt: skip
    assert "skipped 8 rows" in capsys.readouterr().out
    reasons = {row["row"]: row["reason"] for row in lines_of(tmp_path / "out.jsonl.rejected.jsonl")}
    assert reasons.keys() == {3, 4, 5, 7, 8, 10, 11, 12}
    assert "not a JSON object" in reasons[3]
    assert "text is not text" in reasons[4]
    assert reasons[5] == reasons[8] == "empty text"
    assert all("not JSON" in reasons[row] for row in (7, 10, 11))
    assert "nested too deeply" in reasons[12]


def test_rows_of_a_csv_with_other_fields_are_left_out_one_by_one(run, tmp_path):
    (tmp_path / "new.csv").write_text('text,n\none,1\ntwo,2,3\n"three",3\nfour\nfive,5\n')
    found = predict_file.predict(Run(run.path), str(tmp_path / "new.csv"), tmp_path / "out.jsonl")
    assert [line["n"] for line in lines_of(tmp_path / "out.jsonl")] == ["1", "3", "5"]
    assert {row["row"]: row["line"] for row in lines_of(found.rejected_path)} == {
        2: "two,2,3", 4: "four"
    }  # fmt: skip


def test_columns_that_are_not_read_come_back_as_they_were(run, tmp_path):
    given = [{"text": "a", "x": 1}, {"text": "b", "x": "two"}, {"text": "c", "x": {"y": [1]}}]
    given = [{**row, "label": n} for row, n in zip(given, (1, "odd", ["a"]), strict=True)]
    (tmp_path / "new.jsonl").write_text("\n".join(map(json.dumps, given)))
    predict_file.predict(Run(run.path), str(tmp_path / "new.jsonl"), tmp_path / "out.jsonl")
    found = lines_of(tmp_path / "out.jsonl")
    assert [{**line, "prediction": None} for line in found] == [
        {**row, "prediction": None} for row in given
    ]


def test_what_was_ended_goes_on_behind_the_last_whole_line(run, tmp_path, monkeypatch):
    monkeypatch.setattr(predict_file, "WINDOW", 10)
    data, whole, out = str(run.path.parent / "test.csv"), tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    assert outcome(["predict", str(run.path), data, "-o", str(whole)]) == 0
    asked = predict_file.Predictor.predictions
    calls = []

    def ends(self, rows):
        calls.append(len(rows))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return asked(self, rows)

    monkeypatch.setattr(predict_file.Predictor, "predictions", ends)
    again = ["predict", str(run.path), data, "-o", str(out)]
    assert outcome(again) == 130
    kept = tmp_path / "b.jsonl.partial"
    with kept.open("a") as file:
        file.write('{"label": "fr')
    assert not out.exists()
    assert outcome(again) == 2
    calls[:] = [0, 0]
    assert outcome([*again, "--resume"]) == 0
    assert calls == [0, 0, 10, 4]
    assert out.read_bytes() == whole.read_bytes()
    assert not kept.exists()
    # Of another input it is not taken up.
    kept.write_text(json.dumps({"model": "another", "input": "another"}) + "\n")
    out.unlink()
    assert outcome([*again, "--resume"]) == 2
    assert kept.exists()


@pytest.mark.parametrize(
    ("source", "out", "said"),
    [
        ("nothing.csv", "out.csv", "there is no such file"),
        ("other.csv", "out.csv", "there is no column 'text'"),
        ("taken.csv", "out.csv", "has a column 'prediction'"),
        ("good.csv", "out.xlsx", "take .jsonl, .csv, .parquet"),
        ("good.csv", "good.csv", "exists already"),
        ("good.csv", "no/out.csv", "is not a folder"),
        ("empty.jsonl", "out.csv", "holds no JSON object"),
    ],
)
def test_a_mistake_is_one_message(run, tmp_path, source, out, said, capsys):
    for name, text in {
        "good": "text\na",
        "other": "texts\na",
        "taken": "text,prediction\na,b",
    }.items():
        (tmp_path / f"{name}.csv").write_text(f"{text}\n")
    (tmp_path / "empty.jsonl").write_text("\n")
    before = sorted(tmp_path.iterdir())
    words = ["predict", str(run.path), str(tmp_path / source), "-o", str(tmp_path / out)]
    assert outcome(words) == 2
    assert said in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.slow
def test_pictures_that_are_not_there_are_left_out(tmp_path, capsys):
    words = small_runs.arguments("image-classification", "full", tmp_path / "data",
                                 num_train_epochs=1)  # fmt: skip
    assert outcome(["run", *words, "--out", str(tmp_path / "run")]) == 0
    photos = sorted((tmp_path / "data" / "photos").glob("*/*"))[::20]
    (tmp_path / "broken.png").write_text("no picture")
    names = [*map(str, photos), "nothing.png", "broken.png"]
    (tmp_path / "rows.csv").write_text("\n".join(["image,n", *(f"{n},1" for n in names), ""]))
    out = tmp_path / "out.jsonl"
    asked = ["predict", str(tmp_path / "run"), str(tmp_path / "rows.csv"), "-o", str(out)]
    assert outcome(asked) == 0
    found = lines_of(out)
    assert [row["image"] for row in found] == list(map(str, photos))
    assert {row["prediction"]["label"] for row in found} <= set(image_rows.CLASSES)
    left = lines_of(tmp_path / "out.jsonl.rejected.jsonl")
    assert [(row["image"], row["row"]) for row in left] == [
        ("nothing.png", len(names) - 1), ("broken.png", len(names))
    ]  # fmt: skip
    folder = tmp_path / "folder"
    (folder / "inside").mkdir(parents=True)
    for number, photo in enumerate(photos):
        shutil.copy(photo, folder / ("inside" if number % 2 else "") / f"{number}.png")
    shutil.copy(tmp_path / "broken.png", folder)
    asked = ["predict", str(tmp_path / "run"), str(folder), "-o", str(tmp_path / "folder.jsonl")]
    assert outcome(asked) == 0
    again = {row["image"]: row["prediction"] for row in lines_of(tmp_path / "folder.jsonl")}
    assert len(again) == len(photos)
    for number, row in enumerate(found):
        path = folder / ("inside" if number % 2 else "") / f"{number}.png"
        assert again[str(path)]["label"] == row["prediction"]["label"]
    (left,) = lines_of(tmp_path / "folder.jsonl.rejected.jsonl")
    assert left["image"] == str(folder / "broken.png")
    for split in ("train", "test"):
        (tmp_path / "splits" / split / "any").mkdir(parents=True)
        shutil.copy(photos[0], tmp_path / "splits" / split / "any")
    asked = ["predict", str(tmp_path / "run"), str(tmp_path / "splits"), "-o",
             str(tmp_path / "split.jsonl")]  # fmt: skip
    assert outcome(asked) == 2
    assert "has train, test: --split says which of them" in capsys.readouterr().err
    assert outcome([*asked, "--split", "test"]) == 0
    (row,) = lines_of(tmp_path / "split.jsonl")
    assert row["image"] == str(tmp_path / "splits" / "test" / "any" / photos[0].name)


@pytest.mark.slow
def test_answers_are_predicted_as_in_the_run(tmp_path):
    words = small_runs.arguments("question-answering", "full", tmp_path / "data",
                                 num_train_epochs=1)  # fmt: skip
    assert outcome(["run", *words, "--out", str(tmp_path / "run")]) == 0
    out = tmp_path / "out.jsonl"
    rows = str(tmp_path / "data" / "rows.jsonl")
    assert outcome(["predict", str(tmp_path / "run"), rows, "-o", str(out)]) == 0
    found = lines_of(out)
    given = lines_of(tmp_path / "data" / "rows.jsonl")
    assert [row["question"] for row in found] == [row["question"] for row in given]
    assert all(row["prediction"]["answer"] in row["context"] for row in found)


def test_another_reading_is_not_gone_on_with(run, tmp_path, monkeypatch, capsys):
    (tmp_path / "a.csv").write_text("one,two\nsome text,another\nmore text,others\n")
    words = ["predict", str(run.path), str(tmp_path / "a.csv"), "-o", str(tmp_path / "out.csv")]
    with monkeypatch.context() as patch:
        patch.setattr(predict_file, "_join", lambda *_: 1 / 0)  # ends before the output is written
        assert outcome([*words, "--column", "text=one"]) == 1
    assert outcome([*words, "--column", "text=two", "--resume"]) == 2
    assert "another input" in capsys.readouterr().err
    assert outcome([*words, "--column", "text=one", "--resume"]) == 0


def test_raw_is_for_csv(run, tmp_path, capsys):
    (tmp_path / "a.csv").write_text("text\na text\n")
    words = ["predict", str(run.path), str(tmp_path / "a.csv"), "-o", str(tmp_path / "out.jsonl")]
    assert outcome([*words, "--raw"]) == 2
    assert "--raw is for csv" in capsys.readouterr().err


def test_rows_in_another_order_come_with_their_own_cells(run, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("text,n\nb text,1\na text,2\nc text,3\n")
    cls = type(predict_file.load_predictor(run.path).plugin)
    monkeypatch.setattr(cls, "reshape_rows", lambda self, rows, split: rows.select([1, 0, 2]))
    predict_file.predict(run, str(tmp_path / "a.csv"), tmp_path / "out.jsonl")
    found = lines_of(tmp_path / "out.jsonl")
    assert [(row["text"], row["n"]) for row in found] == [
        ("a text", "2"), ("b text", "1"), ("c text", "3")
    ]  # fmt: skip


def test_a_list_is_rejected_alone_whatever_the_scenario_reads(run, tmp_path, monkeypatch):
    cls = type(predict_file.load_predictor(run.path).plugin)
    monkeypatch.setattr(cls, "reshape_rows", lambda self, rows, split: rows)
    cells = ["a text", ["a", "list"], {"an": "object"}, "more text"]
    rows = "".join(json.dumps({"text": cell}) + "\n" for cell in cells)
    (tmp_path / "a.jsonl").write_text(rows)
    made = predict_file.predict(run, str(tmp_path / "a.jsonl"), tmp_path / "out.jsonl")
    assert [row["text"] for row in lines_of(made.path)] == ["a text", "more text"]
    told = [(row["row"], row["reason"]) for row in lines_of(made.rejected_path)]
    assert told == [(2, "text is not text"), (3, "text is not text")]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["text=mesage"], "has no column 'mesage'. Did you mean 'message'?"),
        (["txt=message"], "the model reads no column 'txt'. Did you mean 'text'?"),
        (["text=message", "label=message"], "'message' is given for several columns"),
        (["text=message", "text=label"], "is given twice"),
        (["text"], "write it as NAME=COLUMN"),
    ],
)
def test_a_column_that_is_named_must_be_there(run, tmp_path, capsys, columns, said):
    (tmp_path / "a.csv").write_text("text,message,label\nmine,theirs,x\n")
    words = ["predict", str(run.path), str(tmp_path / "a.csv"), "-o", str(tmp_path / "out.csv")]
    assert outcome([*words, *(part for one in columns for part in ("--column", one))]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_column_that_is_named_goes_before_one_of_the_models_name(run, tmp_path, form):
    texts = [text for text, _ in sentences(6)]
    rows = [{"text": "other", "message": text} for text in texts]
    body = "text,message\n" + "".join(f"other,{text}\n" for text in texts)
    body = body if form == "csv" else "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / f"a.{form}").write_text(body)
    (tmp_path / "plain.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    predict_file.predict(run, str(tmp_path / f"a.{form}"), tmp_path / "out.jsonl",
                         columns={"text": "message"})  # fmt: skip
    predict_file.predict(run, str(tmp_path / "plain.jsonl"), tmp_path / "plain-out.jsonl")
    found, plain = (lines_of(tmp_path / name) for name in ("out.jsonl", "plain-out.jsonl"))
    assert [{key: row[key] for key in rows[0]} for row in found] == rows
    for one, other in zip(found, plain, strict=True):
        assert one["prediction"]["score"] == pytest.approx(other["prediction"]["score"], abs=1e-5)


def test_a_column_that_is_missing_is_told_of_the_file_with_the_option_and_the_nearest(
    run, tmp_path, capsys
):
    (tmp_path / "a.csv").write_text("texts,n\na text,1\n")
    words = ["predict", str(run.path), str(tmp_path / "a.csv"), "-o", str(tmp_path / "out.csv")]
    assert outcome(words) == 2
    assert capsys.readouterr().err == (
        f"Error: {tmp_path / 'a.csv'}: there is no column 'text', which the model reads as "
        "options.text. Did you mean 'texts'? Columns found: texts, n. Name the right one with "
        "--column text=COLUMN.\n"
    )
    with pytest.raises(DataError, match="rows: there is no column 'text'.* found: texts.$"):
        Run(run.path).predict([{"texts": "a text"}])
