"""Files of columns; which column holds the tags, and what their numbers are."""

import gzip

import datasets
import pytest
from toolkit_plugins.text.token_classification import reading
from toolkit_plugins.text.token_classification.options import EntityOptions

from toolkit.errors import DataError

CONLLU = "# text = Ann met\n1\tAnn\tAnn\tPROPN\t_\n2\tmet\tmeet\tVERB\tSpaceAfter=No\n"


def read(columns, split="train", **options):
    rows = datasets.Dataset.from_dict(columns)
    return reading.reshaped(rows, split, EntityOptions(**options))


def file(tmp_path, content, name="train.conll"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith("z") else content.encode())
    return {"path": [str(path)]}


def labels(found):
    return [[one["label"] for one in row] for row in found.rows["entities"]]


def test_files_of_columns_are_read_by_sentence_and_document(tmp_path):
    files = file(tmp_path, "-DOCSTART- O\n\nAnn B-PER\nmet O\n\n-DOCSTART- O\n\nin O\nRome B-LOC\n")
    found = read(files)
    assert labels(found) == [["PER"], ["LOC"]]
    assert found.rows["document"] == ["train.conll 1", "train.conll 2"]
    assert found.rows["tokens"] == [["Ann", "met"], ["in", "Rome"]]
    files = file(tmp_path, "Ann B-PER\nmet O\n\nRome LOC\n")
    with pytest.raises(DataError, match=r"train.conll:4: the tag 'LOC' is none of the scheme BIO"):
        read(files)


@pytest.mark.parametrize(
    ("content", "documents"),
    [
        ("-DOCSTART- O\n\nAnn B-PER\nmet O\n\nBob B-PER\n", ["a.conll 1"] * 2 + ["b.conll 1"] * 2),
        ("Ann B-PER\nmet O\n\nBob B-PER\n", None),
    ],
)
def test_a_file_may_be_one_document(tmp_path, content, documents):
    paths = [
        path for name in ("a.conll", "b.conll") for path in file(tmp_path, content, name)["path"]
    ]
    found = read({"path": paths}).rows
    assert (found["document"] if "document" in found.column_names else None) == documents


def test_files_of_columns_may_be_packed(tmp_path):
    assert labels(read(file(tmp_path, "Ann B-PER\nmet O\n", "Train.conll.gz"))) == [["PER"]]


def test_columns_that_hold_no_tags_are_refused(tmp_path):
    with pytest.raises(DataError, match="tags: holds SpaceAfter=No, _: no word .*tag_column"):
        read(file(tmp_path, CONLLU, "train.conllu"))
    with pytest.raises(DataError, match="tags: holds NOUN, VERB: no word .*options.tags=COLUMN"):
        read({"tokens": [["Ann", "met"]], "tags": [["NOUN", "VERB"]]})
    found = read({"tokens": [["Ann", "met"]], "tags": [["PER", "O"]]})
    assert labels(found) == [["PER"]]


def test_the_column_of_a_file_is_chosen(tmp_path):
    content = "Ann B-PER O\nmet O O\n"
    assert labels(read(file(tmp_path, content))) == [[]]
    assert labels(read(file(tmp_path, content), tag_column=2)) == [["PER"]]


def test_whole_floats_are_numbers_of_tags():
    columns = {"tokens": [["Ann", "met"]], "tags": [[1.0, 0.0]]}
    with pytest.raises(DataError, match=r"tags: holds numbers \(0, 1\) without names"):
        read(columns)
    assert labels(read(columns, tag_names=["O", "B-PER"])) == [["PER"]]


@pytest.mark.parametrize("tags", ["1 0", "[1, 0]", ["1", "0"], [1, 0]])
def test_numbers_of_tags_may_be_written_as_text(tmp_path, tags):
    names = ["O", "B-PER"]
    columns = {"tokens": [["Ann", "met"]], "tags": [tags]}
    assert labels(read(columns, tag_names=names)) == [["PER"]]
    with pytest.raises(DataError, match="train row 1: the tag '1' is none"):
        read(columns, tag_names=["O"])
    assert labels(read(file(tmp_path, "Ann 1\nmet 0\n"), tag_names=names)) == [["PER"]]
