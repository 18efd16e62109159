"""The data door as a run passes through it: from the recipe's `data:` block to counted splits."""

from __future__ import annotations

import json

import datasets
import pytest

from toolkit.errors import DataError
from toolkit.plugin_types import Column


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_a_file_becomes_three_splits_with_their_note(write, door, rows):
    found = door(write("a.csv", rows(20)))
    assert {name: len(part) for name, part in found.splits.items()} == {
        "train": 14,
        "validation": 2,
        "test": 4,
    }
    assert found.notes == ["test and validation taken from train (at random)"]
    assert found.skipped == {}
    assert found.overlap["train-test"] == {"exact": 0, "normalised": 0, "near": 0}


def test_a_folder_and_a_map_of_files_give_the_same_splits(write, door, rows):
    parts = {"train": rows(12), "dev": rows(4), "test": rows(3)}
    paths = {name: str(write(f"d/{name}.csv", text)) for name, text in parts.items()}
    mapped = door(paths)
    folder = door(write("d/README.md", "").parent)
    assert folder.fingerprint == mapped.fingerprint
    for found in (folder, mapped):
        assert {name: len(part) for name, part in found.splits.items()} == {
            "train": 12,
            "validation": 4,
            "test": 3,
        }
        assert found.overlap["train-test"] == {"exact": 3, "normalised": 3, "near": 3}
        assert found.overlapping.tolist() == [True] * 3


def test_files_of_one_split_are_joined_and_may_differ_in_form(write, door):
    first = write("a.csv", "text,label,note,n\na,x,,1\nb,y,,2\n")
    second = write("b.csv", "n,label,text,note\n1.5,x,c,seen\n2,y,d,\n")
    third = write("c.jsonl", lines([{"text": "e", "label": "x", "note": None, "n": 3}] * 9))
    train = door([str(p) for p in (first, second, third)], split={"test": 1, "validation": 1})
    assert sum(len(part) for part in train.splits.values()) == 13
    assert train.splits["train"].features["note"].dtype == "string"
    assert train.splits["train"].features["n"].dtype == "string"
    cells = [cell for part in train.splits.values() for cell in part["n"]]
    assert sorted(cells) == ["1", "1.5", "2", "2", *["3"] * 9]


@pytest.mark.parametrize(
    ("second", "what"),
    [
        ("text,label\nc,x\n", "differs from a.csv in the columns n"),
    ],
)
def test_files_of_one_split_that_do_not_fit(write, door, second, what):
    first = write("a.csv", "text,label,n\na,x,1\nb,y,2\n")
    with pytest.raises(DataError, match=what):
        door([str(first), str(write("b.csv", second))])


def test_faults_of_all_files_are_told_at_once(write, door):
    source = {
        "train": str(write("a.csv", "text,label\na\n")),
        "test": str(write("b.jsonl", "{broken\n")),
    }
    with pytest.raises(DataError) as caught:
        door(source)
    said = str(caught.value)
    assert "a.csv row 2" in said
    assert "b.jsonl:1" in said


def test_a_wrong_column_names_the_nearest_and_all(write, door):
    with pytest.raises(DataError) as caught:
        door(write("a.csv", "txt,lable\na,b\n"), split={"group": "who"})
    said = [str(fault) for fault in caught.value.faults]
    assert said == [
        "options.text: there is no column 'text'. Did you mean 'txt'? Columns found: txt, lable. "
        "Name the right one with --set options.text=COLUMN.",
        "options.label: there is no column 'label'. Did you mean 'lable'? "
        "Name the right one with --set options.label=COLUMN.",
        "data.split.group: there is no column 'who'. "
        "Name the right one with --set data.split.group=COLUMN.",
    ]


def test_a_column_that_one_split_lacks_names_that_split(write, door, rows):
    source = {
        "train": str(write("a.csv", rows())),
        "test": str(write("b.csv", rows(3, "text,y"))),
    }
    with pytest.raises(DataError, match=r"there is no column 'label' in test\."):
        door(source)


def test_columns_asked_for_by_the_report_are_checked_too(write, rows):
    from toolkit.data import load_splits
    from toolkit.recipe.schema import DataSpec

    spec = DataSpec(source=str(write("a.csv", rows())))
    with pytest.raises(DataError, match=r"--set report\.slices=\[COLUMN, \.\.\.\]"):
        load_splits(spec, {}, 0, {"report.slices.0": "channel"})


