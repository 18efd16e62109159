"""Objects with shapes are painted as masks."""

from __future__ import annotations

import io

import datasets
import numpy as np
import pytest
from faster_coco_eval.core import mask as coco
from image_rows import as_bytes
from mask_files import MaskOptions
from PIL import Image
from toolkit_plugins.vision.masks import KnownMasks, from_objects, reshaped

from toolkit.errors import DataError

SIZE = (12, 20)  # height, width


def thing(label, top, left, bottom, right, *, crowd=False, shape=True, size=SIZE):
    """An object that fills a rectangle."""
    pixels = np.zeros(size, np.uint8, order="F")
    pixels[top:bottom, left:right] = 1
    packed = coco.encode(np.asfortranarray(pixels))
    return {
        "box": [float(left), float(top), float(right), float(bottom)], "label": label,
        "crowd": crowd, "area": float(pixels.sum()),
        "shape": {"size": list(size), "counts": packed["counts"].decode()} if shape else None,
    }  # fmt: skip


def rows(*objects, turn=1, size=SIZE):
    """Rows of an image with objects each."""
    image = Image.new("RGB", size[::-1])
    exif = image.getexif()
    exif[0x0112] = turn
    cell = {"bytes": as_bytes(image, "jpeg", exif=exif), "path": None}
    return datasets.Dataset.from_list([{"image": cell, "objects": list(own)} for own in objects])


def painted(given, **options):
    made = from_objects(given, "image", "objects", "mask", **options)
    masks = [np.asarray(Image.open(io.BytesIO(cell["bytes"]))) for cell in made.rows["mask"]]
    return masks, made


def test_smaller_objects_lie_over_larger_ones_and_crowds_are_ignored():
    objects = [
        thing("cat", 2, 2, 5, 5), thing("dog", 0, 0, 12, 10),
        thing("dog", 4, 0, 12, 20, crowd=True),
    ]  # fmt: skip
    (mask,), made = painted(rows(objects))
    assert mask.shape == SIZE
    assert (mask[3, 3], mask[6, 3], mask[3, 15], mask[6, 15]) == (1, 2, 0, 255)
    assert made.rows.column_names == ["image", "mask"]
    assert "1 crowd: its pixels are ignored" in made.notes
    again, known = reshaped(made.rows, "train", MaskOptions())
    assert again.rows is made.rows
    assert known.names == ("background", "cat", "dog")


def test_images_without_objects_are_background():
    (first, second), _ = painted(rows([], [thing("cat", 0, 0, 2, 2)]))
    assert not first.any()
    assert second[0, 0] == 1


def test_objects_without_a_shape_are_ignored_pixels():
    (mask,), made = painted(rows([thing("cat", 0, 0, 4, 4, shape=False), thing("cat", 0, 0, 2, 2)]))
    assert (mask[1, 1], mask[3, 3], mask[8, 8]) == (1, 255, 0)
    assert "1 object has a box and no shape" in " ".join(made.notes)


def test_names_give_the_order_and_may_hold_the_background():
    given = rows([thing("cat", 0, 0, 2, 2)])
    (mask,), _ = painted(given, names=["dog", "cat"])
    assert mask[0, 0] == 2
    (mask,), _ = painted(given, names=["cat", "background"])
    assert (mask[0, 0], mask[9, 9]) == (0, 1)
    with pytest.raises(DataError, match="Did you mean 'cats'"):
        painted(given, names=["cats"])


def test_few_objects_of_labels_that_train_lacks_are_ignored():
    own = [thing("cat", 0, 2 * n, 2, 2 * n + 2) for n in range(9)]
    (mask,), made = painted(rows([*own, thing("dog", 6, 0, 12, 5)]), names=["background", "cat"])
    assert (mask[0, 0], mask[8, 2], mask[8, 10]) == (1, 255, 0)
    told = "1 object of labels that train lacks: its pixels are ignored: 'dog' (1)"
    assert told in " ".join(made.notes)
    more = rows([*own[1:], thing("dog", 6, 0, 12, 5)])
    what = r"validation, objects: the label 'dog' of 1 of 9 objects is no class.*take them out"
    with pytest.raises(DataError, match=f"(?s){what}"):
        painted(more, names=["background", "cat"], split="validation")


