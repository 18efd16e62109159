"""Models that predict masks with a class each (Mask2Former and its like): load, learn, decode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from toolkit.errors import Fault, RecipeError
from toolkit.evaluation.metrics import mask_overlap
from toolkit.models import pretrained
from toolkit.utils.text import listing

if TYPE_CHECKING:
    from toolkit_plugins.vision.canvas import Canvas

#: Those whose `forward` takes `mask_labels` and `class_labels`, and nothing else (OneFormer: a
#: task as text; DETR: boxes; Videomt: frames).
TYPES = ("mask2former", "maskformer", "eomt", "eomt_dinov3")
LEAST = 1e-12  # score of a class whose logarithm is still a number
TOGETHER = 8  # masks that are enlarged to the size of their image at a time


def config_of(folder: Path) -> Any:
    """Return a folder's config, which must be of one of `TYPES`.

    Raises:
        RecipeError: it is of another type.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder)
    if config.model_type not in TYPES:
        what = (
            f"{config.model_type} finds no objects with masks: kind: instance takes "
            f"{listing(TYPES)}, such as facebook/mask2former-swin-tiny-coco-instance; for a class "
            "of each pixel choose kind: semantic"
        )
        raise RecipeError(Fault("model", what))
    return config


def load(folder: Path, head: Mapping[str, Any]) -> Any:
    """Return the model, with a new head where the folder's is of other classes.

    Args:
        head: arguments of `from_pretrained` for the classes.

    Raises:
        RecipeError: it is of none of `TYPES`.
    """
    from transformers import AutoModelForUniversalSegmentation

    config_of(folder)
    return pretrained.model(AutoModelForUniversalSegmentation, folder, **head)


def targets_of(numbers: Any, classes: Sequence[Any]) -> dict[str, list[Any]]:
    """Return what these models learn from: the masks of objects and their classes.

    Args:
        numbers: tensor (rows, height, width) of the number of the object at each pixel, from 1 on.
        classes: of each row a tensor, the class of object 1 and so on.

    Returns:
        {"mask_labels": of each row (objects, height, width) of 0 and 1, "class_labels"}: without
        objects of which no pixel is there.
    """
    import torch

    masks, labels = [], []
    for own, known in zip(numbers, classes, strict=True):
        there = torch.unique(own)
        there = there[(there > 0) & (there <= len(known))]
        masks.append((own[None] == there[:, None, None]).float())
        labels.append(known.to(own.device)[there.long() - 1])
    return {"mask_labels": masks, "class_labels": labels}


def class_scores(queries: Any, masks: Any) -> Any:
    """Return the logarithm of the probability of each class at each pixel.

    A class has the sum over masks of the class's probability times the mask's (Cheng et al. 2021,
    MaskFormer, arXiv 2107.06278, section 3.4), as `post_process_semantic_segmentation` of
    transformers; classes are scaled to a sum of 1, which changes no decision.

    Args:
        queries: logits (masks, classes + 1), the last for none of the classes.
        masks: logits (masks, height, width).

    Returns:
        (classes, height, width), float32.
    """
    import torch

    shares = queries.float().softmax(-1)[:, :-1]
    found = torch.einsum("qc,qhw->chw", shares, masks.float().sigmoid()).clamp(min=LEAST)
    return (found / found.sum(0)).log()


def logits_of(outputs: Any) -> tuple[Any, Any]:
    """Return the logits of classes (images, masks, classes + 1), and of masks."""
    return outputs.class_queries_logits, outputs.masks_queries_logits


def outputs_of(model: Any, batch: Mapping[str, Any]) -> Any:
    """Return the outputs for a batch, with the loss where it has `labels` (see `targets_of`).

    The loss is that of points drawn at random, always the same ones here.
    """
    if "labels" not in batch:
        return model(**batch)
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return model(pixel_values=batch["pixel_values"], **batch["labels"])


class Objects(NamedTuple):
    """Objects of an image. boxes: left, top, right, bottom in its pixels. masks: as RLE."""

    boxes: list[list[float]]
    labels: list[int]
    scores: list[float]
    masks: list[dict[str, Any]]


def objects_of(
    classes: Any, masks: Any, size: tuple[int, int], canvas: Canvas, most: int
) -> Objects:
    """Return the objects of an image, by falling probability of their class.

    Each class of each query is a candidate; the score is the class's probability times the mean
    probability of the mask's pixels (Cheng et al. 2022, Mask2Former, arXiv 2112.01527), as
    `post_process_instance_segmentation` of transformers has it; masks are decided at the size of
    the image, and not at 384 x 384.

    Args:
        classes: logits (queries, classes + 1). masks: logits (queries, height, width).
        size: (height, width) of the image. most: objects, at most.
    """
    probabilities = classes.float().softmax(-1)[:, :-1]
    best = probabilities.flatten().sort(descending=True, stable=True).indices[:most]
    kinds = probabilities.shape[1]
    chosen = [(int(place) // kinds, int(place) % kinds) for place in best.tolist()]
    queries = sorted({query for query, _ in chosen})
    logits = within(masks.float()[queries], canvas, size)
    outlines = _outlines(logits, size)
    found = Objects([], [], [], [])
    for query, kind in chosen:
        outline = outlines[queries.index(query)]
        if outline is not None:
            found.boxes.append(outline[0])
            found.labels.append(kind)
            found.scores.append(float(probabilities[query, kind]) * outline[2])
            found.masks.append(outline[1])
    return found


def within(logits: Any, canvas: Canvas, size: tuple[int, int]) -> Any:
    """Return logits without what is padding of the canvas."""
    from torch.nn import functional

    content = canvas.content_of(size)
    if content == canvas.canvas:
        return logits
    whole = functional.interpolate(
        logits[None], size=canvas.canvas, mode="bilinear", align_corners=False
    )[0]
    return whole[:, : content[0], : content[1]]


def _outlines(logits: Any, size: tuple[int, int]) -> list[Any]:
    """Return box, RLE and mean probability of each mask at the size of the image.

    None where it has no pixel.
    """
    from torch.nn import functional

    found: list[Any] = []
    for part in logits.split(TOGETHER):
        whole = functional.interpolate(part[None], size=size, mode="bilinear", align_corners=False)
        for values, mask in zip(whole[0], (whole[0] > 0).cpu().numpy(), strict=True):
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            if not len(rows):
                found.append(None)
                continue
            box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            quality = float(values[values > 0].sigmoid().mean())
            found.append(([float(edge) for edge in box], mask_overlap.encoded(mask), quality))
    return found
