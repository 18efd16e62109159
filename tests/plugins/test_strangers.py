"""Classes, files and columns with hostile names, through a whole run of each scenario."""

from __future__ import annotations

import json
from pathlib import Path

import image_rows
import numpy as np
import pytest
from hostile import COLUMN, LABEL, NAME, OBEYED, assert_no_markup, assert_plain_picture, ran
from PIL import Image
from qa_rows import questions, written
from toolkit_plugins.vision import contact_sheet

FOLDER = LABEL.replace("/", "") + "\nsecond line"  # no folder's name holds a slash
ONE_STEP = ["--set", "training.max_steps=1", "--set", "training.num_train_epochs=1"]


def pictures(here: Path) -> list[str]:
    """Two hostile classes, one picture that is none, and classes that only test has."""
    counts = {"plain": 20, FOLDER: 20}
    for split, seed in (("train", 0), ("test", 1)):
        root = image_rows.folder(here / "photos" / split, counts, seed)
        (root / FOLDER / f"{NAME}.png").write_bytes(b"none")
    image_rows.folder(here / "photos" / "test", {FOLDER + "2": 2}, 2)
    return ["image-classification", "--data", "photos", "--set", "options.on_corrupt=skip",
            "--set", "options.size=24", "--set", "report.slices=[label]"]  # fmt: skip


def asked(here: Path) -> list[str]:
    """Hostile columns of question, context, answer and slice, and answers and slices, too."""
    names = {"question": f"{COLUMN} q", "context": f"{COLUMN} c", "answers": f"{COLUMN} a"}
    rows = []
    for row in questions(80):
        if row["answers"]["text"]:
            row["context"] += f" {LABEL}"
            row["answers"] = {"text": [LABEL], "answer_start": [row["context"].index(LABEL)]}
        rows.append({**{names[key]: row[key] for key in names}, COLUMN: f"{LABEL} {len(rows) % 2}"})
    written(here / "rows.jsonl", rows)
    from qa_rows import tiny_qa

    block = {"options": names, "report": {"slices": [COLUMN]},
             "data": {"source": "rows.jsonl", "split": {"group": COLUMN + " q"}}}  # fmt: skip
    return [recipe(here, {"include": "question-answering", **block}),
            "--model", str(tiny_qa(here / "model"))]  # fmt: skip


def payments(here: Path) -> list[str]:
    """Hostile columns of time, amount, card, kind and label, and hostile values of the last two."""
    rows = [
        {f"{COLUMN} time": f"2024-{n // 240 + 1:02d}-{n // 8 % 28 + 1:02d}T{n % 8 + 8:02d}:00:00",
         f"{COLUMN} card": n % 7, f"{COLUMN} amount": 10.0 + n * 7 % 50,
         f"{COLUMN} kind": f"{LABEL} {n % 3}", f"{COLUMN} left": f"{NAME} {n}",
         f"{COLUMN} fraud": LABEL if n % 6 == 0 else "no"}
        for n in range(460)
    ]  # fmt: skip
    written(here / "rows.jsonl", rows)
    block = {"data": {"source": "rows.jsonl", "split": {"time": f"{COLUMN} time", "gap": "1d"}},
             "options": {"label_delay": "1d", "fraud": LABEL}}  # fmt: skip
    return [recipe(here, {"include": "fraud-detection", **block}),
            "--set", "model.from_config.hidden_size=8"]  # fmt: skip


def recipe(here: Path, block: dict) -> str:
    """Write a recipe of a hostile name, and return its path."""
    (here / f"{NAME}.yaml").write_text(json.dumps(block), encoding="utf-8")
    return f"{NAME}.yaml"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "noted"),
    [
        (pictures, [f"{NAME}.png", "has classes that train lacks"]),
        (asked, ["questions have no answer"]),
        (payments, [f"entities=[{COLUMN} card]", f"left out: {COLUMN} left"]),
    ],
    ids=["pictures", "questions", "payments"],
)
def test_what_is_hostile_is_shown_and_never_obeyed(made, noted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = ran("run", *made(tmp_path), *ONE_STEP, "--out", "run")
    assert not OBEYED.search(said)
    run = tmp_path / "run"
    assert_no_markup((run / "README.md").read_text(encoding="utf-8"))
    notes = "\n".join(json.loads((run / "run.json").read_text())["data"]["notes"])
    assert not [part for part in noted if part not in notes], notes  # as they are, in the record
    assert "\x1b" in notes or made is asked
    drawn = list((run / "figures").iterdir())
    assert drawn
    for path in drawn:
        assert not OBEYED.search(path.name)
        if path.suffix == ".svg":
            assert_plain_picture(path.read_text(encoding="utf-8"))
        elif path.suffix == ".png":
            with Image.open(path) as image:
                assert "alert" not in str(image.info)


def test_a_caption_stays_in_its_line():
    """A class's name must not write over the pictures below, nor end the drawing."""
    tile = np.zeros((8, 8, 3), "uint8")
    step = contact_sheet.SIDE + contact_sheet.LINE + 6
    below = (contact_sheet.SIDE + 8, 4 + step, contact_sheet.COLUMNS * contact_sheet.SIDE, 2 * step)
    blank = contact_sheet.sheet([tile] * 9, [""] * 9).crop(below).tobytes()
    for text in ("a\nb\nc\nd", "\x1b[31m\n", "\u202efed", "\ud800", "日本語", "x" * 9999):
        drawn = contact_sheet.sheet([tile] * 9, [text] * 9)
        assert drawn.crop(below).tobytes() == blank, repr(text[:9])
        assert drawn.tobytes() != contact_sheet.sheet([tile] * 9, [""] * 9).tobytes()
