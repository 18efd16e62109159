"""csv and tsv files as people save them, and what is said of those that cannot be read."""

from __future__ import annotations

import csv
import gzip
import io
from itertools import count

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.data import csv_files
from toolkit.data.csv_files import read_csv
from toolkit.errors import DataError

BODY = "text,label\nfirst,a\nsecond,b\n"
PLACES = count()


@pytest.fixture
def read(tmp_path):
    def found(path, encoding="utf-8", delimiter=None, **more):
        kept = tmp_path / "cache"
        return read_csv(path, encoding=encoding, delimiter=delimiter, cache=kept, **more)[0]

    return found


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("plain.csv", BODY, "utf-8"),
        ("bom.csv", b"\xef\xbb\xbf" + BODY.encode(), "utf-8"),
        ("bom-quoted.csv", b"\xef\xbb\xbf" + BODY.replace("text", '"text"').encode(), "utf-8"),
        ("windows.csv", BODY.replace("\n", "\r\n"), "utf-8"),
        ("old-mac.csv", BODY.replace("\n", "\r"), "utf-8"),
        ("no-last-end.csv", BODY.rstrip(), "utf-8"),
        ("empty-lines.csv", BODY.replace("\n", "\n\n"), "utf-8"),
        ("quoted.csv", 'text,label\n"first","a"\n"second","b"\n', "utf-8"),
        ("semicolon.csv", BODY.replace(",", ";"), "utf-8"),
        ("pipe.csv", BODY.replace(",", "|"), "utf-8"),
        ("tab.csv", BODY.replace(",", "\t"), "utf-8"),
        ("tab.tsv", BODY.replace(",", "\t"), "utf-8"),
        ("TAB.TSV", BODY.replace(",", "\t"), "utf-8"),
        ("wide.csv", BODY.encode("utf-16"), "utf-16"),
        ("wide-le.csv", BODY.encode("utf-16-le"), "utf-16-le"),
        ("packed.csv.gz", gzip.compress(BODY.encode(), mtime=0), "utf-8"),
        ("PACKED.CSV.GZ", gzip.compress(BODY.encode(), mtime=0), "utf-8"),
        ("packed.tsv.gz", gzip.compress(BODY.replace(",", "\t").encode(), mtime=0), "utf-8"),
        ("a [1] name.csv", BODY, "utf-8"),
    ],
)
def test_a_table_is_a_table_however_it_was_saved(write, read, name, content, encoding):
    found = read(write(name, content), encoding=encoding)
    assert found.to_list() == [{"text": "first", "label": "a"}, {"text": "second", "label": "b"}]


def test_quoted_fields_hold_line_ends_delimiters_and_quotes(write, read):
    path = write("a.csv", 'text,label\n"one\r\n\ntwo",a\n"x, ""y""",b\nsay "hi",c\n')
    assert read(path)["text"] == ["one\r\n\ntwo", 'x, "y"', 'say "hi"']


def test_the_delimiter_is_the_one_that_fits_the_rows(write, read):
    path = write("a.csv", 'text;label;"a,b,c"\none, two;x;1\nthree;y;2\n')
    assert read(path).column_names == ["text", "label", "a,b,c"]


def test_a_delimiter_that_is_named_is_taken(write, read):
    assert read(write("a.csv", BODY), delimiter=";").column_names == ["text,label"]


@pytest.mark.parametrize(
    "value",
    ["007", "None", "NA", "null", "1e5", "true", "2024-01-01", " x ", "9" * 20, "1.10", "1T00:00Z"],
)
def test_cells_stay_as_they_are_written(write, read, value):
    found = read(write("a.csv", f"text,n\n{value},1\nb,\n"))
    assert found["text"][0] == value
    assert found["n"][:] == ["1", ""]


def test_a_row_longer_than_a_block_is_read(write, read, monkeypatch):
    monkeypatch.setattr(csv_files, "BLOCK", 1 << 10)
    found = read(write("a.csv", f"text,label\n{'x' * 100_000},a\nb,b\n"))
    assert [len(text) for text in found["text"]] == [100_000, 1]


def test_columns_named_twice_are_numbered_and_told(write, tmp_path):
    path = write("a.csv", "text,n,text,text_2,n\na,1,b,c,2\n")
    for _ in range(2):  # the second time from the cache
        found, notes = read_csv(path, encoding="utf-8", delimiter=None, cache=tmp_path / "cache")
        assert found.column_names == ["text", "n", "text_2_", "text_2", "n_2"]
        assert notes == [f"{path}: columns are named twice: a further 'text' is 'text_2_' here, "
                         "'n' is 'n_2' here"]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (
            'text,n\n"he said \\"here\\", twice",1\n"a \\\\ b",2\n',
            ['he said "here", twice', "a \\ b"],
        ),
        ('text,n\n"5\\" pipe",1\nplain,2\n', ['5" pipe', "plain"]),
        ('text,n\n"C:\\",1\n"D:\\",2\n', ["C:\\", "D:\\"]),  # no escapes: the field ends there
        ('text,n\n"x ""y""",1\n"C:\\",2\n', ['x "y"', "C:\\"]),
    ],
)
def test_quotes_behind_backslashes_are_recognised(write, read, content, texts):
    assert read(write("a.csv", content))["text"][:] == texts


