"""Rows that are files: in folders, named beside a table, or held; by a scenario of any files."""

from __future__ import annotations

import json

import datasets
import pytest

from toolkit.data import load_splits, media
from toolkit.errors import DataError
from toolkit.plugin import Plugin
from toolkit.plugin_types import Column, NoOptions, RowInspection
from toolkit.recipe.schema import DataSpec

COLUMNS = {
    "sound": ("sound", Column("input", "text", files=(".wav", ".mp3"))),
    "label": ("label", Column("target", "text")),
}
HALF = {"test": 0.25, "validation": 0.25}


@pytest.fixture
def sounds(door):
    return lambda source, **spec: door(source, COLUMNS, **{"split": HALF, **spec})


@pytest.fixture
def classes(write):
    """Eight files in each of two folders."""

    def made(root="d"):
        for label in ("cat", "dog"):
            for number in range(8):
                write(f"{root}/{label}/{number}.wav", f"{root} {label} {number}".encode())
        return write(f"{root}/readme.md", "about").parent

    return made


def names(split):
    return [value["path"].rsplit("/", 2)[1:] for value in split["sound"]]


def test_a_folder_a_class(sounds, classes, write):
    root = classes()
    write("d/cat/deeper/9.MP3", b"nine")
    write("d/cat/notes.txt", b"no sound")
    write("d/dog/.hidden.wav", b"no row")
    found = sounds(root)
    assert sum(map(len, found.splits.values())) == 17
    for split in found.splits.values():
        assert split.column_names == ["sound", "label"]
        for value, label in zip(split["sound"], split["label"], strict=True):
            assert f"/{label}/" in value["path"]
            assert value["bytes"] is None
    assert "1 files skipped, which are none of .wav, .mp3" in found.notes[0]


def test_folders_of_splits_and_a_map_of_folders(sounds, classes):
    parts = {name: classes(f"all/{name}") for name in ("train", "val", "test")}
    root = parts["train"].parent
    (root / "papers").mkdir()
    found = sounds(root)
    assert {name: len(part) for name, part in found.splits.items()} == {
        "train": 16, "validation": 16, "test": 16,
    }  # fmt: skip
    assert "skipped papers" in " ".join(found.notes)
    mapped = sounds({name: str(path) for name, path in parts.items()})
    assert names(mapped.splits["test"]) == names(found.splits["test"])
    assert mapped.fingerprint == found.fingerprint


def test_classes_may_be_called_as_splits_are(sounds, classes, write):
    root = classes()
    write("d/test/1.wav", b"a class of tests")
    write("d/test/2.wav", b"another one")
    found = sounds(root)
    assert set(found.splits["train"]["label"]) == {"cat", "dog", "test"}


@pytest.mark.parametrize("form", ["csv", "jsonl", "absolute"])
def test_tables_name_files_beside_them(sounds, classes, write, form):
    root = classes()
    rows = [
        {"label": label, "sound": f"{label}/{n}.wav", "who": n}
        for label in ("cat", "dog") for n in range(8)
    ]  # fmt: skip
    if form == "absolute":
        rows = [{**row, "sound": str(root / row["sound"])} for row in rows]
    if form == "jsonl":
        table = write("d/rows.jsonl", "\n".join(map(json.dumps, rows)))
    else:
        lines = [f"{row['label']},{row['sound']},{row['who']}" for row in rows]
        table = write("d/rows.csv", "\n".join(["label,sound,who", *lines]))
    found = sounds(table)
    assert sum(map(len, found.splits.values())) == 16
    assert found.splits["train"].column_names == ["label", "sound", "who"]
    value = found.splits["train"][0]["sound"]
    assert value["path"].startswith(str(root))
    assert sounds(root).splits["train"][0]["sound"]["digest"] is not None


def test_missing_files_are_told_at_once(sounds, classes, write):
    classes()
    rows = ["cat/0.wav,x", "cat/O.wav,x", "no/1.wav,y", *(f"cat/{n}x.wav,y" for n in range(20))]
    table = write("d/rows.csv", "\n".join(["sound,label", *rows]))
    with pytest.raises(DataError) as caught:
        sounds(table)
    text = str(caught.value)
    assert "row 2: there is no file 'cat/O.wav'. Did you mean '" in text
    assert "row 3: there is no file 'no/1.wav'" in text
    assert "12 more files are missing" in text


@pytest.mark.parametrize(
    ("values", "what"),
    [([1, 2, 3, 4], "holds int64"), ([[1.0], [2.0], [3.0], [4.0]], "holds"),
     ([{"a": 1}] * 4, "holds objects (a)")],
)  # fmt: skip
def test_other_columns_are_no_files(sounds, write, values, what):
    rows = [{"sound": value, "label": "x"} for value in values]
    with pytest.raises(DataError) as caught:
        sounds(write("a.jsonl", "\n".join(map(json.dumps, rows))))
    assert f"'sound' {what}" in str(caught.value)
    assert "files are expected, as paths or as their bytes" in str(caught.value)


@pytest.mark.parametrize(
    ("files", "what"),
    [
        (["d/1.wav", "d/2.wav"], "2 files side by side: put those of one class into one folder"),
        (["d/cat/1.txt"], "no folder a class with files in it"),
        (["d/test/cat/1.wav"], "has folders for test but none for train"),
    ],
)
def test_folders_without_classes(sounds, write, tmp_path, files, what):
    for name in files:
        write(name, b"x")
    with pytest.raises(DataError, match=what):
        sounds(tmp_path / "d")


