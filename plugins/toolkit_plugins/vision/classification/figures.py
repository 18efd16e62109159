"""The figures of a run: contact sheets, and the curves of two classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.vision import contact_sheet
from toolkit_plugins.vision.classification import operating_points

if TYPE_CHECKING:
    from toolkit.plugin_types import Figure, Prediction
    from toolkit_plugins.vision.classification.plugin import ImageClassification

SHOWN = contact_sheet.COLUMNS * contact_sheet.ROWS


def draw_figures(
    plugin: ImageClassification, predictions: Sequence[Prediction]
) -> Mapping[str, Figure]:
    """Return figures by name.

    Args:
        predictions: one for each row of the plugin's test split.
    """
    if plugin.data is None:
        return {}
    found: dict[str, Any] = {"training_pictures": training_images(plugin)}
    test = plugin.data["test"]
    wrong = _most_wrong(plugin, predictions)
    if wrong:
        rows = test.select(wrong).to_list()
        images = plugin.view.canvases([row[plugin.options.image] for row in rows])
        truths = zip(plugin.references(rows), wrong, strict=True)
        captions = [f"{truth} > {predictions[place]['label']}" for truth, place in truths]
        found["mistakes"] = contact_sheet.sheet(list(images), captions)
    if len(plugin.labels.names) == 2:
        scores, positive = plugin._positives(predictions, test)
        threshold = float(plugin.calibration.get("threshold", 0.5))
        name = plugin.labels.names[plugin._positive]
        found |= operating_points.curves(name, scores, positive, threshold)
    return found


def training_images(plugin: ImageClassification) -> Any:
    """Return a contact sheet of training pictures as training sees them, drawn by the run's seed.

    Pairs side by side: the picture as it is, and changed.
    """
    import torch

    from toolkit_plugins.vision import augment

    assert plugin.data is not None  # noqa: S101 - the caller has looked
    train = plugin.data["train"]
    seed = plugin.recipe.seed if plugin.recipe else 0
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(train))[: SHOWN // 2]
    rows = train.select(chosen).to_list()
    values = plugin.view.canvases([row[plugin.options.image] for row in rows])
    images = torch.from_numpy(values).permute(0, 3, 1, 2).float() / 255
    names = plugin.references(rows)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        changed = augment.changes(plugin.options.augment, plugin.view)(images)
        wanted = plugin.options.augment
        if wanted is not None and (wanted.mixup or wanted.cutmix):
            ids = torch.tensor(plugin.labels.ids(names if not plugin.labels.coded else
                               [row[plugin.options.label] for row in rows]))  # fmt: skip
            changed, _ = augment.mix(changed, ids, len(plugin.labels.names), wanted)
    pairs = [item for pair in zip(contact_sheet.as_pixels(images), contact_sheet.as_pixels(changed), strict=True)
             for item in pair]  # fmt: skip
    captions = [text for name in names for text in (name, "changed")]
    return contact_sheet.sheet(pairs, captions)


def _most_wrong(plugin: ImageClassification, predictions: Sequence[Prediction]) -> list[int]:
    """Return the test rows whose true class got the least probability, of those that are wrong."""
    assert plugin.data is not None  # noqa: S101 - the caller has looked
    truth = plugin.references(plugin.data["test"].select_columns([plugin.options.label]).to_list())
    wrong = [(p["scores"].get(name, 0.0), place)
             for place, (p, name) in enumerate(zip(predictions, truth, strict=True))
             if p["label"] != name]  # fmt: skip
    return [place for _, place in sorted(wrong)[:SHOWN]]