def test_columns_without_a_name_get_one_that_is_free(write, read):
    found = read(write("a.csv", ",column_1,text,\n0,x,t,\n"))
    assert found.column_names == ["column_1_", "column_1", "text", "column_4"]


@pytest.mark.parametrize(
    ("content", "place", "what"),
    [
        ("", "a.csv", "is empty"),
        (" \n\n", "a.csv", "is empty"),
        ("\n" + BODY, "a.csv:1", "is an empty line"),
        ("text,label\n", "a.csv", "has no rows below its header (text, label)"),
        ("text,label", "a.csv", "has no rows below its header (text, label)"),
        ('a,b\n"x ""y"" z",1\n"he said \\"here, there",2\n', "a.csv:3", "--set 'data.escape="),
        ("text,label\na,b\nc\n", "a.csv row 3", "has 1 fields, the header 2: 'c'"),
        ("text,label\na,b,\n", "a.csv row 2", "has 3 fields, the header 2"),
        ("text\na\nb,c\n", "a.csv row 3", "has 2 fields, the header 1"),
        (BODY.encode("utf-16"), "a.csv:1", "--set data.encoding=utf-16"),
        (b"text,label\nfine,a\ncaf\xe9,b\n", "a.csv:3", "is not utf-8 text (byte 0xe9)"),
        ('text,label\na,b\n"open,c\nd,e\n', "a.csv:3", "begins with a quote that never ends"),
        ('text,label\na,"b\nc,d\n', "a.csv:2", "begins with a quote that never ends"),
        ('text,label\n"a,b\nc,d\n"e,f\ng,h\n', "a.csv:2", "a quote that ends in line 4 only"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(write, read, content, place, what):
    path = write("a.csv", content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert caught.value.faults[0].where == str(path.parent / place)
    assert what in caught.value.faults[0].what


def test_every_ragged_row_counts(write, read):
    path = write("a.csv", "text,label\n" + "a,b,c\n" * 9)
    with pytest.raises(DataError) as caught:
        read(path)
    assert "and 4 more such rows" in str(caught.value)
    assert "set data.delimiter" in str(caught.value)


def test_a_file_that_quotes_nothing_is_read_on_demand(write, read):
    path = write("a.tsv", 'text\tlabel\n"open\ta\n5" pipe\tb\n"x" y\tc\n')
    with pytest.raises(DataError, match=r"data\.quote=null"):
        read(path)
    assert read(path, quote=None)["text"] == ['"open', '5" pipe', '"x" y']


@pytest.mark.parametrize(
    "content", [b"no gzip at all", gzip.compress(BODY.encode() * 99, mtime=0)[:-9]]
)
def test_a_broken_archive_is_named(write, read, content):
    with pytest.raises(DataError, match=r"a\.csv\.gz: cannot be read"):
        read(write("a.csv.gz", content))


def test_nothing_half_written_stays_behind(write, read, tmp_path):
    with pytest.raises(DataError):
        read(write("a.csv", BODY + "x\n"))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_is_converted_once_and_again_when_it_changes(write, read, tmp_path):
    path = write("a.csv", BODY)
    read(path)
    before = {item: item.stat().st_mtime_ns for item in (tmp_path / "cache").iterdir()}
    read(path)
    assert before == {i: i.stat().st_mtime_ns for i in (tmp_path / "cache").iterdir()}
    write("a.csv", BODY + "third,c\n")
    assert len(read(path)) == 3


def test_memory_does_not_grow_with_the_file(write, read):
    path = write("a.csv", "text,label\n" + f"{'word ' * 40},a\n" * 100_000)
    before = pa.total_allocated_bytes()
    found = read(path)
    assert len(found) == 100_000
    assert path.stat().st_size > 20_000_000
    assert pa.total_allocated_bytes() - before < 1_000_000


# UTF-8 has no lone surrogates, and Python's writer no NUL.
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_what_python_writes_is_what_is_read(tmp_path, read, pairs, delimiter):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *pairs])
    path = tmp_path / f"{next(PLACES)}.csv"
    path.write_bytes(text.getvalue().encode())
    found = read(path)
    assert list(zip(found["text"], found["label"], strict=True)) == pairs
