"""One finished run of each scenario: made once, and read by all tests that need one.

A test asks for it by the fixture `finished`; its rows lie in the folder `in` beside it. Whoever
changes something of it copies it first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from text_rows import sentences, tiny_bert

PAYMENTS = {
    "data.source": "plugin:card-payments?customers=120&terminals=60&days=50",
    "model.from_config.hidden_size": 8,
    "model.from_config.num_hidden_layers": 1,
    "training.num_train_epochs": 1,
    "training.per_device_train_batch_size": 512,
}
PICTURES = {
    "options.size": 24,
    "options.augment": {"flip": "both", "shift": 0.1},
    "training.num_train_epochs": 4,
    "training.learning_rate": 0.01,
    "training.per_device_train_batch_size": 16,
}
BOXES = {
    "options.augment": {"flip": "both"},
    "training.num_train_epochs": 6,
    "training.learning_rate": 4e-3,
    "training.per_device_train_batch_size": 6,
    "training.max_grad_norm": 0.1,
}
MASKS = {
    "options.augment": {"flip": "both"},
    "training.num_train_epochs": 8,
    "training.learning_rate": 0.01,
    "training.per_device_train_batch_size": 4,
}
QUESTIONS = {
    "training.num_train_epochs": 12,
    "training.learning_rate": 3e-3,
    "training.per_device_train_batch_size": 16,
    "training.bf16": False,
    "method.embeddings": "train",
}
SUMMARIES = {
    "training.num_train_epochs": 4,
    "training.learning_rate": 5e-3,
    "training.per_device_train_batch_size": 8,
    "training.bf16": False,
    "method.embeddings": "train",
}
TRANSLATIONS = {
    "training.num_train_epochs": 4,
    "training.learning_rate": 1e-3,
    "training.per_device_train_batch_size": 16,
}
TEXTS = {
    "training.num_train_epochs": 15,
    "training.learning_rate": 5e-3,
    "training.per_device_train_batch_size": 8,
}
ENTITIES = {
    "data.split": {},
    "training.num_train_epochs": 12,
    "training.learning_rate": 5e-3,
    "training.per_device_train_batch_size": 16,
    "method": {"name": "full"},
}
Asked = tuple[str, dict[str, Any]]


def texts(folder: Path) -> Asked:
    """Ask for a run whose test split shares a row with train, but for its letters' case."""
    rows = sentences(200)
    first, label = rows[0]
    for name, part in {
        "train": rows[:140],
        "dev": rows[140:160],
        "test": [*rows[160:], (f"{first.upper()}!", label)],
    }.items():
        lines = "\n".join(json.dumps({"text": t, "label": y, "n": len(t) % 2}) for t, y in part)
        (folder / f"{name}.jsonl").write_text(lines)
    given = {"data": folder, "model": tiny_bert(folder.parent / "model")}
    return "text-classification", {**given, "settings": {**TEXTS, "report.slices": ["n"]}}


def answers(folder: Path) -> Asked:
    """Ask for a run that learns which questions have an answer."""
    from qa_rows import questions, tiny_qa, written

    given = {"data": written(folder / "rows.jsonl", questions(320)),
             "model": tiny_qa(folder.parent / "model")}  # fmt: skip
    more = {"data.split.group": "context", "report.slices": ["id"]}
    return "question-answering", {**given, "settings": {**QUESTIONS, **more}}


def entities(folder: Path) -> Asked:
    """Ask for a run that learns to find people and places."""
    from entity_rows import sentences, tiny_tagger, written

    given = {"data": written(folder / "rows.jsonl", sentences(280)),
             "model": tiny_tagger(folder.parent / "model")}  # fmt: skip
    return "token-classification/wnut17", {
        **given, "settings": {**ENTITIES, "report.slices": ["n"]},
    }  # fmt: skip


def summaries(folder: Path) -> Asked:
    """Ask for a run that learns which sentence has the sign."""
    import summary_rows

    data = summary_rows.written(folder / "rows.jsonl", summary_rows.documents(160))
    given = {"data": data, "model": summary_rows.tiny_reader(folder.parent / "model")}
    return "summarization", {**given, "settings": {**SUMMARIES, "report.slices": ["topic"]}}


def translations(folder: Path) -> Asked:
    """Ask for a run from scratch that does not learn much in the seconds that it has."""
    import pair_rows

    rows = pair_rows.written(folder / "rows.jsonl", pair_rows.pairs(200))
    recipe = folder / "words.yaml"
    recipe.write_text(json.dumps({
        "scenario": "translation", "description": "Word for word.",
        "model": {"from_config": pair_rows.config("marian")}, "data": {"source": str(rows)},
        "options": {"vocab_size": 300, "max_source_length": 24, "max_target_length": 12},
    }))  # fmt: skip
    return str(recipe), {"settings": TRANSLATIONS}


def photos(folder: Path) -> Asked:
    """Ask for a run from scratch on sixty pictures of each of two classes."""
    import image_rows

    image_rows.folder(folder / "photos", dict.fromkeys(image_rows.CLASSES, 60))
    recipe = folder / "bars.yaml"
    recipe.write_text(json.dumps({
        "scenario": "image-classification", "description": "Bars.",
        "model": {"from_config": image_rows.TINY}, "options": {"size": 24},
        "data": {"source": str(folder / "photos"), "split": {"stratify": True}},
    }))  # fmt: skip
    rule = {"options.operating_point": "sensitivity >= 0.9", "options.positive": "lying"}
    return str(recipe), {"settings": {**PICTURES, **rule, "report.slices": ["label"]}}


def boxes(folder: Path) -> Asked:
    """Ask for a run from scratch on images with two kinds of objects."""
    import object_rows

    source = object_rows.coco(folder / "scenes", 60)
    recipe = object_rows.recipe(folder / "squares.yaml", source)
    return recipe, {"settings": {**BOXES, "data.split.test": 0.3}}


def masks(folder: Path) -> Asked:
    """Ask for a run from scratch on images with masks."""
    import mask_rows

    recipe = folder / "discs.yaml"
    recipe.write_text(json.dumps({
        "scenario": "image-segmentation", "description": "Discs.",
        "model": {"from_config": mask_rows.TINY}, "data": {
            "source": str(mask_rows.folder(folder / "scenes", 60)), "split": {"test": 0.3}},
    }))  # fmt: skip
    return str(recipe), {"settings": MASKS}


def payments(folder: Path) -> Asked:
    """Ask for a run from scratch on simulated payments."""
    return "fraud-detection", {"settings": {**PAYMENTS, "report.slices": ["channel"]}}


#: scenario -> the name of its run's folder, and what asks for the run.
RUNS: dict[str, tuple[str, Callable[[Path], Asked]]] = {
    "text-classification": ("tickets", texts),
    "image-classification": ("photos", photos),
    "image-segmentation": ("scenes", masks),
    "object-detection": ("squares", boxes),
    "question-answering": ("answers", answers),
    "summarization": ("summaries", summaries),
    "fraud-detection": ("payments", payments),
    "token-classification": ("names", entities),
    "translation": ("words", translations),
}


def make(scenario: str, folder: Path) -> None:
    """Make the run of a scenario, below a folder."""
    import toolkit

    name, asks = RUNS[scenario]
    (folder / "in").mkdir()
    recipe, given = asks(folder / "in")
    toolkit.run(recipe, out=folder / name, **given)
