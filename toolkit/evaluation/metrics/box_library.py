"""COCO's scores of boxes by faster-coco-eval, which computes them as pycocotools does."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np

from toolkit.errors import UserError
from toolkit.evaluation.metrics import mask_overlap
from toolkit.evaluation.metrics.base import Floats
from toolkit.evaluation.metrics.box_matching import MOST
from toolkit.evaluation.metrics.box_scene import RANGES, Scene
from toolkit.utils.packages import extra


def library() -> Any:
    """Return the module.

    Raises:
        UserError: it is not installed.
    """
    try:
        import faster_coco_eval
    except ImportError:
        raise UserError(f"scores of boxes need faster-coco-eval: {extra('vision')}") from None
    return faster_coco_eval


def signature(masks: bool = False) -> str:
    """Return all that has to be equal for two scores to be comparable."""
    kind = "segm" if masks else "bbox"
    return f"faster_coco_eval:{version('faster-coco-eval')}|{kind}|max:{MOST}|recalls:101"


def scores(scene: Scene) -> tuple[Floats, Floats]:
    """Return average precision and recall, both of shape (ranges, classes, thresholds).

    NaN where a class has no actual box.
    """
    if "library" not in scene.kept:
        scene.kept["library"] = _computed(scene)
    found: tuple[Floats, Floats] = scene.kept["library"]
    return found


def _computed(scene: Scene) -> tuple[Floats, Floats]:
    shape = (len(RANGES), len(scene.labels), 10)
    if not len(scene.actual):  # nothing to index: the library has no case for it
        return np.full(shape, np.nan), np.full(shape, np.nan)
    if not len(scene.box):
        known = np.array([np.bincount(scene.kind[~ignored], minlength=shape[1]) > 0
                          for ignored in scene.ignored])[..., None]  # fmt: skip
        zeros = np.where(known, 0.0, np.nan).repeat(shape[2], -1)
        return zeros, zeros
    evaluation = _evaluation(scene)
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][..., -1]  # (thresholds, recalls, classes, ranges)
    recall = evaluation.eval["recall"][..., -1]
    found = precision.mean(axis=1).transpose(2, 1, 0), recall.transpose(2, 1, 0)
    return np.where(found[0] < 0, np.nan, found[0]), np.where(found[1] < 0, np.nan, found[1])


def _evaluation(scene: Scene) -> Any:
    """Return the library's evaluation of a scene. Images and classes are numbered from 1."""
    of = library()
    actual = [
        {"id": n, "image_id": image + 1, "category_id": label + 1, "bbox": box, "area": area,
         "iscrowd": int(crowd)}
        for n, (image, label, box, area, crowd) in enumerate(zip(
            scene.of.tolist(), scene.kind.tolist(), _boxes(scene.actual), scene.area.tolist(),
            scene.crowd.tolist(), strict=True), 1)
    ]  # fmt: skip
    found = [
        {"image_id": image + 1, "category_id": label + 1, "bbox": box, "score": score}
        for image, label, box, score in zip(
            scene.image.tolist(), scene.label.tolist(), _boxes(scene.box), scene.score.tolist(),
            strict=True)
    ]  # fmt: skip
    if scene.masks is not None and scene.actual_masks is not None:
        for one, text in zip(found, scene.masks, strict=True):
            del one["bbox"]  # else the library takes the polygon of the box
            one["segmentation"] = mask_overlap.from_text(text)
        for one, text in zip(actual, scene.actual_masks, strict=True):
            one["segmentation"] = mask_overlap.from_text(text)
    gold = of.COCO({
        "images": _images(scene),
        "categories": [{"id": n, "name": name} for n, name in enumerate(scene.labels, 1)],
        "annotations": actual,
    })  # fmt: skip
    evaluation = of.COCOeval_faster(
        gold, gold.loadRes(found), iouType="bbox" if scene.masks is None else "segm"
    )
    evaluation.params.maxDets = [MOST]
    return evaluation


def _images(scene: Scene) -> list[dict[str, int]]:
    """Return the images, with sizes where there are masks."""
    found = [{"id": number + 1} for number in range(scene.images)]
    for texts, images in ((scene.masks, scene.image), (scene.actual_masks, scene.of)):
        for text, image in zip(texts or (), images.tolist(), strict=False):
            size = mask_overlap.from_text(text)["size"]
            found[image].update(height=size[0], width=size[1])
    return found


def _boxes(boxes: Floats) -> list[list[float]]:
    """Return them as COCO writes boxes: x, y, width, height."""
    found: list[list[float]] = np.concatenate(
        [boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1
    ).tolist()
    return found
