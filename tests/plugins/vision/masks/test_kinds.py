"""Masks of every kind become class numbers of known names; what they hold decides how."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from mask_files import HEIGHT, WIDTH, MaskOptions, ids, photo, rows_of, save, tree
from PIL import Image
from toolkit_plugins.vision.masks import KnownMasks, reshaped

from toolkit.errors import DataError, RecipeError

COLOURS = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 64)}


def read(root, split="train", known=None, **options):
    """Return the masks of a tree as arrays, how they are read, and all notes in one text."""
    made, known = reshaped(rows_of(root), split, MaskOptions(**options), known)
    return arrays(made), known, " ".join(made.notes)


def arrays(made):
    images = [Image.open(io.BytesIO(cell["bytes"])) for cell in made.rows["mask"]]
    assert {image.mode for image in images} == {"L"}
    return [np.asarray(image) for image in images]


def refused(root, **options):
    with pytest.raises(DataError) as raised:
        read(root, **options)
    return str(raised.value)


def coloured(values):
    table = np.zeros((3, 3), np.uint8)
    for number, colour in COLOURS.items():
        table[number] = colour
    return table[values]


def blurred(seed=0, factor=4):
    """A binary mask of a disc with smooth edges, as resizing makes them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: HEIGHT * 8, : WIDTH * 8]
    disc = np.hypot(y - 64, x - 96) < rng.uniform(30, 50)
    image = Image.fromarray(disc.astype(np.uint8) * 255)
    return np.asarray(image.resize((WIDTH * factor, HEIGHT * factor), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    ("values", "names", "expected"),
    [
        ([0, 1], ("background", "foreground"), [0, 1]),
        ([0, 255], ("background", "foreground"), [0, 1]),
        ([0, 1, 255], ("background", "foreground"), [0, 1, 255]),
        ([0, 1, 2, 255], ("0", "1", "2"), [0, 1, 2, 255]),
        ([0, 7, 8, 11], ("0", "7", "8", "11"), [0, 1, 2, 3]),
        ([1, 2, 3], ("1", "2", "3"), [0, 1, 2]),
        ([0, 128, 255], ("0", "128", "255"), [0, 1, 2]),
        ([0, 85, 170, 255], ("0", "85", "170", "255"), [0, 1, 2, 3]),
    ],
)
def test_ids_and_255(tmp_path, values, names, expected):
    masks, known, _ = read(tree(tmp_path, {"a.png": ids(*values), "b.png": ids(values[0])}))
    assert known.names == names
    assert np.array_equal(masks[0], ids(*expected))
    assert np.array_equal(masks[1], ids(0))


def test_whether_255_is_ignored_is_told_with_its_share(tmp_path):
    _, _, told = read(tree(tmp_path / "a", {"a.png": ids(0, 1, 2, 255)}))
    assert "255 in masks is ignored (25.0% of the pixels)" in told
    _, _, told = read(tree(tmp_path / "b", {"a.png": ids(0, 255)}))
    assert "255 is the foreground (50.0% of the pixels)" in told


@pytest.mark.parametrize(
    ("ignore", "names", "expected"),
    [
        ([], ("0", "1", "255"), [0, 1, 2]),
        (0, ("1", "255"), [255, 0, 1]),
        ([1], ("background", "foreground"), [0, 255, 1]),
        ("255", ("background", "foreground"), [0, 1, 255]),
    ],
)
def test_the_option_decides_what_is_ignored(tmp_path, ignore, names, expected):
    root = tree(tmp_path, {"a.png": ids(0, 1, 255)})
    assert "nothing to learn" in refused(root, ignore=[0, 255])
    masks, known, _ = read(root, ignore=ignore)
    assert (known.names, masks[0].tolist()) == (names, ids(*expected).tolist())


def test_zero_for_what_is_not_labelled(tmp_path):
    masks, known, _ = read(tree(tmp_path, {"a.png": ids(0, 1, 2)}), ignore=0)
    assert known.names == ("1", "2")
    assert np.array_equal(masks[0], ids(255, 0, 1))


@pytest.mark.parametrize("form", ["bits", "sixteen", "palette", "grey_rgb", "npy", "npz", "float"])
def test_files_of_all_kinds(tmp_path, form):
    values = ids(0, 1, 1, 0)
    name = f"a.{form}" if form in ("npy", "npz") else "a.png"
    how = {}
    if form == "bits":
        values = values.astype(bool)
    elif form == "sixteen":
        values = values.astype(np.uint16) * 1000
    elif form == "palette":
        how = {"palette": [90, 0, 0, 0, 90, 0]}
    elif form == "grey_rgb":
        values = np.repeat(values[:, :, None], 3, 2).astype(np.uint8)
    elif form == "float":
        values, name = values * 0.9 + 0.05, "a.npy"
    masks, known, _ = read(tree(tmp_path, {name: values}, **how))
    assert known.names == ("background", "foreground")
    assert np.array_equal(masks[0], ids(0, 1, 1, 0))


def test_fractions_beside_whole_ones(tmp_path):
    soft = np.where(ids(0, 1) > 0, 0.8, 0.1)
    soft[:, WIDTH // 2 :] = np.linspace(0.9, 1, WIDTH // 2)
    masks, _, _ = read(tree(tmp_path, {"a.npy": soft, "b.npy": ids(1, 0) * 1.0}))
    assert [mask.tolist() for mask in masks] == [ids(0, 1).tolist(), ids(1, 0).tolist()]


def test_a_palette_is_read_by_its_indices(tmp_path):
    voc = [0, 0, 0, 128, 0, 0, 0, 128, 0] + [224, 224, 192] * 253
    masks, known, _ = read(tree(tmp_path, {"a.png": ids(0, 1, 2, 255)}, palette=voc))
    assert known.names == ("0", "1", "2")
    assert np.array_equal(masks[0], ids(0, 1, 2, 255))


def test_palettes_that_differ_are_read_by_their_colours(tmp_path):
    save(tmp_path / "masks/a.png", ids(0, 1), palette=[0, 0, 0, 200, 0, 0])
    save(tmp_path / "masks/b.png", ids(0, 1), palette=[200, 0, 0, 0, 0, 0])
    for number, name in enumerate("ab"):
        photo(tmp_path / f"images/{name}.jpg", number)
    masks, known, _ = read(tmp_path)
    assert known.by_colour
    assert [mask.tolist() for mask in masks] == [ids(0, 1).tolist(), ids(1, 0).tolist()]


def test_colours_without_a_legend_are_called_by_themselves(tmp_path):
    root = tree(tmp_path, {"a.png": coloured(ids(0, 1, 2)), "b.png": coloured(ids(0))})
    masks, known, told = read(root)
    assert known.names == ("#000000", "#008040", "#800000")
    assert np.array_equal(masks[0], ids(0, 2, 1))
    assert not masks[1].any()  # a black image of three channels is of the same kind
    assert "no legend" in told


def test_two_colours_are_background_and_foreground(tmp_path):
    _, known, _ = read(tree(tmp_path, {"a.png": coloured(ids(0, 1))}))
    assert known.names == ("background", "foreground")


LEGENDS = {
    "class_dict.csv": "name, r, g, b\nVoid, 0,0,0\ntree, 128,0,0\nroad, 0,128,64\n",
    "labelmap.txt": "# label:color_rgb:parts\nvoid:0,0,0::\ntree:128,0,0::\nroad:0,128,64::",
    "label_colors.txt": "0 0 0\tVoid\n128 0 0\ttree\n0 128 64\troad\n",
    "classes.json": json.dumps({"void": "#000000", "tree": [128, 0, 0], "road": [0, 128, 64]}),
    "labels.json": json.dumps([{"name": "void", "color": [0, 0, 0]},
                               {"name": "tree", "color": "#800000"},
                               {"name": "road", "color": [0, 128, 64]}]),
}  # fmt: skip


@pytest.mark.parametrize("name", LEGENDS)
def test_a_legend_beside_names_colours(tmp_path, name):
    root = tree(tmp_path, {"a.png": coloured(ids(0, 1, 2))})
    (root / name).write_text(LEGENDS[name])
    masks, known, told = read(root)
    assert known.names == ("tree", "road")
    assert np.array_equal(masks[0], ids(255, 0, 1))  # what a legend calls void is ignored
    assert "33.3% of the pixels are ignored" in told
    kept, known, _ = read(root, ignore=[])
    assert known.names[0].lower() == "void"
    assert np.array_equal(kept[0], ids(0, 1, 2))


@pytest.mark.parametrize("name", LEGENDS)
def test_a_legend_of_colours_names_ids_by_its_order(tmp_path, name):
    root = tree(tmp_path, {"a.png": ids(0, 1, 2)})
    (root / name).write_text(LEGENDS[name])
    masks, known, _ = read(root)
    assert known.names == ("tree", "road")
    assert np.array_equal(masks[0], ids(255, 0, 1))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.json", '["sky", "tree", "road"]'),
        ("classes.json", '{"classes": ["sky", "tree", "road"], "ignore": 255}'),
        ("id2label.json", '{"0": "sky", "1": "tree", "2": "road"}'),
        ("codes.txt", "sky\ntree\nroad\n"),
        ("labels.txt", "0: sky\n1: tree\n2: road\n"),
        ("_classes.csv", "Pixel Value, Class\n0, sky\n1, tree\n2, road\n"),
    ],
)
def test_a_list_beside_names_ids(tmp_path, name, text):
    root = tree(tmp_path / "set", {"a.png": ids(0, 1, 2, 255)})
    (tmp_path / name).write_text(text)  # above the folder
    masks, known, told = read(root)
    assert known.names == ("sky", "tree", "road")
    assert np.array_equal(masks[0], ids(0, 1, 2, 255))
    assert name in told


