"""Columns of lists and objects, paths into them, and rows that a plugin reshapes."""

from __future__ import annotations

import importlib
import json
from typing import Annotated

import datasets
import pytest
from walkthrough import page_file

from toolkit.data import load_splits
from toolkit.data.columns import with_values
from toolkit.errors import DataError
from toolkit.plugin import Plugin
from toolkit.plugin_types import (
    Column,
    ListColumn,
    NumberColumn,
    Options,
    ReshapedRows,
    TextColumn,
    column_markers,
    columns,
)
from toolkit.recipe.schema import DataSpec

HALF = {"test": 0.25, "validation": 0.25}


def load(path, marked, plugin=None, **spec):
    return load_splits(DataSpec(source=str(path), split=HALF, **spec), marked, 0, plugin=plugin)


@pytest.fixture
def write(tmp_path):
    def write(rows, name="rows.jsonl"):
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
        return tmp_path / name

    return write


def test_paths_into_objects_are_columns_of_their_own(write):
    rows = [{"translation": {"en": f"word {n}", "de": f"Wort {n}"}} for n in range(40)]
    rows[3]["translation"]["en"] = None
    rows[5]["translation"] = None
    rows[6] = rows[7]  # the same again
    marked = {"source": ("translation.en", Column("input", "text")),
              "target": ("translation.de", Column("target", "text"))}  # fmt: skip
    found = load(write(rows), marked)
    texts = {text for split in found.splits.values() for text in split["translation.en"]}
    assert texts == {f"word {n}" for n in range(40)} - {"word 3", "word 5", "word 6"}
    assert found.skipped == {"train": {"no translation.de": 1, "empty translation.en": 1}}
    same = [*found.duplicates.values(), *found.overlap.values()]
    assert sum(counts["exact"] for counts in same) == 1


def test_a_path_into_a_list_of_objects_is_the_list_of_their_values(write):
    rows = [{"objects": [{"box": [n, 1, 2, 3], "kind": "a"}] * (n % 3)} for n in range(40)]
    marked = {"boxes": ("objects.box", Column("target", "list")),
              "kinds": ("objects.kind", Column("target", "list"))}  # fmt: skip
    found = load(write([{"n": n, **row} for n, row in enumerate(rows)]), marked)
    for split in found.splits.values():
        for row in split:
            assert row["objects.box"] == [box["box"] for box in rows[row["n"]]["objects"]]
            assert row["objects.kind"] == ["a"] * (row["n"] % 3)


def test_a_wrong_path_is_told_with_the_nearest(write):
    path = write([{"translation": {"en": "a", "de": "b"}}] * 8)
    marked = {"source": ("translation.eng", Column("input"))}
    with pytest.raises(DataError, match=r"Did you mean 'translation\.en'\?"):
        load(path, marked)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("list", "a", "holds a: a list is expected"),
        ("object", [1], "holds \\[1\\]: an object is expected"),
        ("number", "seven", "holds seven: a number is expected"),
        ("text", {"a": 1}, "holds {'a': 1}: a text is expected"),
        ("list", [], None),
        ("number", 3, None),
    ],
)
def test_what_a_column_holds_is_compared_with_its_kind(write, kind, value, said):
    path = write([{"x": value, "y": n} for n in range(8)])
    marked = {"x": ("x", Column("input", kind)), "y": ("y", Column("input"))}
    if said is None:
        assert load(path, marked).splits["train"]["x"][0] == value
        return
    with pytest.raises(DataError, match=f"x: {said}"):
        load(path, marked)


def test_an_empty_list_is_missing_in_an_input_and_a_value_in_a_target(write):
    path = write([{"x": [1] * (n % 2), "y": [1] * (n % 3)} for n in range(40)])
    marked = {"x": ("x", Column("input", "list")), "y": ("y", Column("target", "list"))}
    assert load(path, marked).skipped == {"train": {"empty x": 20}}


def test_the_conll_reader_of_the_page(tmp_path, monkeypatch):
    (tmp_path / "conll.py").write_text(page_file("docs/plugins/columns.md", "conll.py"))
    monkeypatch.syspath_prepend(tmp_path)
    space = importlib.import_module("conll")
    plugin = space.Conll()
    plugin.options = space.ConllOptions()
    blocks = ["-DOCSTART- O"] + [f"Word{n} O\nBern{n} B-place" for n in range(20)]
    (tmp_path / "train.conll").write_text("\n\n".join(blocks))
    named = columns(plugin.options)
    marked = {key: (name, column_markers(space.ConllOptions)[key]) for key, name in named.items()}
    found = load(tmp_path / "train.conll", marked, plugin)
    assert sum(map(len, found.splits.values())) == 20
    assert found.splits["train"][0]["tags"] == ["O", "B-place"]
    assert found.skipped == {"train": {"marks of documents": 1}}
    # Its contents are what the fingerprint is of.
    (tmp_path / "train.conll").write_text("\n\n".join([*blocks, "One O"]))
    assert load(tmp_path / "train.conll", marked, plugin).fingerprint != found.fingerprint
    with pytest.raises(DataError, match=r"Known: \.arrow, .*\.conll"):
        load(write_text(tmp_path / "train.xml"), marked, plugin)


def write_text(path):
    path.write_text("<a/>")
    return path


class WindowOptions(Options):
    text: TextColumn = "text"


