"""A small run of every built-in scenario, by every method that is promised to resume exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import entity_rows
import image_rows
import instance_rows
import mask_rows
import object_rows
import pair_rows
import segment_rows
import summary_rows
from qa_rows import questions, tiny_qa, written
from text_rows import sentences, tiny_bert

from toolkit.testing.interruptions import undisturbed

METHODS = ("full", "lora", "head")
#: Scenario and method that cannot be had together.
UNFIT = {("translation", "head")}
PAYMENTS = "plugin:card-payments?customers=20&terminals=15&days=50"
#: All that is drawn at random while pictures are changed and mixed.
AUGMENT = {"flip": "both", "crop": 0.6, "policy": "trivial_augment", "mixup": 0.2, "cutmix": 1.0,
           "random_erasing": 0.3}  # fmt: skip

MOVED = {"flip": "both", "crop": 0.6, "zoom_out": 2.0, "rotate": 20, "shift": 0.1, "colour": 0.2,
         "mosaic": 0.5, "noise": 0.05}  # fmt: skip
UNMIXED = {**MOVED, "mosaic": None}


def arguments(scenario: str, method: str, folder: Path, **training: Any) -> list[str]:
    """Write rows and a tiny pretrained model; return the arguments of `toolkit run` but for --out.

    Args:
        scenario: its name, or a key of KINDS.
        training: settings that win over the usual ones: three epochs of some ten steps.
    """
    kept = folder / "small.json"  # what is there already is only read
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        data, model, own = {**SCENARIOS, **KINDS}[scenario](folder)
        kept.write_text(json.dumps([data, str(model), own]))
    data, model, own = json.loads(kept.read_text())
    scenario = scenario.partition("/")[0]
    usual = {"num_train_epochs": 3, "per_device_train_batch_size": 8, "learning_rate": 1e-3}
    given = {**usual, **own.pop("training", {}), **training}
    settings = [part for key, value in own.items()
                for part in ("--set", f"{key}={json.dumps(value)}")]  # fmt: skip
    return [
        scenario, "--quiet", "--data", data, "--model", model, "--method", method,
        "--set", f"training={json.dumps(given)}", *settings,
    ]  # fmt: skip


Small = tuple[str, Path, dict[str, Any]]


def _texts(folder: Path) -> Small:
    lines = "\n".join(f"{text},{label}" for text, label in sentences(120))
    (folder / "rows.csv").write_text(f"text,label\n{lines}\n")
    return str(folder / "rows.csv"), tiny_bert(folder / "model"), {}


def _questions(folder: Path) -> Small:
    rows = written(folder / "rows.jsonl", questions(110))
    return str(rows), tiny_qa(folder / "model"), {"data.split.group": "id"}


def _entities(folder: Path) -> Small:
    rows = entity_rows.written(folder / "rows.jsonl", entity_rows.sentences(110, seed=1))
    return str(rows), entity_rows.tiny_tagger(folder / "model"), {}


def _summaries(folder: Path) -> Small:
    rows = summary_rows.written(folder / "rows.jsonl", summary_rows.documents(80))
    return str(rows), summary_rows.tiny_reader(folder / "model"), {}


def _pictures(folder: Path) -> Small:
    photos = image_rows.folder(folder / "photos", dict.fromkeys(image_rows.CLASSES, 60))
    own = {"options.size": 24, "options.augment": AUGMENT}
    return str(photos), image_rows.tiny_vit(folder / "model"), own


def _masks(folder: Path) -> Small:
    own = {"options.size": 32, "options.augment": MOVED}
    return (
        str(mask_rows.folder(folder / "scenes", 60)),
        mask_rows.tiny_segformer(folder / "model"),
        own,
    )


def _tiles(folder: Path) -> Small:
    own = {"options.tiles": {"size": 64}, "options.augment": MOVED}
    scenes = mask_rows.folder(folder / "scenes", 24, size=(96, 96))
    return str(scenes), mask_rows.tiny_segformer(folder / "model"), own


def _query_masks(folder: Path) -> Small:
    own = {"options.size": 64, "options.augment": MOVED}
    scenes = mask_rows.folder(folder / "scenes", 40)
    model = instance_rows.tiny(folder / "model", instance_rows.TINY, mask_rows.CLASSES)
    return str(scenes), model, own


def _instances(folder: Path) -> Small:
    own = {"options.kind": "instance", "options.size": 64, "options.augment": UNMIXED}
    model = instance_rows.tiny(folder / "model", instance_rows.TINY)
    return str(instance_rows.folder(folder / "scenes", 40)), model, own


def _segments(folder: Path) -> Small:
    own = {"options.kind": "panoptic", "options.size": 64, "options.augment": UNMIXED,
           "options.threshold": 0.3}  # fmt: skip
    model = instance_rows.tiny(folder / "model", instance_rows.EOMT, segment_rows.NAMES)
    return str(segment_rows.folder(folder / "scenes", 40)), model, own


def _objects(folder: Path) -> Small:
    scenes = object_rows.coco(folder / "scenes", 60)
    own = {"options.size": object_rows.SIDE, "options.augment": MOVED}
    return str(scenes), object_rows.tiny_detector(folder / "model"), own


def _payments(folder: Path) -> Small:
    before = folder / "pretrained"
    if not (before / "model").exists():
        # In a process of its own: polars has threads, which no fork survives.
        assert undisturbed([
            "fraud-detection/pretrain", "--quiet", "--data", PAYMENTS, "--out", str(before),
            "--set", "model.from_config.hidden_size=8",
            "--set", "model.from_config.num_hidden_layers=1", "--set", "training.max_steps=1",
        ]) == 0  # fmt: skip
    return PAYMENTS, before / "model", {"training": {"per_device_train_batch_size": 64}}


def _pairs(folder: Path) -> Small:
    rows = pair_rows.written(folder / "rows.jsonl", pair_rows.pairs(110))
    own = {"options.max_source_length": 24, "options.max_target_length": 8,
           "options.generation.num_beams": 2}  # fmt: skip
    return str(rows), pair_rows.tiny("t5", folder / "model", initializer_factor=1.0), own


SCENARIOS: Mapping[str, Any] = {
    "text-classification": _texts,
    "question-answering": _questions,
    "summarization": _summaries,
    "image-classification": _pictures,
    "image-segmentation": _masks,
    "object-detection": _objects,
    "fraud-detection": _payments,
    "token-classification": _entities,
    "translation": _pairs,
}
#: Other forms of a scenario's runs.
KINDS: Mapping[str, Any] = {
    "image-segmentation/tiles": _tiles,
    "image-segmentation/queries": _query_masks,
    "image-segmentation/instance": _instances,
    "image-segmentation/panoptic": _segments,
}
