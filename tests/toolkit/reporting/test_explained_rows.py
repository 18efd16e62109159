"""Explanations in the report: what is marked, what is left out, and what older runs have."""

from __future__ import annotations

import json
from types import SimpleNamespace

import hostile
import numpy as np
import pytest
import report_folders
from PIL import Image

from toolkit.errors import UserError
from toolkit.evaluation.explanations import Stopwatch
from toolkit.reporting import explanations, html
from toolkit.reporting.html.explanations import marked
from toolkit.reporting.images import heat_map

NAMES = ("a", "b")
PART = {"column": "text", "of": "a", "contribution": 2.0, "start": 0, "end": 4, "text": "spam"}


def run_with(folder, found):
    pairs = report_folders.classified(NAMES, 60)
    wrong = [n for n, (p, actual) in enumerate(pairs) if p["label"] != actual][:3]
    rows = {str(n): {"cells": {"text": "spam and eggs"}} for n in wrong}
    run = report_folders.folder(folder, pairs, {"kinds": {"mistakes": wrong}, "rows": rows})
    if found is not None:
        whole = {"scores": {"a": 1.0}, "texts": {"text": "spam and eggs"}, "parts": found}
        (run.path / explanations.FILE).write_text(json.dumps({"rows": {str(wrong[0]): whole}}))
    return run


def test_words_are_marked_in_their_text(tmp_path):
    against = {**PART, "contribution": -1.0, "start": 9, "end": 13, "text": "eggs"}
    faint = {**PART, "contribution": 0.01, "start": 5, "end": 8, "text": "and"}
    page = html.write(run_with(tmp_path / "run", [PART, against, faint])).read_text()
    assert '<mark class="for" style="--weight:100%">spam<small>+2.00</small></mark> and' in page
    assert '<mark class="against" style="--weight:50%">eggs' in page
    assert "Marked is what moved the prediction" in page


def test_a_run_of_before_has_its_report_and_a_damaged_file_is_named(tmp_path):
    run = run_with(tmp_path / "run", None)
    assert "moved the prediction" not in html.write(run).read_text()
    (run.path / explanations.FILE).write_text('{"rows": 3}')
    with pytest.raises(UserError, match="explanations.json is damaged"):
        html.write(run)


def test_text_from_outside_marks_up_nothing(tmp_path):
    text = f"{hostile.LABEL} {hostile.COLUMN}"
    part = {**PART, "end": 40, "of": hostile.LABEL, "column": hostile.COLUMN, "text": text}
    whole = {**part, "start": None, "end": None, "text": None, "value": hostile.NAME}
    row = explanations.Row(scores={hostile.LABEL: 1.0}, texts={hostile.COLUMN: text},
                           parts=[part, whole])  # fmt: skip
    made = str(marked(row))
    assert "<script" not in made
    assert "<img" not in made
    assert "<b>" not in made
    assert not hostile.OBEYED.search(made)


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://example.org/x.png"])
def test_a_picture_is_no_address(address):
    with pytest.raises(ValueError, match="picture"):
        explanations.Row(picture=address)


def test_there_is_a_limit_of_time(finished, monkeypatch):
    run = finished("text-classification")
    made, passed = iter(range(100)), iter(range(50))
    monkeypatch.setattr(Stopwatch, "seconds", lambda _: next(passed))
    assert len(list(explanations._within(3.5, made, 0.0))) == 4
    assert list(explanations._within(3.0, made, 1.0)) == []  # a row would take 20 s
    assert explanations.pace(run.record) > 0


def test_a_model_in_parts_is_not_explained(tmp_path):
    record = {"speed": {"train_seconds": 1.0}}
    (tmp_path / "logs").mkdir()
    folder = SimpleNamespace(path=tmp_path, record=record)
    explanations.write_explanations(None, None, folder, {"mistakes": [1]}, sharded=True)
    found = explanations.read_explanations(tmp_path)
    assert "predict --explain" in found.rows_note


def test_the_run_has_explained_its_mistakes(finished):
    run = finished("fraud-detection")
    found = explanations.read_explanations(run.path)
    kinds = json.loads((run.path / "logs" / "examples.json").read_text())["kinds"]
    assert found.rows
    assert set(found.rows) <= {str(row) for row in kinds["mistakes"]}
    assert "for “" in run.report.read_text()


def test_patches_are_shaded_and_signed():
    import base64
    import io

    image, file = Image.new("RGB", (40, 40), "grey"), io.BytesIO()
    image.save(file, "PNG")
    patches = [((0, 0, 20, 20), 2.0), ((20, 20, 40, 40), -2.0), ((20, 0, 40, 20), 0.1)]
    data = heat_map(file.getvalue(), patches).partition(",")[2]
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int)
    red, _, blue = seen[8, 8]
    assert red > blue + 40  # orange
    red, _, blue = seen[-8, -8]
    assert blue > red + 40
    red, _, blue = seen[8, -8]
    assert abs(red - blue) < 10
