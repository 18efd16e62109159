"""Folders of images and masks in the layouts that people have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mask_files import ids, photo, save
from toolkit_plugins.vision.masks import read

from toolkit.errors import DataError

SHARED = Path(__file__).parents[4].parent / "shared" / "data"


def make(root, *files):
    """Write photos, and masks in folders of that name."""
    for name in files:
        (save(root / name, ids(0, 1)) if "masks/" in name else photo(root / name))
    return root


def pairs(root, **kwargs):
    """Return split -> the pairs of names below a root."""
    found = read(str(root), True, "image", "mask", **kwargs)
    return {
        split: [tuple(str(Path(path).relative_to(root)) for path in pair)
                for pair in zip(rows["image"], rows["mask"], strict=True)]
        for split, rows in found.splits.items()
    }  # fmt: skip


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/a.jpg", "masks/a.png"),
        ("img/a.jpg", "label/a.png"),
        ("imgs/a.png", "annotations/a_mask.png"),
        ("images/a.png", "gt/a-mask.npy"),
        ("images/a_image.jpg", "segmentations/a_segmentation.tif"),
        ("images/a.png", "labels/a_L.png"),
        ("JPEGImages/a.jpg", "SegmentationClass/a.png"),
        ("images/a.jpg", "annotations/trimaps/a.png"),
        ("a.jpg", "a_mask.png"),
        ("a.png", "a_seg.png"),
        ("a.png", "mask_a.png"),
        ("a_sat.jpg", "a_mask.png"),
        ("a.jpg", "a.png"),
        ("a.jpg", "masks/a.png"),
        ("Training_Images/a.jpg", "Ground_Truth/a.png"),
        ("images/a.png", "labels/a_P.png"),
        ("TrainImages/a.png", "SegmentationClassAug/a.png"),
        ("images/a.jpg", "masks/a.jpg.png"),
        ("images/a.jpg", "masks/a.jpg_mask.png"),
        ("a.jpg", "a.jpg.png"),
        ("images/img_a.jpg", "masks/mask_a.png"),
        ("image_a.jpg", "mask_a.png"),
    ],
)
def test_pairs_by_folders_and_names(tmp_path, image, mask):
    second = [re.sub(r"(^|/|mask_|img_|image_)a(?=[._-])", r"\1b", name) for name in (image, mask)]
    save(tmp_path / mask, ids(0, 1))
    save(tmp_path / second[1], ids(0, 1))
    photo(tmp_path / image)
    photo(tmp_path / second[0])
    assert pairs(tmp_path) == {"train": [(image, mask), tuple(second)]}


@pytest.mark.parametrize(
    "names",
    [
        ["train/images/a.jpg", "train/masks/a.png", "val/images/a.jpg", "val/masks/a.png"],
        ["images/train/a.jpg", "masks/train/a.png", "images/val/a.jpg", "masks/val/a.png"],
        ["train/a.jpg", "train_labels/a.png", "val/a.jpg", "val_labels/a.png"],
        ["train/a.jpg", "trainannot/a.png", "val/a.jpg", "valannot/a.png"],
        ["train/a.jpg", "train/a_mask.png", "val/a.jpg", "val/a_mask.png"],
        ["leftImg8bit/train/x/a_leftImg8bit.png", "gtFine/train/x/a_gtFine_labelIds.png",
         "leftImg8bit/val/x/a_leftImg8bit.png", "gtFine/val/x/a_gtFine_labelIds.png"],
    ],
)  # fmt: skip
def test_splits_by_folders(tmp_path, names):
    for name in names[0::2]:
        photo(tmp_path / name)
    for name in names[1::2]:
        save(tmp_path / name, ids(0, 1))
    first, second = tuple(names[:2]), tuple(names[2:])
    assert pairs(tmp_path) == {"train": [first], "validation": [second]}


def test_masks_without_a_split_are_those_of_train(tmp_path):
    make(tmp_path, "Train_Images/a.jpg", "Train_Images/b.jpg", "Test_Images/a.jpg", "masks/a.png",
         "masks/b.png")  # fmt: skip
    found = read(str(tmp_path), True, "image", "mask")
    assert {split: len(rows) for split, rows in found.splits.items()} == {"train": 2}
    assert "test: 1 image without a mask, skipped: a.jpg" in " ".join(found.notes)


def test_splits_of_images_alone(tmp_path):
    make(tmp_path, "images/train/a.jpg", "images/val/b.jpg", "masks/a.png", "masks/b.png")
    assert {split: len(rows) for split, rows in pairs(tmp_path).items()} == {
        "train": 1,
        "validation": 1,
    }


def test_splits_by_a_map_of_folders(tmp_path):
    make(tmp_path, "a/images/x.jpg", "a/masks/x.png", "b/images/y.jpg", "b/masks/y.png")
    found = read({"train": str(tmp_path / "a"), "test": str(tmp_path / "b")}, True, "image", "mask")
    assert {split: len(rows) for split, rows in found.splits.items()} == {"train": 1, "test": 1}


def test_lists_of_pascal_voc(tmp_path):
    for name in "abcde":
        photo(tmp_path / f"JPEGImages/{name}.jpg")
    for name in "abc":
        save(tmp_path / f"SegmentationClass/{name}.png", ids(0, 1))
        save(tmp_path / f"SegmentationObject/{name}.png", ids(0, 1))
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nb\n")
    (lists / "val.txt").write_text("c\n")
    found = pairs(tmp_path)
    assert {split: len(rows) for split, rows in found.items()} == {"train": 2, "validation": 1}
    assert found["validation"] == [("JPEGImages/c.jpg", "SegmentationClass/c.png")]
    (lists / "train.txt").unlink()
    (lists / "trainval.txt").write_text("a\nb\nc\n")
    assert {split: len(rows) for split, rows in pairs(tmp_path).items()} == {
        "train": 2,
        "validation": 1,
    }


def test_the_very_name_goes_before_one_with_an_end(tmp_path):
    for name in ("a", "a_l"):
        photo(tmp_path / f"images/{name}.jpg")
        save(tmp_path / f"masks/{name}.png", ids(0, 1))
    assert pairs(tmp_path)["train"] == [
        ("images/a.jpg", "masks/a.png"), ("images/a_l.jpg", "masks/a_l.png")
    ]  # fmt: skip


def test_what_has_no_partner_is_counted_and_named(tmp_path):
    make(tmp_path, *(f"images/{n}.jpg" for n in range(5)), *(f"masks/{n}.png" for n in range(1, 6)))
    found = read(str(tmp_path), True, "image", "mask")
    told = " ".join(found.notes)
    assert len(found.splits["train"]) == 4
    assert "1 image without a mask, skipped: 0.jpg" in told
    assert "1 mask without an image, skipped: 5.png" in told


def test_most_without_a_partner_is_refused(tmp_path):
    make(tmp_path, "images/a.jpg", "images/b.jpg", "images/c.jpg", "masks/a.png", "masks/other.png")
    with pytest.raises(DataError, match=r"2 of 3 images have no mask.*b\.jpg"):
        read(str(tmp_path), True, "image", "mask")


def test_no_name_in_common_is_refused(tmp_path):
    make(tmp_path, "images/a.jpg", "masks/other.png")
    with pytest.raises(DataError, match=r"masks are called as their images.*not other\.png"):
        read(str(tmp_path), True, "image", "mask")


def test_several_masks_of_an_image_are_refused(tmp_path):
    make(tmp_path, "images/a.jpg", "masks/a.png", "masks/a.npy", "images/b.jpg", "masks/b.png")
    with pytest.raises(
        DataError, match="'a' is the name of images a.jpg and of masks a.npy, a.png"
    ):
        read(str(tmp_path), True, "image", "mask")


def test_a_split_without_masks_is_left_out(tmp_path):
    make(
        tmp_path,
        "train/images/a.jpg",
        "train/masks/a.png",
        "test/images/b.jpg",
        "test/images/c.jpg",
    )
    found = read(str(tmp_path), True, "image", "mask")
    assert list(found.splits) == ["train"]
    assert "test: 2 images without a mask, skipped" in " ".join(found.notes)


@pytest.mark.parametrize("labelled", [True, False])
def test_what_is_left_to_others(tmp_path, labelled):
    make(tmp_path / "plain", "a.jpg", "b.jpg", "c/d.jpg")
    make(tmp_path / "table", "images/a.jpg", "masks/a.png")
    (tmp_path / "table/metadata.jsonl").write_text("{}")
    (tmp_path / "rows.csv").write_text("image,mask\n")
    for source in ("plain", "table", "rows.csv", "nothing"):
        assert read(str(tmp_path / source), labelled, "image", "mask") is None
    assert read([str(tmp_path / "rows.csv")], labelled, "image", "mask") is None


def test_to_predict_masks_are_left_out(tmp_path):
    make(tmp_path, "images/a.jpg", "masks/a.png", "images/b.jpg", "images/c.jpg", "masks/c.png")
    make(tmp_path, "masks/c.npy")  # no image is left out
    found = read(str(tmp_path), False, "photo", "mask")
    rows = found.splits["train"]
    assert rows.column_names == ["photo"]
    assert [Path(path).name for path in rows["photo"]] == ["a.jpg", "b.jpg", "c.jpg"]


def test_to_predict_names_of_photos_alone_leave_none_out(tmp_path):
    for name in ("a.jpg", "a_l.jpg", "a_m.jpg", "target/b.jpg", "target/a_p.jpg"):
        photo(tmp_path / name)
    assert read(str(tmp_path), False, "image", "mask") is None


def test_a_start_of_images_counts_where_nothing_else_fits(tmp_path):
    for name in ("a", "img_a", "img_b", "image_c", "img_c", "d", "e"):
        photo(tmp_path / f"images/{name}.jpg")
    for name in ("a", "img_a_mask", "mask_b", "mask_c", "d", "e"):
        save(tmp_path / f"masks/{name}.png", ids(0, 1))
    found = [(Path(image).stem, Path(mask).stem) for image, mask in pairs(tmp_path)["train"]]
    assert sorted(found) == [
        ("a", "a"), ("d", "d"), ("e", "e"), ("img_a", "img_a_mask"), ("img_b", "mask_b"),
    ]  # fmt: skip


def test_legends_count_as_data(tmp_path):
    make(tmp_path, "images/a.jpg", "masks/a.png")
    (tmp_path / "classes.json").write_text('["a", "b"]')
    assert read(str(tmp_path), True, "image", "mask").files == [tmp_path / "classes.json"]


@pytest.mark.parametrize(
    ("name", "counts", "classes"),
    [
        ("camvid_small", {"train": 120, "validation": 30, "test": 60},
         ("sky", "building", "pole", "road", "pavement", "tree", "sign_symbol", "fence", "car",
          "pedestrian", "bicyclist")),
        ("isbi_em_membrane", {"train": 30}, ("background", "foreground")),
    ],
)  # fmt: skip
def test_real_data(name, counts, classes):
    from mask_files import MaskOptions
    from toolkit_plugins.vision.masks import reshaped

    if not (SHARED / name).is_dir():
        pytest.skip(f"{SHARED / name} is not there")
    found = read(str(SHARED / name), True, "image", "mask")
    assert {split: len(rows) for split, rows in found.splits.items()} == counts
    made, known = reshaped(found.splits["train"].select(range(12)), "train", MaskOptions())
    assert known.names == classes
    assert known.ignored == ((255,) if len(classes) > 2 else ())
    assert not made.dropped
