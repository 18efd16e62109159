"""json, jsonl, parquet and arrow files: what they hold, and what is said of broken ones."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from toolkit.data import text_files
from toolkit.data.typed_files import read_typed
from toolkit.errors import DataError

ROWS = [{"text": "first", "label": "a"}, {"text": "zwö", "label": "b"}]
LINES = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in ROWS)
TABLE = pa.Table.from_pylist(ROWS)


def arrow(kind):
    sink = pa.BufferOutputStream()
    with kind(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return sink.getvalue().to_pybytes()


def parquet(table):
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("a.jsonl", LINES, "utf-8"),
        ("A.JSONL", LINES, "utf-8"),
        ("a.ndjson", LINES, "utf-8"),
        ("bom.jsonl", b"\xef\xbb\xbf" + LINES.encode(), "utf-8"),
        ("windows.jsonl", LINES.replace("\n", "\r\n"), "utf-8"),
        ("gaps.jsonl", LINES.replace("\n", "\n\n"), "utf-8"),
        ("latin.jsonl", LINES.encode("latin-1"), "latin-1"),
        ("wide.jsonl", LINES.encode("utf-16"), "utf-16"),
        ("a.jsonl.gz", gzip.compress(LINES.encode(), mtime=0), "utf-8"),
        ("array.json", json.dumps(ROWS), "utf-8"),
        ("indented.json", json.dumps(ROWS, indent=2), "utf-8"),
        ("array.json.gz", gzip.compress(json.dumps(ROWS).encode(), mtime=0), "utf-8"),
        ("a.parquet", parquet(TABLE), "utf-8"),
        ("a.parquet.gz", gzip.compress(parquet(TABLE), mtime=0), "utf-8"),
        ("A.PARQUET", parquet(TABLE), "utf-8"),
        ("stream.arrow", arrow(pa.ipc.new_stream), "utf-8"),
        ("file.arrow", arrow(pa.ipc.new_file), "utf-8"),
        ("file.arrow.gz", gzip.compress(arrow(pa.ipc.new_file), mtime=0), "utf-8"),
        ("a [1] *name?.jsonl", LINES, "utf-8"),
    ],
)
def test_the_rows_are_the_same_from_every_format(write, name, content, encoding):
    assert read_typed(write(name, content), encoding).to_list() == ROWS


HALF = r'"a\ud83d"'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.json", f'[{{"t": {HALF}}}]'),
        ("rows.jsonl", f'{{"t": {HALF}}}'),
        ("pairs.json", f"[[{HALF}, {{}}]]"),
        ("pairs.jsonl", f'[{HALF}, {{}}]\n["b", {{}}]'),
    ],
)
def test_half_of_a_surrogate_pair_is_refused(write, name, content):
    with pytest.raises(DataError, match=rf"{name}.*1: .*surrogates not allowed"):
        read_typed(write(name, content))
    whole = read_typed(write(name, content.replace("ud83d", "ud83d\\ude00")))
    assert next(iter(whole[0].values())) == "a\U0001f600"


def test_pairs_may_hold_letters_that_their_encoding_lacks(write):
    found = read_typed(write("pairs.json", '[["a\\u20ac", {"n": 1}]]'), "latin-1")
    assert found[0] == {"0": "a\u20ac", "1": {"n": 1}}


PAIRS = [["zw\u00f6", {"n": [[0, 3, "X"]]}], ["b", {"n": []}]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(PAIRS)),
        ("a.json", json.dumps(PAIRS, indent=1, ensure_ascii=False)),
        ("a.jsonl", "\n".join(map(json.dumps, PAIRS))),
        ("a.json.gz", gzip.compress(json.dumps(PAIRS).encode(), mtime=0)),
    ],
)
def test_rows_that_are_lists_have_numbered_columns(write, name, content):
    found = read_typed(write(name, content))
    assert found.to_list() == [dict(zip("01", pair, strict=True)) for pair in PAIRS]


def test_one_pair_is_a_row_and_a_list_of_texts_is_none(write):
    assert read_typed(write("a.jsonl", json.dumps(PAIRS[0])))["0"] == ["zw\u00f6"]
    for content in ('["a", "b"]', '[["a", "b"], ["c"]]', '[["a"], {"b": 1}]'):
        with pytest.raises(DataError, match=r"odd.json row 1: a row is an object, not (str|list)"):
            read_typed(write("odd.json", content))
    with pytest.raises(DataError, match=r"deep.json: is nested too deeply"):
        read_typed(write("deep.json", f'[["a", {"[" * 100_000}{"]" * 100_000}]]'))


def test_a_key_that_some_rows_lack_is_missing_there(write):
    found = read_typed(write("a.jsonl", LINES + '{"text": "x"}\n{"more": 1}\n'))
    assert found["label"] == ["a", "b", None, None]
    assert found["more"] == [None, None, None, 1]


@pytest.mark.parametrize(
    ("name", "content", "place", "what"),
    [
        ("a.jsonl", "", "", "is empty"),
        ("a.jsonl", "\n \n", "", "has no rows"),
        ("a.json", "[]", "", "has no rows"),
        ("a.parquet", parquet(TABLE.slice(0, 0)), "", "has no rows"),
        ("a.jsonl", LINES + "{'text': 1}\n" + LINES, ":3", "Expecting property name"),
        ("a.jsonl", LINES + "[1, 2]\n", ":3", "a row is an object, not list"),
        ("a.jsonl", LINES + '{"text": "a", "text": "b"}\n', ":3", "duplicate key 'text'"),
        ("a.jsonl", LINES + '{"text": "\\ud800"}\n', ":3", "surrogates not allowed"),
        ("a.json", json.dumps(ROWS, indent=1)[:-4], ":9", "Expecting ',' delimiter"),
        ("a.json", "5", ":1", "a row is an object, not int"),
        (
            "a.json",
            '{"text": ["a", "b"], "label": ["x", "y"]}',
            "",
            "one object (text, label), not a",
        ),
        ("a.json", '{"text": {"0": "a"}, "label": {"0": "x"}}', "", "orient='records'"),
        ("a.json", json.dumps({"data": ROWS}, indent=1), "", "is one object (data)"),
        ("a.jsonl", LINES.encode("latin-1"), ":2", "is not utf-8 text (byte 0xf6)"),
        ("a.jsonl.gz", b"no archive", "", "Not a gzipped file"),
        ("a.parquet", b"no parquet", "", "cannot be read as parquet"),
        ("a.parquet.gz", b"no archive", "", "Not a gzipped file"),
        ("a.parquet.gz", gzip.compress(b"no parquet", mtime=0), "", "cannot be read as parquet"),
        ("a.arrow", b"no arrow", "", "cannot be read as arrow"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(write, name, content, place, what):
    path = write(name, content)
    with pytest.raises(DataError) as caught:
        read_typed(path)
    assert caught.value.faults[0].where == f"{path}{place}"
    assert what in caught.value.faults[0].what


def test_a_packed_file_that_changes_is_unpacked_again(write):
    read_typed(write("a.parquet.gz", gzip.compress(parquet(TABLE), mtime=0)))
    path = write("a.parquet.gz", gzip.compress(parquet(TABLE.slice(1)), mtime=0))
    assert read_typed(path).to_list() == ROWS[1:]


def test_rows_are_mapped_from_disk(write):
    found = read_typed(write("a.jsonl", LINES * 1000))
    assert found.cache_files
    assert len(found) == 2000


LONG = "x" * 300


@pytest.mark.parametrize(
    ("first", "late", "kinds"),
    [
        ({"n": 1, "o": None}, {"n": 1.5, "o": "s"}, {"n": "float64", "o": "string"}),
        ({"n": 1, "o": None}, {"n": 2, "o": {"a": 1}}, {"n": "int64"}),
        ({"n": 1}, {"n": 3, "more": "seen"}, {"n": "int64", "more": "string"}),
    ],
)
def test_types_of_json_are_decided_by_the_whole_file(tmp_path, monkeypatch, first, late, kinds):
    rows = [{"text": LONG, **first}] * 40_000 + [{"text": "y", **late}]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert path.stat().st_size > 10 << 20
    found = read_typed(path)
    assert len(found) == len(rows)
    assert {name: found.features[name].dtype for name in kinds} == kinds
    assert {key: found[-1][key] for key in late} == late


def test_times_and_long_numbers_of_json_stay_as_they_are_written(tmp_path):
    rows = [{"at": "2024-01-05T00:00:00Z", "day": "2024-01-05", "id": 12345678901234567890,
             "big": 1e300, "n": 2.5},
            {"at": "2024-01-05T00:00:00+02:00", "day": "2024-01-06", "id": 7, "big": 1.0,
             "n": None}]  # fmt: skip
    lines = "\n".join(map(json.dumps, rows))
    for name, text in {"a.jsonl": lines, "b.json": json.dumps(rows)}.items():
        (tmp_path / name).write_text(text)
        found = read_typed(tmp_path / name).to_list()
        assert found == [{**row, "id": str(row["id"])} for row in rows]


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_texts_that_are_no_utf8_are_told(tmp_path, form):
    cells = pa.array([b"fine", b"caf\xe9", None], pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 3, cells.buffers())
    table = pa.table({"text": broken, "label": ["a", "b", "c"]})
    path = tmp_path / f"a.{form}"
    if form == "parquet":
        pq.write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as out:
            out.write_table(table)
    said = {"parquet": "row 2: text holds bytes that are no UTF-8", "arrow": "Invalid UTF8"}
    with pytest.raises(DataError, match=rf"a\.{form}.*{said[form]}"):
        read_typed(path)


def test_a_bomb_of_gzip_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "UNPACKED", 1 << 20)
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"text,label\n" + b"a,b\n" * 2_000_000))
    with pytest.raises(DataError, match=r"a\.csv\.gz: .*unpacks to more than 300 times its size"):
        text_files.check_encoding(path, "utf-8")