def test_boxes_alone_are_no_segmentation():
    with pytest.raises(DataError, match="object detection"):
        painted(rows([thing("cat", 0, 0, 2, 2, shape=False)]))


def test_shapes_of_the_upright_image_and_of_another_size():
    tall = SIZE[::-1]
    (mask,), _ = painted(rows([thing("cat", 0, 0, 4, 4, size=tall)], turn=6))
    assert mask.shape == tall
    double = (SIZE[0] * 2, SIZE[1] * 2)
    (mask,), _ = painted(rows([thing("cat", 0, 0, 4, 4, size=double)]))
    assert mask.sum() == 4
    with pytest.raises(DataError, match="a shape is 9 x 50, the image 20 x 12"):
        painted(rows([thing("cat", 0, 0, 4, 4, size=(50, 9))]))


PETS = [thing("cat", 0, 0, 4, 4), thing("dog", 4, 4, 8, 8), thing("newt", 8, 8, 10, 10)]


def seen(made):
    """The classes of a pixel of the background, the cat, the dog and the newt."""
    mask = np.asarray(Image.open(io.BytesIO(made.rows["mask"][0]["bytes"])))
    return [int(mask[place, place]) for place in (11, 1, 5, 9)]


@pytest.mark.parametrize(
    ("options", "names", "expected"),
    [
        ({"ignore": "dog"}, ("background", "cat", "newt"), [0, 1, 255, 2]),
        ({"ignore": [0, 255, -1]}, ("cat", "dog", "newt"), [255, 0, 1, 2]),
        ({"classes": {"kitten": "cat"}}, ("background", "kitten", "dog", "newt"), [0, 1, 2, 3]),
        (
            {"classes": {"fur": ["cat", "dog"]}, "ignore": ["newt"]},
            ("background", "fur"),
            [0, 1, 1, 255],
        ),
        (
            {"classes": {"a": 0, "fur": [1, 2], "z": 3}, "ignore": "fur"},
            ("a", "z"),
            [0, 255, 255, 1],
        ),
    ],
)
def test_options_ignore_rename_and_join_labels(options, names, expected):
    _, made = painted(rows(PETS))
    found, known = reshaped(made.rows, "train", MaskOptions(**options))
    assert known.names == names
    assert seen(found) == expected
    known = KnownMasks.from_json(known.to_json())
    _, later = painted(rows(PETS[:2]), names=known.source)  # other splits: as train is
    found, same = reshaped(later.rows, "test", MaskOptions(**options), known)
    assert same == known
    assert seen(found)[:3] == expected[:3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ignore": "dogs"}, r"options\.ignore: 'dogs' is no class.* Did you mean 'dog'"),
        ({"ignore": [7]}, r"options\.ignore: 7 is no class.*0 to 3"),
        ({"ignore": ["cat", "dog", "newt"]}, r"options\.ignore: .*nothing to learn"),
        ({"classes": ["background", "cats", "dog", "newt"]},
         r"'cats' is no label.* Did you mean 'cat'.*\{new: old\}"),
        ({"classes": {"kitten": "cats"}}, r"options\.classes\.kitten: 'cats' is no label.*'cat'"),
        ({"classes": {"a": "cat", "b": "cat"}}, "gives 'cat' twice"),
        ({"classes": {"dog": "cat"}}, r"options\.classes\.dog: .*keeps its name"),
    ],
)  # fmt: skip
def test_options_that_name_no_label(options, message):
    _, made = painted(rows(PETS))
    with pytest.raises(DataError, match=message):
        reshaped(made.rows, "train", MaskOptions(**options))