def test_contents_count_and_not_names(sounds, classes, write):
    root = classes()
    before = sounds(root)
    write("d/dog/0.wav", b"d cat 0")  # the same as a cat
    after = sounds(root)
    assert after.fingerprint != before.fingerprint
    assert sum(kinds["exact"] for kinds in after.duplicates.values()) + sum(
        kinds["exact"] for kinds in after.overlap.values()
    )
    assert not any(kinds["exact"] for kinds in before.overlap.values())


def test_files_that_tables_hold(sounds, tmp_path):
    values = [{"bytes": f"{n}".encode(), "path": None} for n in range(8)]
    plain = [value["bytes"] for value in values]
    for name, column in (("struct", values), ("plain", plain)):
        rows = datasets.Dataset.from_dict({"sound": column, "label": ["a", "b"] * 4})
        rows.to_parquet(str(tmp_path / f"{name}.parquet"))
        found = sounds(tmp_path / f"{name}.parquet")
        assert found.overlap["train-test"] == {"exact": 0, "normalised": 0, "near": None}
        assert sum(map(len, found.splits.values())) == 8


def inspecting(look):
    """A plugin that inspects rows so."""

    class Inspecting(Plugin[NoOptions]):
        def inspect_rows(self, rows, split):
            return look(rows, split)

        def load_model(self):
            raise AssertionError

    return Inspecting()


def test_rows_that_a_scenario_cannot_use_are_set_aside_and_likeness_compared(classes):
    spec = DataSpec(source=str(classes()), split=HALF)

    def examine(rows, split):
        assert split == "train"
        ends = [value["path"][-5:] for value in rows["sound"]]
        broken = [place for place, end in enumerate(ends) if end == "0.wav"]
        return RowInspection({"out of tune": broken}, likeness=ends)

    found = load_splits(spec, COLUMNS, 0, plugin=inspecting(examine))
    assert found.skipped == {"train": {"out of tune": 2}}
    assert sum(map(len, found.splits.values())) == 14
    assert found.splits["train"].column_names == ["sound", "label"]
    # A cat's and a dog's file of one number are alike: each is in one split with the other or not.
    alike = [kinds["normalised"] for kinds in [*found.duplicates.values(), *found.overlap.values()]]
    assert sum(alike) == 7


def test_what_a_scenario_calls_fatal_ends_the_run(classes):
    from toolkit.errors import Fault

    spec = DataSpec(source=str(classes()), split=HALF)
    fatal = inspecting(lambda rows, _: RowInspection(fatal=[Fault("a.wav", "is silent")]))
    with pytest.raises(DataError, match="a.wav: is silent"):
        load_splits(spec, COLUMNS, 0, plugin=fatal)


def placed(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


@pytest.mark.parametrize("names", [("train_set", "test_set"), ("seg_train", "seg_test"),
                                   ("training_data", "testing_data")])  # fmt: skip
@pytest.mark.parametrize("again", [False, True])
def test_folders_whose_names_hold_a_split_are_splits(tmp_path, names, again):
    inner = [f"{name}/{name}" if again else name for name in names]
    placed(tmp_path, *(f"{top}/{kind}/{n}.jpg" for top in inner for kind in "ab" for n in range(3)))
    found, _ = media.folder_of_files(str(tmp_path), (".jpg",), "image", "label")
    assert {split: sorted(set(rows["label"])) for split, rows in found.items()} == {
        "train": ["a", "b"], "test": ["a", "b"]
    }  # fmt: skip


def test_a_class_may_have_a_word_of_a_split_in_its_name(tmp_path):
    placed(tmp_path, "test tube/deep/1.jpg", "flask/2.jpg", "burner/deep/3.jpg")
    found, _ = media.folder_of_files(str(tmp_path), (".jpg",), "image", "label")
    assert sorted(found["train"]["label"]) == ["burner", "flask", "test tube"]


def test_hidden_folders_are_left_out_and_linked_ones_followed(tmp_path):
    root = placed(tmp_path / "p", "a/1.jpg", "b/2.jpg", "a/.ipynb_checkpoints/1-checkpoint.jpg",
                  ".ipynb_checkpoints/3.jpg", "b/.4.jpg")  # fmt: skip
    placed(tmp_path / "elsewhere", "5.jpg")
    (root / "a" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "circle").symlink_to(root / "a")
    found, _ = media.folder_of_files(str(root), (".jpg",), "image", "label")
    names = [cell["path"].rpartition("/")[2] for cell in found["train"]["image"]]
    assert sorted(names) == ["1.jpg", "2.jpg", "5.jpg"]
    below = media.files_below(root, (".jpg",), "image")
    assert len(below) == 3


def test_class_folders_without_a_picture_are_named(tmp_path):
    root = placed(tmp_path, "a/1.jpg", "b/2.jpg", "fox/3.heic")
    (root / "empty").mkdir()
    _, notes = media.folder_of_files(str(root), (".jpg",), "image", "label")
    assert f"{root}: no class, as they hold no such file: empty, fox" in notes


def test_paths_written_on_windows_are_told_as_such(tmp_path):
    placed(tmp_path, "photos/a/1.jpg")
    rows = datasets.Dataset.from_dict({"image": [r"photos\a\1.jpg"]})
    _, (fault,) = media.as_files(rows, "image", tmp_path, "list.csv")
    assert str(fault).startswith("list.csv row 1: 'photos\\\\a\\\\1.jpg' is written as on Windows")
