"""Contact sheets of a run: augmented training images, and the worst mistakes on test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.vision import contact_sheet

if TYPE_CHECKING:
    from toolkit.plugin_types import Prediction

SHOWN = contact_sheet.COLUMNS * contact_sheet.ROWS


def drawn_rows(count: int, seed: int) -> Any:
    """Return the numbers of the training rows that `training_sheet` shows, drawn by the seed."""
    return np.random.default_rng(seed).permutation(count)[: SHOWN // 2]


def training_sheet(
    canvases: Any,
    names: Sequence[str],
    ids: Sequence[int],
    augmenter: Callable[[], Callable[..., tuple[Any, Any]]],
    seed: int,
) -> Any:
    """Return a contact sheet of pairs: the image as it is, and as training sees it.

    Args:
        canvases: uint8 of shape (rows, height, width, channels). names, ids: of their classes.
        augmenter: makes the function from images and ids to augmented ones.
    """
    import torch

    images = torch.from_numpy(canvases).permute(0, 3, 1, 2).float() / 255
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        changed, _ = augmenter()(images, torch.tensor(ids))
    sheets = (contact_sheet.as_pixels(images), contact_sheet.as_pixels(changed))
    pairs = [image for pair in zip(*sheets, strict=True) for image in pair]
    return contact_sheet.sheet(pairs, [text for name in names for text in (name, "changed")])


def mistakes_sheet(canvases: Any, truth: Sequence[str], predictions: Sequence[Prediction]) -> Any:
    """Return a contact sheet of wrong rows, captioned "actual > predicted".

    Args:
        canvases: as in `training_sheet`, of the wrong rows alone; so are the others.
    """
    captions = [f"{name} > {p['label']}" for name, p in zip(truth, predictions, strict=True)]
    return contact_sheet.sheet(list(canvases), captions)


def most_wrong(truth: Sequence[str], predictions: Sequence[Prediction]) -> list[int]:
    """Return the wrong rows whose actual class got the least probability, the worst first."""
    wrong = [(p["scores"].get(name, 0.0), place)
             for place, (p, name) in enumerate(zip(predictions, truth, strict=True))
             if p["label"] != name]  # fmt: skip
    return [place for _, place in sorted(wrong)[:SHOWN]]
