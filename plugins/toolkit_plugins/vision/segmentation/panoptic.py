"""Panoptic segmentation: each pixel of an image in one segment, an object or a region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from toolkit.plugin_types import Prediction, ReshapedRows, Row, SourceRows
from toolkit.tasks.masks.panoptic import PanopticPlugin
from toolkit.tasks.masks.png import image_size
from toolkit_plugins.vision.segmentation import panoptic_files, query_models
from toolkit_plugins.vision.segmentation.by_queries import ByQueries
from toolkit_plugins.vision.segmentation.options import SegmentationOptions

if TYPE_CHECKING:
    from toolkit.plugin_types import Figure
    from toolkit.recipe.schema import Source


class PanopticSegmentation(ByQueries, PanopticPlugin[SegmentationOptions]):
    """What `image-segmentation` is with kind: panoptic; Mask2Former, MaskFormer and EoMT."""

    def read_source(self, source: Source, labelled: bool) -> SourceRows | None:
        """Return images with PNG files of segment ids, from COCO panoptic or metadata.jsonl."""
        return panoptic_files.read(source, labelled, self.options)

    def reshape_rows(self, rows: Any, split: str) -> ReshapedRows:
        """Return images with segments and their outlines; train says which classes are things."""
        from toolkit_plugins.vision.segmentation import panoptic_rows

        known = self._known_things
        found, things = panoptic_rows.reshaped(rows, split, self.options, known)
        if split == "train":
            known.update(things)
        return found

    @cached_property
    def _known_things(self) -> dict[str, bool]:
        """Label -> whether it is a thing, once train or the saved model has said it."""
        if "things" not in self.statistics:
            return {}
        return {name: name in self.things for name in self.classes}

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return the segments of each image: see `prediction`."""
        from toolkit.tasks.masks.segments import segments_of

        found = []
        stuff = [place for place, name in enumerate(self.classes) if name not in self.things]
        for classes, masks, row in zip(*query_models.logits_of(outputs), rows, strict=True):
            size = image_size(row[self.image])
            logits = query_models.within(masks.float(), self.canvas, size)
            found.append(self.prediction(segments_of(classes, logits, size, stuff, self.threshold)))
        return found

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Figure]:
        """Return what training saw, the worst images, and their panoptic qualities."""
        from toolkit_plugins.vision.segmentation import instance_figures

        if self.data is None:
            return {}
        found = list(predictions)
        return {**instance_figures.sheets(self, found), **super().figures(found)}

    def notes(self) -> list[str]:
        """Report skipped and tiny images, and what the segments of each split are."""
        return [*self._notes_on_images(), self._seen_as(), *super().notes()]