def test_rows_that_cannot_be_used_are_counted(write, door, rows):
    table = rows(20) + ",l0\n  ,l1\nx,\ny,  \n,\nNone,l1\n"
    found = door(write("a.csv", table))
    assert found.skipped == {"train": {"no label": 3, "empty text": 2}}
    assert sum(len(part) for part in found.splits.values()) == 21


def test_rows_that_cannot_be_used_can_end_the_run(write, door, rows):
    with pytest.raises(DataError) as caught:
        door(write("a.csv", rows(20) + ",l0\nx,\n"), on_missing="error")
    assert [str(fault) for fault in caught.value.faults] == [
        "train rows 22: no label (1 rows in all)",
        "train rows 21: empty text (1 rows in all)",
    ]


@pytest.mark.parametrize("empty", [None, "", "  ", float("nan")])
def test_missing_values_are_missing_in_every_format(write, door, empty):
    good = [{"text": f"t{n}", "label": f"l{n % 2}"} for n in range(20)]
    found = door(write("a.jsonl", lines([*good, {"text": "x", "label": empty}])))
    assert found.skipped == {"train": {"no label": 1}}


@pytest.mark.parametrize("form", ["large_string", "string_view"])
def test_empty_texts_are_found_in_every_kind_of_text(tmp_path, door, form):
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = pa.array([f"t{n}" for n in range(20)] + ["", " "]).cast(getattr(pa, form)())
    pq.write_table(pa.table({"text": texts, "label": ["a", "b"] * 11}), tmp_path / "a.parquet")
    assert door(tmp_path / "a.parquet").skipped == {"train": {"empty text": 2}}


@pytest.mark.parametrize("content", ["text,label\na,\nb,\n", "text,label\n,a\n ,b\n"])
def test_train_without_any_usable_row_is_an_error(write, door, content):
    with pytest.raises(DataError, match=r"no row can be used: 2 with"):
        door(write("a.csv", content))


def test_an_unlabelled_test_split_is_left_out_and_made_anew(write, door, rows):
    source = {
        "train": str(write("a.csv", rows())),
        "test": str(write("b.csv", "text,label\na,\nb,\n")),
    }
    found = door(source)
    assert len(found.splits["test"]) == 4
    assert found.skipped == {"test": {"no label": 2}}
    assert found.notes[0] == "split 'test' has no usable row (2 skipped) and is left out"


def labelled(path, names, values):
    table = datasets.Dataset.from_dict({"text": [f"t{n}" for n in values], "label": values})
    table.cast_column("label", datasets.ClassLabel(names=names)).to_parquet(str(path))
    return str(path)


def test_unlabelled_rows_of_a_class_label_are_set_aside(tmp_path, door):
    found = door(labelled(tmp_path / "a.parquet", ["neg", "pos"], [0, 1] * 10 + [-1, -1, -1]))
    assert found.skipped == {"train": {"no label": 3}}


def test_class_labels_must_mean_the_same_in_every_split(tmp_path, write, door):
    train = labelled(tmp_path / "train.parquet", ["neg", "pos"], [0, 1] * 6)
    other = labelled(tmp_path / "other.parquet", ["pos", "neg"], [0, 1] * 6)
    text = str(write("b.csv", "text,label\na,pos\n"))
    with pytest.raises(DataError) as caught:
        door({"train": train, "validation": text, "test": other})
    assert [str(fault) for fault in caught.value.faults] == [
        "validation: 'label' has no class names, in train the classes neg, pos",
        "test: 'label' has the classes pos, neg, in train the classes neg, pos",
    ]
    with pytest.raises(DataError, match="has the classes pos, neg, in train.parquet"):
        door([train, other])


def test_a_label_column_of_mixed_types_is_taken_as_text(write, door):
    from toolkit.data import ClassLabels

    good = [{"text": f"t{n}", "label": f"l{n % 2}"} for n in range(20)]
    mixed = [{"text": "a", "label": 7}, {"text": "b", "label": True}, {"text": "c", "label": " "}]
    found = door(write("a.jsonl", lines(good + mixed * 3)), split={"stratify": True})
    assert found.skipped == {"train": {"no label": 3}}
    names = ClassLabels.of(found.splits["train"], "label").names
    assert names == ("7", "True", "l0", "l1")


def test_a_file_that_quotes_nothing_is_read_when_the_recipe_says_so(write, door):
    path = write("a.tsv", "text\tlabel\n" + "".join(f'"open {n}\tl{n % 2}\n' for n in range(10)))
    with pytest.raises(DataError, match=r"data\.quote=null"):
        door(path)
    assert door(path, quote=None).splits["train"]["text"][0].startswith('"open')