def test_a_legend_that_does_not_fit_is_left_out_and_one_of_the_option_is_refused(tmp_path):
    root = tree(tmp_path, {"a.png": ids(0, 1, 2, 9)})
    (root / "classes.txt").write_text("sky\ntree\n")
    _, known, told = read(root)
    assert known.names == ("0", "1", "2", "9")
    assert "classes.txt is not used: it names 2 classes, but masks have 4" in told
    assert "options.classes: names 2 classes, but masks have 4" in refused(root, classes=["a", "b"])


@pytest.mark.parametrize(
    ("classes", "names", "expected"),
    [
        (["a", "b", "c", "d"], ("a", "b", "c", "d"), [0, 1, 2]),
        (["a", "b", "c"], ("a", "b", "c"), [0, 1, 2]),
        ({"ground": 0, "other": "1-2"}, ("ground", "other"), [0, 1, 1]),
        ({"other": [1, 2], "ground": 0}, ("other", "ground"), [1, 0, 0]),
    ],
)
def test_the_option_names_ids(tmp_path, classes, names, expected):
    masks, known, _ = read(tree(tmp_path, {"a.png": ids(0, 1, 2)}), classes=classes)
    assert known.names == names
    assert np.array_equal(masks[0], ids(*expected))


def test_the_option_names_colours_and_ignores_a_class_by_its_name(tmp_path):
    classes = {"void": [0, 0, 0], "tree": "#800000", "road": "0,128,64"}
    root = tree(tmp_path, {"a.png": coloured(ids(0, 1, 2))})
    masks, known, _ = read(root, classes=classes, ignore="void")
    assert known.names == ("tree", "road")
    assert np.array_equal(masks[0], ids(255, 0, 1))
    assert "Did you mean 'void'?" in refused(root, classes=classes, ignore="voild")
    assert "33.3% of the pixels have a value that is no class: #008040" in refused(
        root, classes={"void": "#000000", "tree": "#800000"}
    )


