"""`toolkit predict --explain`: the column that it adds, and what is refused."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet as pq
import pytest

from toolkit.cli.main import outcome

ROWS = '{"text": "the old hammer"}\n{"text": "a plum is =1+1"}\n'


@pytest.fixture
def predict(finished, tmp_path):
    """Return a function: words of the command line -> exit code, on two rows."""
    (tmp_path / "rows.jsonl").write_text(ROWS)
    run = finished("text-classification").path

    def call(*words, rows="rows.jsonl"):
        return outcome(["predict", str(run), str(tmp_path / rows), *map(str, words), "--quiet"])

    return call


def test_json_lines_have_a_list_of_parts(predict, tmp_path, finished):
    assert predict("-o", tmp_path / "out.jsonl", "--explain", 2) == 0
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    rows = [json.loads(line) for line in ROWS.splitlines()]
    assert [one["text"] for one in found] == [row["text"] for row in rows]
    for one, same in zip(found, finished("text-classification").explain(rows, 2), strict=True):
        assert len(one["explanation"]) == 2
        assert [p["text"] for p in one["explanation"]] == [p["text"] for p in same["explanation"]]
        assert {*one["explanation"][0]} == {"column", "text", "start", "end", "contribution", "of"}
        assert one["prediction"]["label"] == same["prediction"]["label"]


def test_csv_has_words_and_parquet_json(predict, tmp_path):
    assert predict("-o", tmp_path / "out.csv", "--explain") == 0
    (first, _) = csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text()))
    assert first["explanation"].startswith("tool: hammer +")
    assert first["prediction.label"] == "tool"
    assert predict("-o", tmp_path / "out.parquet", "--explain") == 0
    cell = pq.read_table(tmp_path / "out.parquet")["explanation"][0].as_py()
    assert json.loads(cell)[0]["text"] == "hammer"


@pytest.mark.parametrize(("words", "message"), [
    (["--explain", "0"], "'0' is no number from 1 on"),
    (["--explain", "other.jsonl"], "'other.jsonl' is no number from 1 on; without one, put"),
])  # fmt: skip
def test_a_wrong_number_is_told(words, message, predict, tmp_path, capsys):
    assert predict("-o", tmp_path / "out.jsonl", *words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


def test_a_column_of_that_name_is_refused(predict, tmp_path, capsys):
    (tmp_path / "taken.jsonl").write_text('{"text": "a saw", "explanation": "x"}\n')
    assert predict("-o", tmp_path / "out.jsonl", "--explain", rows="taken.jsonl") == 2
    assert "'explanation', which is reserved" in capsys.readouterr().err
    assert predict("-o", tmp_path / "out.jsonl", rows="taken.jsonl") == 0


def test_another_request_is_not_resumed(predict, tmp_path, capsys):
    kept = tmp_path / "out.jsonl.partial"
    kept.write_text('{"model": "other"}\n')
    assert predict("-o", tmp_path / "out.jsonl", "--explain", "3", "--resume") == 2
    assert "belongs to another model or another input" in capsys.readouterr().err