def test_renamed_columns_are_text_from_the_start(write, door):
    path = write("a.csv", "body,code\n" + "".join(f"t{n},00{n % 2}\n" for n in range(10)))
    found = door(path, rename={"body": "text", "code": "label", "absent": "x"})
    assert set(found.splits["train"]["label"]) == {"000", "001"}


def test_the_fingerprint_follows_contents_and_the_way_of_splitting(write, door, rows):
    path = write("a.csv", rows())
    first = door(path).fingerprint
    assert first == door(write("b.csv", rows())).fingerprint
    assert len({first, door(path, seed=1).fingerprint, door(path, on_missing="error").fingerprint,
                door(path, split={"test": 3}).fingerprint,
                door(write("c.csv", rows(21))).fingerprint}) == 5  # fmt: skip


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("hub:owner/name", "cannot be loaded from the Hub or the local cache"),
        ("hub:owner/name:config@main", "Without a network, give local files with --data FILE"),
        ("hub:not an id", r"write hub:owner/name\[:config\]\[@revision\]"),
        ("hub:", r"write hub:owner/name"),
    ],
)
def test_the_hub_without_a_network(door, source, what):
    with pytest.raises(DataError, match=what):
        door(source)


def hub_folder(tmp_path, monkeypatch, **splits):
    """`datasets` takes a folder in the working folder for a name of the Hub."""
    for name, text in splits.items():
        path = tmp_path / "owner" / "name" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)


def test_splits_of_the_hub(tmp_path, monkeypatch, door, rows):
    hub_folder(tmp_path, monkeypatch, train=rows(10), validation=rows(3), test=rows(4))
    found = door("hub:owner/name")
    assert [len(part) for part in found.splits.values()] == [10, 3, 4]
    assert found.overlap["train-test"]["exact"] == 4


def test_columns_without_a_target_need_no_label(write, door):
    columns = {"text": ("text", Column("input", "text"))}
    found = door(write("a.csv", "text\n" + "".join(f"t{n}\n" for n in range(10))), columns)
    assert len(found.splits["train"]) == 7


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_splits_may_differ_in_what_is_not_used(write, door, form):
    rows = {
        "train": [{"text": f"a {n}", "label": "xy"[n % 2], "id": n, "when": "2024-01-05", "only": 1,
                   "part": n, "deep": [1]} for n in range(8)],
        "test": [{"text": f"b {n}", "label": "xy"[n % 2], "id": f"T{n}", "when": "soon",
                  "part": n / 2, "deep": {"k": 1}} for n in range(4)],
    }  # fmt: skip
    folder = None
    for name, part in rows.items():
        if form == "csv":
            names = [k for k in part[0] if k != "deep"]
            body = "".join(",".join(str(row[k]) for k in names) + "\n" for row in part)
            text = ",".join(names) + "\n" + body
        else:
            text = lines(part)
        folder = write(f"d/{name}.{form}", text).parent
    found = door(folder)
    train, test = found.splits["train"], found.splits["test"]
    assert train.features == test.features
    assert set(train["id"]) <= {str(n) for n in range(8)}
    assert test["id"][:2] == ["T0", "T1"]
    assert test["when"][0] == "soon"
    assert "column 'only' is not used: only train has it" in found.notes
    if form == "jsonl":
        assert any(note.startswith("column 'deep' is not used") for note in found.notes)
        assert test["part"][1] == 0.5


def test_a_column_that_is_used_must_fit(write, door):
    folder = write("d/train.jsonl", lines([{"text": "a", "label": "xy"[n % 2]} for n in range(8)]))
    write("d/test.jsonl", lines([{"text": {"deep": 1}, "label": "x"}] * 4))
    with pytest.raises(DataError, match="a text is expected"):
        door(folder.parent)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_split_without_labels_is_left_out_and_told(write, door, form):
    parts = {"train": [0, 1] * 20, "test": [-1] * 8}
    for name, labels in parts.items():
        rows = [{"text": f"{name} {n}", "label": label} for n, label in enumerate(labels)]
        body = "text,label\n" + "".join(f"{r['text']},{r['label']}\n" for r in rows)
        folder = write(f"d/{name}.{form}", body if form == "csv" else lines(rows)).parent
    found = door(folder)
    assert "split 'test' has no labels (all are -1) and is left out" in found.notes
    assert sum(map(len, found.splits.values())) == 40