@pytest.mark.parametrize("classes", [{"a": "blue"}, {"a": 0, "b": "#ffffff"}, [], ["a", "a"]])
def test_an_option_that_cannot_be_read(tmp_path, classes):
    with pytest.raises(RecipeError, match="options.classes"):
        read(tree(tmp_path, {"a.png": ids(0, 1)}), classes=classes)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_smooth_edges_are_told_apart_at_the_middle(tmp_path, suffix):
    for number in range(3):
        save(tmp_path / f"masks/{number}.{suffix}", blurred(number))
        photo(tmp_path / f"images/{number}.jpg", number, WIDTH * 4, HEIGHT * 4)
    masks, known, told = read(tmp_path)
    assert known.names == ("background", "foreground")
    for number, mask in enumerate(masks):
        assert set(np.unique(mask)) == {0, 1}
        assert np.mean((blurred(number) > 127) != mask) < 0.005
    assert "of the pixels are neither" in told
    more, _, _ = read(tmp_path, "test", known)
    assert np.array_equal(more[0], masks[0])


def test_classes_with_smooth_edges_are_refused_with_the_way_out(tmp_path):
    values = np.asarray(
        Image.fromarray(ids(0, 60, 120, 180, width=96, height=96).astype(np.uint8).T)
        .rotate(30).resize((48, 48), Image.Resampling.BICUBIC)
    )  # fmt: skip
    save(tmp_path / "masks/a.png", values)
    photo(tmp_path / "images/a.jpg", 0, 48, 48)
    assert "nearest-neighbour" in refused(tmp_path)
    save(tmp_path / "masks/a.png", ids(0, 1, 2))
    Image.fromarray(ids(0, 90, 170).astype(np.uint8).T.copy()).save(tmp_path / "masks/a.jpg")
    (tmp_path / "masks/a.png").unlink()
    photo(tmp_path / "images/a.jpg", 0, HEIGHT, WIDTH)
    assert "png" in refused(tmp_path)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_masks_that_are_photos(tmp_path, mode):
    for number in range(2):
        photo(tmp_path / f"images/{number}.jpg", number, 64, 48)
        image = Image.open(photo(tmp_path / f"masks/{number}.png", number, 64, 48))
        image.convert(mode).save(tmp_path / f"masks/{number}.png")
    assert "look like photos" in refused(tmp_path)


