"""Rows with masks: sizes, EXIF, broken files, other splits, rows in the form already."""

from __future__ import annotations

import io
import os

import datasets
import numpy as np
import pytest
from mask_files import HEIGHT, WIDTH, MaskOptions, ids, photo, rows_of, save, tree
from PIL import Image
from toolkit_plugins.vision.masks import reshaped

from toolkit.errors import DataError

SKIP = MaskOptions(on_corrupt="skip")


def masks_of(made):
    return [
        None if cell is None else np.asarray(Image.open(io.BytesIO(cell["bytes"])))
        for cell in made.rows["mask"]
    ]


def test_masks_of_another_size_are_resized_or_left_out(tmp_path):
    root = tree(tmp_path, {f"{n}.png": ids(0, 1) for n in range(4)})
    save(root / "masks/0.png", ids(0, 1, width=WIDTH * 2, height=HEIGHT * 2 + 1))
    save(root / "masks/1.png", ids(0, 1, width=HEIGHT, height=WIDTH))
    made, _ = reshaped(rows_of(root), "train", MaskOptions())
    assert made.dropped == {"a mask of another shape than its image": 1}
    assert len(made.rows) == 3
    assert [mask.shape for mask in masks_of(made)] == [(HEIGHT, WIDTH)] * 3
    assert np.array_equal(masks_of(made)[0], ids(0, 1))
    told = " ".join(made.notes)
    assert "1 of 3 masks have another size" in told
    assert "1.png" in told


def test_most_masks_of_another_shape_are_no_masks_of_these_images(tmp_path):
    root = tree(tmp_path, {f"{n}.png": ids(0, 1, width=9, height=30) for n in range(3)})
    with pytest.raises(DataError, match="3 of 3 rows have a mask of another shape"):
        reshaped(rows_of(root), "train", MaskOptions())


@pytest.mark.parametrize("turn", [6, 8, 5, 7])
def test_masks_that_lie_as_the_camera_stored_the_image_are_turned(tmp_path, turn):
    photo(tmp_path / "images/a.jpg", turn=turn)
    photo(tmp_path / "images/b.jpg", turn=3)  # fits both ways: as the other one
    for name in "ab":
        save(tmp_path / f"masks/{name}.png", ids(0, 1, 2))
    made, _ = reshaped(rows_of(tmp_path), "train", MaskOptions())
    for name, mask in zip("ab", masks_of(made), strict=True):
        with Image.open(tmp_path / f"images/{name}.jpg") as image:
            stored = Image.fromarray(ids(0, 1, 2).astype(np.uint8))
            stored.getexif()[0x0112] = image.getexif()[0x0112]
        file = io.BytesIO()
        stored.save(file, "png", exif=stored.getexif())
        from PIL import ImageOps

        assert np.array_equal(mask, np.asarray(ImageOps.exif_transpose(Image.open(file))))
    assert "turned as EXIF says" in " ".join(made.notes)


def test_masks_of_turned_images_that_are_upright_stay(tmp_path):
    photo(tmp_path / "images/a.jpg", turn=6)
    upright = ids(0, 1, 2, width=HEIGHT, height=WIDTH)
    save(tmp_path / "masks/a.png", upright)
    made, _ = reshaped(rows_of(tmp_path), "train", MaskOptions())
    assert np.array_equal(masks_of(made)[0], upright)


