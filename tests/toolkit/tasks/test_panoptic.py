"""Segments from masks with a class each, and what any scenario of segments has."""

from __future__ import annotations

import io
from typing import Annotated

import datasets
import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from toolkit import Column, Options
from toolkit.evaluation import panoptic_files
from toolkit.evaluation.metrics import mask_overlap
from toolkit.plugin_types import BaselineData
from toolkit.tasks.masks import segments
from toolkit.tasks.masks.panoptic import PanopticPlugin
from toolkit.tasks.masks.segments import Segment, Segments, segments_of

SIZE = (384, 384)  # at which transformers decides masks


def blocks(rng, count):
    """Return logits of masks (count, 24, 24): blocks that overlap, far from 0."""
    masks = torch.full((count, 24, 24), -9.0)
    for mask in masks:
        top, left = rng.integers(0, 16, 2)
        mask[top : top + 8, left : left + 8] = 9.0
    return masks


def test_segments_are_those_of_transformers_where_all_pixels_are_decided():
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(20):
        masks = torch.cat([torch.full((1, 24, 24), 1.0), blocks(rng, 5)])  # something is everywhere
        classes = torch.full((6, 4), -4.0)
        for place, kind in enumerate([0, *rng.integers(1, 4, 5)]):
            classes[place, kind] = 4.0 + place / 10  # 3: none of the classes
        outputs = transformers.utils.ModelOutput(class_queries_logits=classes[None],
                                                 masks_queries_logits=masks[None])  # fmt: skip
        (theirs,) = transformers.Mask2FormerImageProcessorPil().post_process_panoptic_segmentation(
            outputs, label_ids_to_fuse=set(), target_sizes=[SIZE]
        )
        found = segments_of(classes, masks, SIZE, stuff=())
        assert (found.ids == theirs["segmentation"].numpy()).all()
        assert [one.kind for one in found.segments] == [
            one["label_id"] for one in theirs["segments_info"]
        ]
        for one, other in zip(found.segments, theirs["segments_info"], strict=True):
            assert one.score == pytest.approx(other["score"], abs=1e-5)
            assert one.area == (found.ids == one.number).sum()
        told += len(found.segments)
    assert told > 40


def logits(*rows):
    """Return logits of classes whose probabilities are nearly these."""
    return torch.tensor(rows).clamp(min=1e-6).log()


def test_masks_of_stuff_are_one_segment_and_ids_stay_apart():
    masks = torch.full((3, 8, 8), -9.0)
    masks[0, :3], masks[1, 3:5], masks[2, 5:] = 9.0, 9.0, 9.0
    classes = logits([0.9, 0.05, 0.05], [0.05, 0.8, 0.15], [0.95, 0.02, 0.03])
    found = segments_of(classes, masks, (8, 8), stuff={0})
    assert [(one.number, one.kind, one.area) for one in found.segments] == [(1, 0, 48), (2, 1, 16)]
    assert found.segments[0].score == pytest.approx(0.95, abs=1e-3)
    assert (found.ids[[0, 7]] == 1).all()
    assert (found.ids[3:5] == 2).all()


def test_what_is_below_the_threshold_covered_or_improbable_is_no_segment():
    masks = torch.full((3, 8, 8), -9.0)
    masks[0, :4], masks[1, 2:4], masks[2, 6:] = 9.0, 9.0, -0.1
    classes = logits([0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.05, 0.9, 0.05])
    found = segments_of(classes, masks, (8, 8), stuff=())
    assert [(one.kind, one.area) for one in found.segments] == [(1, 16)]  # of mask 0 half is left
    assert not found.ids[4:].any()  # mask 2 has less than 0.5 everywhere
    assert not segments_of(classes, masks, (8, 8), stuff=(), threshold=0.95).segments


@pytest.mark.parametrize("size", [(40, 30), (3, 5)])
def test_strips_give_what_the_whole_gives(monkeypatch, size):
    from toolkit.tasks.masks import decoding

    generator = torch.Generator().manual_seed(0)
    masks, classes = (torch.randn(*shape, generator=generator) * 3 for shape in ((6, 9, 9), (6, 4)))
    whole = segments_of(classes, masks, size, stuff={1}, threshold=0.3)
    monkeypatch.setattr(decoding, "AT_ONCE", 6 * size[1])  # a row at a time
    found = segments_of(classes, masks, size, stuff={1}, threshold=0.3)
    assert (found.ids != whole.ids).mean() < 0.01
    assert [one.kind for one in found.segments] == [one.kind for one in whole.segments]


def prediction(ids, *rows):
    listed = [{"id": number, "label": label, "score": score, "isthing": True,
               "area": int((ids == number).sum())} for number, label, score in rows]  # fmt: skip
    return {"mask": panoptic_files.encode(ids), "segments": listed}