@pytest.mark.parametrize("strays", [(1,), (1, 2, 3), (128,)])
def test_stray_pixels_leave_the_foreground_of_255(tmp_path, strays):
    values = ids(0, 255, width=WIDTH * 4, height=HEIGHT * 4)
    expected = values // 255
    for place, stray in enumerate(strays):
        values[place * 2, place * 2] = stray
        expected[place * 2, place * 2] = stray > 127
    tree(tmp_path, {"a.png": values})
    photo(tmp_path / "images/a.jpg", 0, WIDTH * 4, HEIGHT * 4)
    masks, known, told = read(tmp_path)
    assert known.names == ("background", "foreground")
    assert np.array_equal(masks[0], expected)
    assert f"{len(strays)} pixels have other values" in told
    masks, known, _ = read(tmp_path, classes={"ground": 0, "cell": [*strays]})
    assert np.unique(masks[0]).tolist() == [0, 1, 255]  # named, they are a class


def test_a_small_class_beside_255_is_no_stray_pixel(tmp_path):
    values = ids(0, 255, width=WIDTH * 4, height=HEIGHT * 4)
    values[5:7, 5:7] = 1  # 0.07% of the pixels, in one flat place
    tree(tmp_path, {"a.png": values})
    photo(tmp_path / "images/a.jpg", 0, WIDTH * 4, HEIGHT * 4)
    masks, _, told = read(tmp_path)
    assert (masks[0][6, 6], masks[0][0, -1]) == (1, 255)
    assert "255 in masks is ignored" in told


@pytest.mark.parametrize("options", [{}, {"classes": ["background", "foreground"]}])
def test_black_and_white_files_beside_masks_of_0_and_255(tmp_path, options):
    root = tree(tmp_path, {"a.png": ids(0, 255), "b.png": ids(0, 1).astype(bool)})
    save(root / "masks/c.png", ids(1, 0), palette=[0, 0, 0, 255, 255, 255])
    photo(root / "images/c.jpg", 2)
    masks, known, _ = read(root, **options)
    assert known.names == ("background", "foreground")
    assert [mask.tolist() for mask in masks] == [ids(*pair).tolist()
                                                 for pair in ((0, 1), (0, 1), (1, 0))]  # fmt: skip


def test_black_and_white_files_beside_masks_of_0_and_1(tmp_path):
    masks, _, _ = read(tree(tmp_path, {"a.png": ids(0, 1), "b.png": ids(1, 0).astype(bool)}))
    assert [mask.tolist() for mask in masks] == [ids(0, 1).tolist(), ids(1, 0).tolist()]


def test_numbers_of_objects_are_no_classes(tmp_path):
    root = tree(tmp_path, {f"{n}.png": ids(*range(n + 1)) for n in range(9)})
    told = refused(root)
    assert "number the objects of each image (0 to 8)" in told
    way = {"background": 0, "object": "1-8"}
    assert "object: 1-8" in told
    masks, known, _ = read(root, classes=way)
    assert known.names == ("background", "object")
    assert np.array_equal(masks[8], np.minimum(ids(*range(9)), 1))
    many = np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH)
    assert "1-383" in refused(
        tree(tmp_path / "b", {"a.png": np.kron(many, np.ones((4, 4), np.uint16))})
    )


def test_negative_ids_are_ignored(tmp_path):
    masks, known, told = read(tree(tmp_path, {"a.npy": ids(-1, 0, 1)}))
    assert np.array_equal(masks[0], ids(255, 0, 1))
    assert "pixels of -1 are ignored" in told
    assert known.names == ("background", "foreground")


def test_transparency_alone_is_the_mask(tmp_path):
    values = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    values[:, :, 3] = ids(0, 255)
    masks, _, _ = read(tree(tmp_path, {"a.png": values}))
    assert np.array_equal(masks[0], ids(0, 1))


def test_what_is_known_is_kept_as_json(tmp_path):
    _, known, _ = read(tree(tmp_path, {"a.png": coloured(ids(0, 1, 2))}))
    assert KnownMasks.from_json(json.loads(json.dumps(known.to_json()))) == known
