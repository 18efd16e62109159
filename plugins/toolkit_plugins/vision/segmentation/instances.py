"""Instance segmentation: the mask of each object in an image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.plugin_types import Prediction, ReshapedRows, Row, SourceRows
from toolkit.tasks.masks.png import image_size
from toolkit_plugins.vision.segmentation import outlines, query_models
from toolkit_plugins.vision.segmentation.by_queries import ByQueries

if TYPE_CHECKING:
    from toolkit.plugin_types import Figure
    from toolkit.recipe.schema import Source


class InstanceSegmentation(ByQueries):
    """What `image-segmentation` is with kind: instance; Mask2Former, MaskFormer and EoMT."""

    def read_source(self, source: Source, labelled: bool) -> SourceRows | None:
        """Return images with the outlines of their objects from COCO and other annotations."""
        return outlines.read(source, labelled, self.options)

    def reshape_rows(self, rows: Any, split: str) -> ReshapedRows:
        """Return images with clean objects, and the area of each."""
        if split == "predict":
            return ReshapedRows(rows)
        return outlines.reshaped(rows, split, self.options)

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return the objects of each image with their masks, and those below the threshold."""
        found = []
        for classes, masks, row in zip(*query_models.logits_of(outputs), rows, strict=True):
            size = image_size(row[self.image])
            one = query_models.objects_of(classes, masks, size, self.canvas, self.most)
            labels = [self.classes[number] for number in one.labels]
            found.append(self.split_by_threshold(
                zip(one.boxes, labels, one.scores, one.masks, strict=True)
            ))  # fmt: skip
        return found

    def calibrate(self, predictions: Sequence[Prediction]) -> Mapping[str, Any]:
        """Return the threshold that the options set, or the one that is best on validation."""
        if self.options.threshold is not None:
            return {"threshold": self.options.threshold}
        return super().calibrate(predictions)

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Figure]:
        """Return what training saw, the worst images, and curves."""
        from toolkit_plugins.vision.segmentation import instance_figures

        if self.data is None:
            return {}
        found = list(predictions)
        return {**instance_figures.sheets(self, found), **super().figures(found)}

    def notes(self) -> list[str]:
        """Report skipped and tiny images, and what the objects of each split are."""
        return [*self._notes_on_images(), self._seen_as(), *super().notes()]
