"""`BoxesPlugin`: what scenarios that find objects in images share, whatever model finds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from toolkit.errors import DataError, Fault
from toolkit.evaluation.baselines import row_batches
from toolkit.evaluation.metrics import boxes as box_metrics
from toolkit.evaluation.metrics import mask_overlap
from toolkit.evaluation.metrics.box_scene import Scene
from toolkit.plugin_types import Baseline, MarkedImage, Options, Prediction, Row, Shown, columns
from toolkit.plugin_types.occlusion import logit
from toolkit.plugin_types.shown import Box
from toolkit.tasks.base import Batch, Encoder, TaskPlugin
from toolkit.tasks.boxes import blobs, found, mistakes, tables
from toolkit.tasks.boxes.baselines import FrequentBoxes
from toolkit.tasks.boxes.contents import Contents
from toolkit.tasks.boxes.thresholds import Sweep

if TYPE_CHECKING:
    from toolkit.plugin_types import Figure, Table

OptionsT = TypeVar("OptionsT", bound=Options)
OF_MASKS = ("mask_ap", "mask_ap50", "mask_ap75", "precision", "recall", "f1", "count_error", "ap")
USUAL = ("ap", "ap50", "ap75", "precision", "recall", "f1", "count_error")


class BoxesPlugin(TaskPlugin[OptionsT]):
    """A scenario that finds objects of some classes in an image, each in an upright box.

    The options mark a column of image files as input, and one of objects as target: a list of
    {"box": [x_min, y_min, x_max, y_max], "label", "crowd", "area"}, in pixels of the upright image,
    the last two edges exclusive. An empty list is an image without objects. A subclass gives
    `prepare`, `load_model`, and `decode`, which ends with `split_by_threshold`. An option
    `max_detections`, where there is one, is the most boxes of a prediction (100).
    """

    #: Whether objects have masks as well: {"shape": an RLE of COCO} in the target column, a fourth
    #: item of what `split_by_threshold` takes, "mask" in predictions and references. Overlap is
    #: that of masks then.
    with_masks: ClassVar[bool] = False
    #: What notes call the objects.
    noun: ClassVar[str] = "objects"

    @property
    def image(self) -> str:
        """The column of the image."""
        return next(iter(columns(self.options, "input").values()))

    @property
    def most(self) -> int:
        """How many boxes a prediction has at most."""
        return int(getattr(self.options, "max_detections", None) or found.MOST)

    @property
    def threshold(self) -> float:
        """The score from which on a box is reported: of validation, or 0.5."""
        return float(self.calibration.get("threshold", found.USUAL))

    @cached_property
    def classes(self) -> list[str]:
        """The labels in the order of the model's outputs.

        Those of the training rows' objects that are no crowds, sorted; or of the saved model, where
        there are no rows, or both have the same.
        """
        if self.data is None:
            return self._saved_classes()
        names = sorted(self.contents["train"].objects)
        if not names:
            what = "the training rows have no object: there is nothing to learn"
            raise DataError(Fault(self.target, what))
        saved = self._saved_classes()
        return saved if set(saved) == set(names) and len(saved) == len(names) else names

    @cached_property
    def contents(self) -> dict[str, Contents]:
        """What the objects of each split are."""
        return {str(name): Contents.of(self._references_of(rows))
                for name, rows in (self.data or {}).items()}  # fmt: skip

    @property
    def head(self) -> dict[str, Any]:
        """Arguments of `from_pretrained` for a model with one float32 output per class."""
        return {
            "num_labels": len(self.classes),
            "id2label": dict(enumerate(self.classes)),
            "label2id": {name: place for place, name in enumerate(self.classes)},
            "ignore_mismatched_sizes": True,  # a checkpoint's head for other classes is replaced
            "dtype": "float32",
        }

    def target_encoder(self) -> Encoder:
        """Return the function from a batch of columns to {"boxes", "class_labels", "crowd"}.

        Of each row the boxes, and of each box the number of its class; objects of a class that
        training lacks are left out. {} without targets.
        """
        ids = {name: place for place, name in enumerate(self.classes)}
        return partial(_targets, ids, self.target)

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return {"objects": [{"box", "label", "crowd", "area"}]} for each row."""
        made = partial(_reference, with_mask=self.with_masks)
        return [{"objects": [made(one) for one in row.get(self.target) or ()]} for row in rows]

    def split_by_threshold(self, boxes: Iterable[found.Found]) -> Prediction:
        """Return the prediction for the boxes of a row, each with its label and score.

        {"objects": [{"box", "label", "score"}], "candidates": [..], "counts": {label: number}}: the
        candidates are below the threshold, and count for average precision alone. Both are by
        falling score. `found.split` says what is left out.
        """
        return found.split(boxes, self.threshold, self.most)

    def decision_margin(self, prediction: Prediction) -> float:
        """Return how near the threshold the nearest score is."""
        return found.margin(prediction, self.threshold)

    def same(self, one: Prediction, other: Prediction) -> bool:
        """Return whether both have the same boxes, but for rounding: see `found.same`."""
        return found.same(one, other, self.most)

    def explained_scores(self, prediction: Prediction) -> Mapping[str, float]:
        """Return the log odds of the most probable box of each class, the highest first."""
        scores: dict[str, float] = {}
        for one in found.every(prediction):
            scores.setdefault(one["label"], logit(one["score"]))
        return scores

    def calibrate(self, predictions: Sequence[Prediction]) -> Mapping[str, Any]:
        """Return the threshold of the best F1 on validation, at an IoU of 0.5 over all classes.

        It is 0.5 where too few objects, or boxes that are right, say otherwise (`Sweep.best`).
        """
        if self.data is None or "validation" not in self.data:
            return {}
        references = self._references_of(self.data["validation"])
        best = Sweep.of(Scene.of_pairs(zip(predictions, references, strict=True))).best()
        return {"threshold": found.USUAL if best is None else best}

    def usual_metrics(self) -> list[str]:
        """Return metric names for a recipe that names none; the first is the headline."""
        return list(OF_MASKS if self.with_masks else USUAL)

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the recipe names, or the usual ones."""
        names = (self.recipe.report.metrics if self.recipe else None) or self.usual_metrics()
        return {name: box_metrics.load(name) for name in names}

    def baselines(self) -> Iterable[Baseline]:
        """Return the boxes that are frequent in training, and blobs of a threshold."""
        return [FrequentBoxes(self), blobs.ThresholdBlobs(self)]

    def show(self, row: Row, prediction: Prediction, reference: Any) -> Sequence[Shown]:
        """Return the image with the predicted objects and their scores, and the actual ones."""
        shown = [_box(one, f"{one['label']} {one['score']:.2f}") for one in prediction["objects"]]
        actual = () if reference is None else reference["objects"]
        shown += [_box(one, one["label"], actual=True) for one in actual]
        if not self.with_masks:
            return [MarkedImage(row[self.image], shown)]
        mask = mask_overlap.numbered(prediction["objects"])
        there = None if reference is None else mask_overlap.numbered(actual)
        return [MarkedImage(row[self.image], shown, mask, there)]

    def tables(self, pairs: Iterable[tuple[Prediction, Any]]) -> Mapping[str, Table]:
        """Return scores by class and size, and the kinds of errors."""
        return tables.tables(pairs)

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Figure]:
        """Return precision over recall of each class, and F1 over the threshold."""
        if self.data is None:
            return {}
        pairs = zip(predictions, self._references_of(self.data["test"]), strict=True)
        return tables.curves(pairs, self.threshold)

    def galleries(self, predictions: Iterable[Prediction], limit: int = 12) -> dict[str, list[Any]]:
        """Return the worst rows of test, and its wrong and missed objects: `mistakes.galleries`."""
        if self.data is None:
            return {}
        pairs = zip(predictions, self._references_of(self.data["test"]), strict=True)
        return mistakes.galleries(pairs, limit)

    def notes(self) -> list[str]:
        """Report objects per image, classes of few objects, and those that training lacks."""
        known = self.contents["train"].objects if self.data else Counter[str]()
        return [
            line
            for name, of in self.contents.items()
            for line in of.in_words(name, known, self.noun)
        ]

    def _references_of(self, rows: Any) -> Iterable[Any]:
        for some in row_batches(rows.select_columns([self.target])):
            yield from self.references(some)

    def _saved_classes(self) -> list[str]:
        from transformers import AutoConfig

        names = AutoConfig.from_pretrained(self.model_path).id2label or {}
        return [str(names[place]) for place in sorted(names)]


def _box(one: Mapping[str, Any], label: str, actual: bool = False) -> Box:
    left, top, right, bottom = one["box"]
    return Box(left, top, right, bottom, label, actual)


def _reference(one: Mapping[str, Any], with_mask: bool) -> dict[str, Any]:
    box = [float(edge) for edge in one["box"]]
    area = one.get("area")
    size = (box[2] - box[0]) * (box[3] - box[1])
    shape = (one.get("shape") if with_mask else None) or {"counts": None}
    mask = {} if shape["counts"] is None else {
        "mask": {"size": list(shape["size"]), "counts": shape["counts"]}
    }  # fmt: skip
    return {
        "box": box,
        "label": str(one["label"]),
        "crowd": bool(one.get("crowd")),
        "area": size if area is None else float(area),
        **mask,
    }


def _targets(ids: Mapping[str, int], target: str, batch: Batch) -> dict[str, list[Any]]:
    if target not in batch:
        return {}
    known = [[one for one in objects or () if str(one["label"]) in ids]
             for objects in batch[target]]  # fmt: skip
    return {
        "boxes": [[list(map(float, one["box"])) for one in row] for row in known],
        "class_labels": [[ids[str(one["label"])] for one in row] for row in known],
        "crowd": [[bool(one.get("crowd")) for one in row] for row in known],
    }
