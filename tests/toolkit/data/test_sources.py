"""Which files hold which split, by their names and by what the recipe says."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.data import sources
from toolkit.errors import DataError


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("TRAINING", "train"),
        ("train-00000-of-00002", "train"),
        ("my_train_2", "train"),
        ("trainset", "train"),
        ("traindata", "train"),
        ("dev", "validation"),
        ("Val", "validation"),
        ("valid", "validation"),
        ("eval", "validation"),
        ("test", "test"),
        ("my-test", "test"),
        ("testing", "test"),
        ("testset", "test"),
        ("testimonials", None),
        ("trains", None),
        ("values", None),
        ("device", None),
        ("", None),
    ],
)
def test_a_name_tells_its_split(name, split):
    assert sources.split_named(name) == split


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.csv", "csv"),
        ("a.CSV", "csv"),
        ("a.tsv.gz", "csv"),
        ("A.JSONL.GZ", "json"),
        ("a.ndjson", "json"),
        ("a.json", "json"),
        ("a.parquet", "parquet"),
        ("a.arrow.gz", "arrow"),
        ("a.b.csv", "csv"),
        ("a.xlsx", None),
        ("a.gz", None),
        ("csv", None),
    ],
)
def test_a_suffix_tells_the_format(name, form):
    assert sources.format_of(Path(name)) == form


@pytest.fixture
def folder(write):
    def made(*names: str) -> str:
        for name in names:
            path = write(f"folder/{name}", "x\n1\n")
        return str(next(p for p in path.parents if p.name == "folder"))

    return made


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train.csv", "dev.csv", "test.csv"], {"train": 1, "validation": 1, "test": 1}),
        (["TRAIN.CSV", "Val.CSV"], {"train": 1, "validation": 1}),
        (["my.train.csv.gz", "my.test.csv.gz"], {"train": 1, "test": 1}),
        (["trainset.csv", "testset.csv"], {"train": 1, "test": 1}),
        (["train/a.csv", "train/b.csv", "valid/a.csv", "test/a.csv"],
         {"train": 2, "validation": 1, "test": 1}),
        (["train-0-of-2.parquet", "train-1-of-2.parquet"], {"train": 2}),
        (["test/train.csv", "test.csv"], {"train": 1, "test": 1}),
        (["one.csv"], {"train": 1}),
        (["train.csv", "README.md", ".train.csv.swp"], {"train": 1}),
    ],
)  # fmt: skip
def test_a_folder_is_taken_by_the_names_in_it(folder, names, expected):
    found, notes = sources.find_sources(folder(*names))
    assert {split: len(paths) for split, paths in found.items()} == expected
    assert notes == []


def test_files_without_a_split_in_their_names_are_train_together_and_said(folder):
    found, notes = sources.find_sources(folder("a.csv", "b.csv"))
    assert [path.name for path in found["train"]] == ["a.csv", "b.csv"]
    assert "a.csv, b.csv are taken together" in notes[0]


def test_files_passed_over_are_said(folder):
    found, notes = sources.find_sources(folder("train.csv", "extra.csv"))
    assert [path.name for path in found["train"]] == ["train.csv"]
    assert "skipped extra.csv" in notes[0]


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["dev.csv", "test.csv"], "has files for validation, test but none for train"),
        (["notes.txt"], "but: notes.txt"),
    ],
)
def test_a_folder_that_will_not_do(folder, names, what):
    with pytest.raises(DataError, match=what):
        sources.find_sources(folder(*names))


def test_all_faults_of_a_map_are_told_at_once(write):
    here = write("tickets.csv", "x\n")
    source = {
        "train": str(here),
        "training": str(here),
        "holdout": str(here),
        "test": [str(here.with_name("ticket.csv")), str(here.parent)],
        "dev": str(write("book.xlsx", "")),
    }
    with pytest.raises(DataError) as caught:
        sources.find_sources(source)
    said = [str(fault) for fault in caught.value.faults]
    assert len(said) == 5
    assert any("training: is the train split for a second time" in line for line in said)
    assert any("holdout: is no split" in line for line in said)
    assert any("ticket.csv: there is no such file. Did you mean 'tickets.csv'?" in s for s in said)
    assert any("is a folder" in line for line in said)
    assert any("book.xlsx: is no table that can be read. Known: .arrow, .csv" in s for s in said)


def test_a_list_of_files_is_train(write):
    paths = [str(write(name, "x\n")) for name in ("b.csv", "a.csv")]
    assert sources.find_sources(paths) == ({"train": [Path(path) for path in paths]}, [])


def test_a_missing_folder_is_told_apart_from_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"The folder .*nowhere does not exist either"):
        sources.find_sources(str(tmp_path / "nowhere" / "a.csv"))


def test_a_name_that_no_file_can_have_is_no_such_file(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        sources.find_sources(str(tmp_path / ("x" * 5000)))


def test_the_digest_is_of_contents_and_their_order(write):
    a, b, same = write("a.csv", "1"), write("b.csv", "2"), write("c.csv", "1")
    assert sources.digest([a, b]) == sources.digest([same, b])
    assert sources.digest([a, b]) != sources.digest([b, a])