def test_broken_masks_end_the_run_or_are_left_out(tmp_path):
    root = tree(tmp_path, {f"{n}.png": ids(0, 1) for n in range(5)})
    (root / "masks/1.png").write_bytes(b"no image")
    whole = (root / "masks/2.png").read_bytes()
    (root / "masks/2.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="on_corrupt") as raised:
        reshaped(rows_of(root), "train", MaskOptions())
    assert {os.path.basename(fault.where) for fault in raised.value.faults} >= {"1.png", "2.png"}
    made, _ = reshaped(rows_of(root), "train", SKIP)
    assert made.dropped == {"a mask that cannot be read": 2}
    assert [os.path.basename(path) for path in made.rows["image"]] == ["0.jpg", "3.jpg", "4.jpg"]


@pytest.mark.parametrize("values", [np.zeros((2, 3, 4)), np.array(["a"]), np.array([[np.nan]])])
def test_arrays_that_are_no_masks(tmp_path, values):
    root = tree(tmp_path, {"a.npy": values})
    with pytest.raises(DataError, match=r"a\.npy"):
        reshaped(rows_of(root), "train", MaskOptions())


def test_arrays_of_objects_are_never_unpickled(tmp_path):
    root = tree(tmp_path, {"a.npy": ids(0, 1)})
    np.save(root / "masks/a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(DataError, match=r"a\.npy"):
        reshaped(rows_of(root), "train", MaskOptions())


def test_other_splits_are_read_as_train_is(tmp_path):
    _, known = reshaped(
        rows_of(tree(tmp_path / "a", {"a.png": ids(0, 7, 8)})), "train", MaskOptions()
    )
    other = rows_of(tree(tmp_path / "b", {"a.png": ids(0, 8)}))
    made, again = reshaped(other, "test", MaskOptions(), known)
    assert again is known
    assert np.array_equal(masks_of(made)[0], ids(0, 2))
    with pytest.raises(DataError, match="is no class: 9 .as in .*a.png.*Known: 0, 7, 8"):
        reshaped(rows_of(tree(tmp_path / "c", {"a.png": ids(0, 9)})), "test", MaskOptions(), known)


def test_a_few_pixels_of_unknown_values_are_ignored_and_told(tmp_path):
    _, known = reshaped(rows_of(tree(tmp_path / "a", {"a.png": ids(0, 7)})), "train", MaskOptions())
    values = ids(0, 7, width=WIDTH * 4, height=HEIGHT * 4)
    values[0, 0] = 3
    made, _ = reshaped(
        rows_of(tree(tmp_path / "b", {"a.png": values})), "test", MaskOptions(), known
    )
    assert "0.016% of the pixels have a value of no class (3)" in " ".join(made.notes)
    clean, _ = reshaped(
        rows_of(tree(tmp_path / "c", {"a.png": values * 0})), "test", MaskOptions(), known
    )
    assert not masks_of(clean)[0].any()


def test_a_foreground_of_255_where_train_ignores_255(tmp_path):
    rows = rows_of(tree(tmp_path / "a", {"a.png": ids(0, 1, 255)}))
    _, known = reshaped(rows, "train", MaskOptions())
    other = rows_of(tree(tmp_path / "b", {"a.png": ids(0, 255)}))
    with pytest.raises(DataError, match="no foreground but 50.0% of their pixels are ignored"):
        reshaped(other, "test", MaskOptions(), known)


def test_masks_of_0_and_1_where_train_has_blurred_greys(tmp_path):
    root = tree(tmp_path / "a", {"a.jpg": ids(0, 255)})
    _, known = reshaped(rows_of(root), "train", MaskOptions())
    assert known.threshold is not None
    other = rows_of(tree(tmp_path / "b", {"a.png": ids(0, 1)}))
    with pytest.raises(DataError, match="no value near the grey of foreground.* are they 0 and 1"):
        reshaped(other, "test", MaskOptions(), known)
    empty = rows_of(tree(tmp_path / "c", {"a.png": ids(0)}))
    made, _ = reshaped(empty, "test", MaskOptions(), known)
    assert not masks_of(made)[0].any()


def test_fractions_of_0_and_1_alone_are_read_as_those_of_train(tmp_path):
    soft = tree(tmp_path / "a", {"a.npy": ids(0, 1) * 0.9})
    _, known = reshaped(rows_of(soft), "train", MaskOptions())
    other = rows_of(tree(tmp_path / "b", {"a.npy": ids(0, 1) * 1.0}))
    made, _ = reshaped(other, "test", MaskOptions(), known)
    assert np.array_equal(masks_of(made)[0], ids(0, 1))


def test_masks_in_colours_where_train_has_numbers(tmp_path):
    _, known = reshaped(rows_of(tree(tmp_path / "a", {"a.png": ids(0, 1)})), "train", MaskOptions())
    colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colours[:, :5] = (9, 0, 0)
    with pytest.raises(DataError, match="masks are in colours"):
        reshaped(rows_of(tree(tmp_path / "b", {"a.png": colours})), "test", MaskOptions(), known)


def test_rows_in_the_form_come_back_as_they_are(tmp_path):
    made, known = reshaped(rows_of(tree(tmp_path, {"a.png": ids(0, 255)})), "train", MaskOptions())
    again, same = reshaped(made.rows, "test", MaskOptions(), known)
    assert again.rows is made.rows
    assert same == known
    alone, found = reshaped(made.rows, "train", MaskOptions())
    assert alone.rows is made.rows
    assert found.names == known.names
    _, renamed = reshaped(made.rows, "train", MaskOptions(classes=["rest", "cell"]))
    assert renamed.names == ("rest", "cell")
    assert reshaped(made.rows, "test", MaskOptions(), renamed)[1] == renamed
    numbered = MaskOptions(classes={"cell": 1, "rest": 0})
    assert reshaped(made.rows, "train", numbered)[1].names == ("rest", "cell")
    for classes in (
        ["foreground", "background"],
        {"a": "#000000", "b": "#ffffff"},
        {"a": 0, "b": 7},
    ):
        with pytest.raises(DataError, match=r"options\.classes: .*masks have"):
            reshaped(made.rows, "train", MaskOptions(classes=classes))
    with pytest.raises(DataError, match="names 3 classes, but masks have 2"):
        reshaped(made.rows, "train", MaskOptions(classes=["a", "b", "c"]))


def test_canonical_masks_join_classes_by_their_numbers(tmp_path):
    made, _ = reshaped(rows_of(tree(tmp_path, {"a.png": ids(0, 1, 2)})), "train", MaskOptions())
    joined = MaskOptions(classes={"background": 0, "cell": "1-2"})
    again, known = reshaped(made.rows, "train", joined)
    assert known.names == ("background", "cell")
    assert np.array_equal(masks_of(again)[0], ids(0, 1, 1))
    assert "cell joins 1, 2" in " ".join(again.notes)
    assert reshaped(again.rows, "train", joined, known)[0].rows is again.rows
    for classes in ({"a": 0, "b": [1, 0]}, {"a": 0, "b": 1}, {"a": [0, 1, 2], "b": 2}):
        with pytest.raises(DataError, match="give each to one class"):
            reshaped(made.rows, "train", MaskOptions(classes=classes))


def test_other_columns_stay_and_rows_without_a_mask_keep_none(tmp_path):
    rows = rows_of(tree(tmp_path, {f"{n}.png": ids(0, 1) for n in range(3)}))
    paths = rows["mask"][:2]
    rows = rows.remove_columns("mask").add_column("mask", [*paths, None]).add_column("n", [1, 2, 3])
    made, _ = reshaped(rows, "train", MaskOptions())
    assert made.rows["n"][:] == [1, 2, 3]
    assert made.rows["mask"][2] is None
    assert made.rows["mask"][0]["path"] == paths[0]


def test_rows_to_predict_are_left_alone(tmp_path):
    rows = rows_of(tree(tmp_path, {"a.png": ids(0, 1)}))
    assert reshaped(rows, "predict", MaskOptions())[0].rows is rows
    bare = rows.remove_columns("mask")
    assert reshaped(bare, "train", MaskOptions())[0].rows is bare


def test_masks_given_as_bytes(tmp_path):
    root = tree(tmp_path, {"a.png": ids(0, 1, 2)})
    rows = datasets.Dataset.from_dict({
        "image": [{"bytes": (root / "images/a.jpg").read_bytes(), "path": None}],
        "mask": [{"bytes": (root / "masks/a.png").read_bytes(), "path": None}],
    })  # fmt: skip
    made, _ = reshaped(rows, "train", MaskOptions())
    assert np.array_equal(masks_of(made)[0], ids(0, 1, 2))
