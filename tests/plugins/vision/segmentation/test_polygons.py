"""Annotation files with polygons are read as masks."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image
from toolkit_plugins.vision.segmentation import reading
from toolkit_plugins.vision.segmentation.options import SegmentationOptions

from toolkit.evaluation.mask_files import decode

OPTIONS = SegmentationOptions()


def test_polygons_of_coco_are_painted_as_masks_with_a_background(tmp_path):
    (tmp_path / "images").mkdir()
    images, annotations = [], []
    for number in range(4):
        name = f"{number}.png"
        Image.new("RGB", (20, 10), (number, 0, 0)).save(tmp_path / "images" / name)
        images.append({"id": number, "file_name": name, "width": 20, "height": 10})
        left = 5 * (number % 2)
        outline = [left, 2, left + 6, 2, left + 6, 8, left, 8]
        annotations.append({"id": number, "image_id": number, "category_id": 3 + 4 * (number % 2),
                            "bbox": [left, 2, 6, 6], "area": 36, "iscrowd": 0,
                            "segmentation": [outline]})  # fmt: skip
    kinds = [{"id": 7, "name": "bolt"}, {"id": 3, "name": "nut"}]
    found = {"images": images, "annotations": annotations, "categories": kinds}
    (tmp_path / "annotations.json").write_text(json.dumps(found))
    source = reading.read(str(tmp_path), True, OPTIONS)
    assert source is not None
    (rows,) = source.splits.values()
    made, known = reading.reshaped(rows, "train", OPTIONS, None)
    assert known is not None
    assert known.names == ("background", "bolt", "nut")
    masks = [decode(row["mask"]) for row in made.rows]
    assert all(mask.shape == (10, 20) for mask in masks)
    assert [sorted(np.unique(mask)) for mask in masks] == [[0, 2], [0, 1], [0, 2], [0, 1]]
    assert all((mask > 0).sum() in range(30, 50) for mask in masks)
    assert any("painted from 4 shapes" in note for note in made.notes)
    again, later = reading.reshaped(rows.select([1]), "test", OPTIONS, known)
    assert later == known
    assert sorted(np.unique(decode(again.rows[0]["mask"]))) == [0, 1]
