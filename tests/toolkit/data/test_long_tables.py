"""Long tables: what is done by column, not row by row, and gives what rows one by one give."""

from __future__ import annotations

import random
import sys
from contextlib import contextmanager
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.data import ClassLabels, chosen_rows, csv_dialect, overlap, row_hashes
from toolkit.data.columns import numbers, tables
from toolkit.data.csv_files import read_csv
from toolkit.errors import DataError

FEW, MANY = 2_000, 12_000  # rows


@contextmanager
def counted(calls):
    """Count the functions that Python calls, those in C as well."""

    def count(_frame, event, _what):
        calls[0] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)


def calls_per_row(act, made):
    """Return how many more calls each further row takes."""
    totals = []
    for rows in (FEW, MANY):
        given, calls = made(rows), [0]
        with counted(calls):
            act(given)
        totals.append(calls[0])
    return (totals[1] - totals[0]) / (MANY - FEW)


def texts(rows):
    rng = random.Random(0)
    return datasets.Dataset.from_dict(
        {"text": [f"Row {n}, of {rng.randint(0, n)}!" for n in range(rows)],
         "label": [f"class {n % 7}" for n in range(rows)]}
    )  # fmt: skip


def chosen(rows):
    """Return the same number of rows, chosen from more."""
    return texts(2 * rows).select(np.sort(np.random.default_rng(0).permutation(2 * rows)[:rows]))


@pytest.mark.parametrize("made", [texts, chosen])
def test_labels_are_looked_at_by_kind(made):
    def act(rows):
        labels = ClassLabels.of(rows, "label")
        labels.notes({"train": rows, "test": rows}, "label")
        assert labels.counts(rows, "label")["class 3"] >= len(rows) // 14

    assert calls_per_row(act, made) < 0.1


@pytest.mark.parametrize("made", [texts, chosen])
def test_few_calls_hash_a_row(made, monkeypatch):
    monkeypatch.setattr(overlap, "COMPARED", 500)  # near ones are looked for among so many
    assert calls_per_row(lambda rows: overlap.compared(rows, ["text"]), made) < 6


def test_quotes_are_checked_by_part(tmp_path):
    def made(rows):
        path = tmp_path / f"{rows}.csv"
        path.write_text("text,label\n" + "".join(f'"a ""{n}"", b","c"\n' for n in range(rows)))
        return path

    def act(path):
        rows, _ = read_csv(path, encoding="utf-8", delimiter=",", cache=tmp_path / path.stem)
        assert rows[1]["text"] == 'a "1", b'

    assert calls_per_row(act, made) < 0.1


QUOTING = st.text(alphabet='",;\n\r\\aé', max_size=30)


@settings(max_examples=400, deadline=None)
@given(QUOTING, st.sampled_from([1, 3, 1 << 22]))
def test_quotes_that_are_plain_by_bytes_are_right_line_by_line(tmp_path_factory, text, part):
    path = tmp_path_factory.mktemp("quotes") / "a.csv"
    path.write_bytes(f"h{text}".encode())
    dialect = csv_dialect.Dialect(["h"], ",", '"', "utf-8")
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_dialect, "PART", part)
        for known in (csv_dialect.ONE_BYTE, set()):
            patch.setattr(csv_dialect, "ONE_BYTE", known)
            try:
                csv_dialect.check_quotes(path, dialect)
                said.append("")
            except DataError as error:
                said.append(str(error))
    assert said[0] == said[1]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30) | st.text(alphabet="aB _-.,\t1", max_size=20))
def test_texts_in_bytes_are_normalised_as_texts(text):
    assert row_hashes.normalised_cell(text.encode()).decode() == row_hashes.normalised(text)


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_hashes_are_found_among_others(values, known):
    one, other = (np.array(some, np.uint64) for some in (values, known))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_hashes, "PART", 3)
        assert row_hashes.among(one, other).tolist() == [value in known for value in values]
    assert row_hashes.distinct(one).tolist() == sorted(set(values))


@pytest.mark.parametrize(
    "numbers",
    [range(40_000), range(7, 33_000, 3), [39_999, 0], [5, 5, 6], range(39_999, 0, -1), []],
)
def test_chosen_rows_come_in_their_order(numbers):
    rows = datasets.concatenate_datasets([texts(25_000), texts(15_000)]).select(list(numbers))
    found = pa.concat_tables(tables(rows, ["label", "text"])) if len(rows) else None
    assert (found.to_pydict() if found else {}) == (
        rows.select_columns(["label", "text"])[:] if found else {}
    )


def test_many_chosen_rows_are_written_once(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    texts(1_000).save_to_disk(tmp_path / "rows")
    rows = datasets.load_from_disk(str(tmp_path / "rows")).select(range(0, 1_000, 3))
    assert chosen_rows.written(rows) is rows  # few
    monkeypatch.setattr(chosen_rows, "MANY", 100)
    one, again = (chosen_rows.written(rows) for _ in range(2))
    assert one._indices is None
    assert one.to_dict() == rows.to_dict()
    assert one.features == rows.features
    assert one.cache_files == again.cache_files  # by which what is made of them is found again
    assert one._fingerprint == again._fingerprint


def test_what_was_made_of_written_rows_is_made_anew_where_its_end_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(chosen_rows, "MANY", 100)
    texts(1_000).save_to_disk(tmp_path / "rows")
    rows = datasets.load_from_disk(str(tmp_path / "rows")).select(range(0, 1_000, 3))

    def lengths():
        made = chosen_rows.written(rows).map(_length, batched=True, remove_columns=["text"])
        return made, made.to_dict()

    made, wanted = lengths()
    for lost in (Path(made.cache_files[0]["filename"]), *(tmp_path / "cache").rglob("*.arrow")):
        content = lost.read_bytes()
        lost.unlink()  # the one that is mapped stays as it is
        lost.write_bytes(content[: len(content) // 2])
        assert lengths()[1] == wanted


def _length(batch):
    return {"length": [len(text) for text in batch["text"]]}


@pytest.mark.parametrize("made", [texts, chosen])
def test_numbers_come_as_one_array(made):
    def act(rows):
        assert numbers(rows, "length").tolist() == rows["length"][:]

    def lengths(rows):
        return made(rows).add_column("length", list(range(rows)))

    assert calls_per_row(act, lengths) < 0.1
    assert numbers(texts(1).select([]).add_column("length", []), "length").tolist() == []