def test_predictions_are_the_same_but_for_rounding():
    ids = np.zeros((40, 40), np.int32)
    ids[:20], ids[20:, :20] = 1, 2
    one = prediction(ids, (1, "a", 0.9), (2, "b", 0.8))
    swapped = np.choose(ids, [0, 2, 1]).astype(np.int32)
    assert segments.same(one, prediction(swapped, (1, "b", 0.805), (2, "a", 0.9)), 0.5)
    edge = ids.copy()
    edge[20, 20:30] = 1
    assert segments.same(one, prediction(edge, (1, "a", 0.9), (2, "b", 0.8)), 0.5)
    for other in (
        prediction(swapped, (1, "a", 0.9), (2, "b", 0.8)),  # the labels of other places
        prediction(ids, (1, "a", 0.9), (2, "b", 0.7)),
        prediction(np.where(ids == 2, 0, ids), (1, "a", 0.9)),
        prediction(ids[:30], (1, "a", 0.9), (2, "b", 0.8)),
    ):
        assert not segments.same(one, other, 0.5)
    near = prediction(ids, (1, "a", 0.9), (2, "b", 0.505))
    assert segments.same(near, prediction(np.where(ids == 2, 0, ids), (1, "a", 0.9)), 0.5)


class SceneOptions(Options):
    image: Annotated[str, Column("input", files=(".png",))] = "image"
    segments: Annotated[str, Column("target", "list")] = "segments"


class Plugin(PanopticPlugin[SceneOptions]):
    Options = SceneOptions

    def load_model(self):
        raise NotImplementedError


@pytest.fixture
def plugin(tmp_path):
    """Return a plugin whose rows have sky above ground, and a car at the lower left."""

    def row(wide):
        ids = np.zeros((20, 20), np.int32)
        ids[:12], ids[12:] = 1, 2
        ids[14:, :wide] = 3
        file = io.BytesIO()
        Image.fromarray(np.full((20, 20, 3), 7, np.uint8)).save(file, "PNG")
        labels = {1: "sky", 2: "ground", 3: "car"}
        objects = [{"box": [0.0, 0, 20, 20], "label": label, "crowd": False, "thing": number == 3,
                    "area": float((ids == number).sum()),
                    "shape": mask_overlap.encoded(ids == number)}
                   for number, label in labels.items()]  # fmt: skip
        return {"image": file.getvalue(), "segments": objects}

    transformers.SegformerConfig().save_pretrained(tmp_path)
    plugin = Plugin()
    plugin.model_path = tmp_path
    plugin.options = SceneOptions()
    rows = datasets.Dataset.from_list([row(wide) for wide in (6, 7, 8, 7)])
    plugin.data = datasets.DatasetDict(train=rows, test=rows)
    return plugin


def test_baselines_predict_segments(plugin):
    assert list(plugin.classes) == ["car", "ground", "sky"]
    order = np.arange(4)
    rows = plugin.data["train"]
    data = BaselineData(rows, rows, rows, rows, order, order)
    found = {one.name: one.run(data, 20).predictions for one in plugin.baselines()}
    assert list(found) == ["majority_stuff", "position_majority"]
    (only,) = found["majority_stuff"][0]["segments"]
    assert (only["label"], only["isthing"], only["area"]) == ("sky", False, 400)
    labels = [one["label"] for one in found["position_majority"][0]["segments"]]
    assert sorted(labels) == ["car", "ground", "sky"]
    references = plugin.references(plugin.data["test"].to_list())
    scores = {name: plugin.metrics()["pq"].compute(predictions=rows, references=references)["pq"]
              for name, rows in found.items()}  # fmt: skip
    assert scores["majority_stuff"] < 0.3 < 0.8 < scores["position_majority"]


def test_connected_parts_of_things_are_segments_and_specks_are_none(plugin):
    view = next(iter(plugin.baselines())).plugin
    mask = np.ones((100, 100), np.uint8)
    mask[:20, :20] = mask[50:60] = 0
    mask[99, 99] = 0
    found = view.prediction(mask, 0.7)
    assert [(one["label"], one["area"]) for one in found["segments"]] == [
        ("car", 400), ("car", 1000), ("ground", 8599),
    ]  # fmt: skip


def test_tables_figures_and_worst_rows(plugin):
    rows = plugin.data["test"].to_list()
    references = plugin.references(rows)
    right = np.zeros((20, 20), np.int32)
    right[:12], right[12:], right[14:, :7] = 1, 2, 3
    names = [list(plugin.classes).index(name) for name in ("sky", "ground", "car")]
    found = Segments(right, [Segment(place + 1, kind, 0.9, int((right == place + 1).sum()))
                             for place, kind in enumerate(names)])  # fmt: skip
    nothing = plugin.prediction(Segments(np.zeros((20, 20), np.int32), []))
    predictions = [plugin.prediction(found), plugin.prediction(found), nothing,
                   plugin.prediction(found)]  # fmt: skip
    tables = plugin.tables(zip(predictions, references, strict=True))
    by_class = {row[0]: row for row in tables["classes"].rows}
    assert by_class["sky"][1:] == ["stuff", 3 / 3.5, 1.0, 3 / 3.5, 3, 0, 1, 4]
    assert [row[0] for row in tables["things and stuff"].rows] == ["all", "things", "stuff"]
    assert plugin.galleries(predictions)["worst"] == [2, 0]
    (curve,) = plugin.figures(predictions).values()
    assert curve.lines["images"][-1] == (1.0, 0.5)
    assert plugin.decision_margin(predictions[0]) == pytest.approx(0.4)
    assert plugin.explained_scores(predictions[0]).keys() == {"sky", "ground", "car"}