class Windows(Plugin[WindowOptions]):
    Options = WindowOptions

    def reshape_rows(self, rows, split):
        def cut(batch):
            texts = [text.split() for text in batch["text"]]
            return {"text": [" ".join(words[n : n + 2]) for words in texts
                             for n in range(0, len(words), 2)]}  # fmt: skip

        return rows.map(cut, batched=True, remove_columns=rows.column_names)

    def load_model(self):
        raise AssertionError


def test_documents_become_several_rows(write):
    plugin = Windows()
    plugin.options = WindowOptions()
    path = write([{"text": f"a{n} b{n} c{n}"} for n in range(10)])
    found = load(path, {"text": ("text", Column("input", "text"))}, plugin)
    assert sorted(t for split in found.splits.values() for t in split["text"]) == sorted(
        [f"a{n} b{n}" for n in range(10)] + [f"c{n}" for n in range(10)]
    )
    from toolkit.runs.predictor import Predictor

    with pytest.raises(DataError, match="1 became 2"):
        Predictor(plugin).dataset([{"text": "one two three"}])
    assert Predictor(plugin).dataset([{"text": "one two"}])["text"][:] == ["one two"]


def test_reshaping_everything_away_is_an_error(write):
    class Nothing(Windows):
        def reshape_rows(self, rows, split):
            return ReshapedRows(rows.select([]), {"of no use": len(rows)})

    plugin = Nothing()
    plugin.options = WindowOptions()
    with pytest.raises(DataError, match="Nothing.reshape_rows, train: makes no row of 8"):
        load(write([{"text": "a"}] * 8), {"text": ("text", Column("input", "text"))}, plugin)


def test_markers_name_the_kinds():
    class Several(Options):
        words: ListColumn = "words"
        size: NumberColumn = "size"

    assert {k: m.kind for k, m in column_markers(Several).items()} == {
        "words": "list", "size": "number"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "values", "wrong"),
    [
        (["1", " 25 ", "abc", None, "NA", "-5"], [1, 25, None, None, None, -5], {2: "abc"}),
        (["1", "2.5e3", "x", "-.5"], [1.0, 2500.0, None, -0.5], {2: "x"}),
        (["1", "9" * 30, "x"], [1.0, 1e30, None], {2: "x"}),
    ],
)
def test_a_row_whose_cell_is_no_number_is_told_and_the_others_are_read(cells, values, wrong):
    rows = datasets.Dataset.from_dict({"a": cells, "b": ["x"] * len(cells)})
    number = Column("input", "number")
    made, wrong_cells = with_values({"rows": rows}, [("a", number), ("b", number)])
    found, told = made["rows"], wrong_cells.get("rows")
    assert found["a"][:] == values
    assert told == {row: f"a is {cell!r}: a number is expected" for row, cell in wrong.items()}
    assert found["b"][:] == rows["b"][:]  # not one number: the column is another
    assert found.column_names == ["a", "b"]


@pytest.mark.parametrize(
    ("kind", "train", "test", "values"),
    [
        ("", ["1", "2"], ["3", "4.5"], ([1.0, 2.0], [3.0, 4.5])),
        ("", ["1", "2"], ["3", "T4"], (["1", "2"], ["3", "T4"])),
        ("", ["1", "2"], ["3", "007"], (["1", "2"], ["3", "007"])),
        ("", ["1", "2"], ["3", "9" * 20], (["1", "2"], ["3", "9" * 20])),
        ("boolean", ["0", "1"], ["True", "false"], ([False, True], [True, False])),
        ("number", ["1", "2"], ["0.5", ""], ([1.0, 2.0], [0.5, None])),
        ("text", ["1", "2"], ["3", "4"], (["1", "2"], ["3", "4"])),
    ],
)
def test_what_texts_are_is_decided_over_all_splits(kind, train, test, values):
    rows = {"train": datasets.Dataset.from_dict({"a": train}),
            "test": datasets.Dataset.from_dict({"a": test})}  # fmt: skip
    found, wrong = with_values(rows, [("a", Column("input", kind))])
    assert (found["train"]["a"][:], found["test"]["a"][:]) == values
    assert not any(wrong.values())


def test_a_missing_file_is_told_for_its_row_and_a_targets_file_is_not_looked_for(write, tmp_path):
    from toolkit.data.prediction_rows import read_prediction_rows, unusable_rows
    from toolkit.data.reader import RaggedRows

    class PairOptions(Options):
        image: Annotated[str, Column("input", files=(".png",))] = "image"
        mask: Annotated[str, Column("target", files=(".png",))] = "mask"

    class Pairs(Windows):
        Options = PairOptions

        def reshape_rows(self, rows, split):
            return rows

    plugin = Pairs()
    plugin.options = PairOptions()
    (tmp_path / "a.png").write_bytes(b"image")
    path = write([{"image": name, "mask": "no.png"} for name in ("a.png", "b.png")])
    found = read_prediction_rows(DataSpec(source=str(path)), plugin, str(path), None,
                                 RaggedRows(tmp_path / "csv"))  # fmt: skip
    assert found.rows[0]["image"]["path"] == str(tmp_path / "a.png")
    assert found.rows.column_names == ["image"]
    assert unusable_rows(found.rows, ["image"], plugin) == {
        1: f"there is no file '{tmp_path / 'b.png'}'"
    }
