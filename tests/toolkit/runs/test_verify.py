"""The proof that what was saved is what was scored."""

from __future__ import annotations

import io
import json
import math
import signal
import subprocess
import sys
import time
import wave
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from text_rows import sentences

import toolkit
from toolkit.errors import Interrupted, ReloadError
from toolkit.plugin import Plugin
from toolkit.plugin_types import NoOptions, PredictionFile
from toolkit.runs import verify


class Bare(Plugin[NoOptions]):
    def load_model(self):
        raise AssertionError("never called")


PLUGIN = Bare()


def prediction(**scores):
    return {"label": max(scores, key=scores.get), "scores": scores}


def png(ones):
    """A mask of 20 x 20 pixels, some of which are 1."""
    file, pixels = io.BytesIO(), np.zeros(400, np.uint8)
    pixels[:ones] = 1
    Image.fromarray(pixels.reshape(20, 20)).save(file, "PNG")
    return PredictionFile(".png", file.getvalue())


def wav(height):
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(np.array([0, height, -height, 8000], "<i2").tobytes())
    return PredictionFile(".wav", file.getvalue())


@pytest.mark.parametrize(
    ("saved", "loaded", "different"),
    [
        (prediction(a=0.9, b=0.1), prediction(a=0.9, b=0.1), 0),
        (prediction(a=0.9, b=0.1), prediction(a=0.895, b=0.105), 0),
        (prediction(a=0.9, b=0.1), prediction(a=0.88, b=0.12), 1),
        (prediction(a=0.5003, b=0.4997), prediction(a=0.4998, b=0.5002), 0),
        (prediction(a=0.504, b=0.496), prediction(a=0.496, b=0.504), 1),
        ({"text": "x"}, {"text": "y"}, 1),
        ({"boxes": [[1.0, 2.0]]}, {"boxes": [[1.0, 2.0], [3.0, 4.0]]}, 1),
        ({"score": math.nan}, {"score": math.nan}, 0),
        ({"score": 0.5}, {"score": math.nan}, 1),
        ({"yes": True}, {"yes": False}, 1),
        ({"a": 1.0}, {"b": 1.0}, 1),
        ({"start": 3}, {"start": 4}, 1),
        # Sizes count: what is a rounding of a large number is another small one.
        ({"value": 123456.70}, {"value": 123456.72}, 0),
        ({"value": 123456.70}, {"value": 124456.70}, 1),
        ({"value": 0.004}, {"value": -0.005}, 1),
        ({"value": 0.5}, {"value": 0.507}, 1),
        ({"score": 0.5}, {"score": 0.507}, 0),
        ({"shares": {"a": 0.5, "b": 0.5}}, {"shares": {"a": 0.507, "b": 0.493}}, 0),
        ({"forecast": [1e5, 0.001]}, {"forecast": [1e5 + 2, 0.02]}, 0),
        ({"boxes": [[10.0, 20.0, 30.0, 400.0]]}, {"boxes": [[10.2, 20.1, 30.0, 400.3]]}, 0),
        ({"boxes": [[10.0, 20.0, 30.0, 400.0]]}, {"boxes": [[12.0, 20.0, 30.0, 400.0]]}, 1),
        ({"mask": png(0)}, {"mask": png(1)}, 0),
        ({"mask": png(0)}, {"mask": png(90)}, 1),
        ({"sound": wav(1000)}, {"sound": wav(1001)}, 0),
        ({"sound": wav(1000)}, {"sound": wav(1100)}, 1),
        ({"start": 3, **prediction(a=0.5003, b=0.4997)},
         {"start": 4, **prediction(a=0.4998, b=0.5002)}, 0),
    ],
)  # fmt: skip
def test_a_prediction_is_the_same_within_the_promised_tolerance(saved, loaded, different):
    found = verify.compare(PLUGIN, [saved], [loaded])
    assert (found.compared, found.different) == (1, different)


class Keyed(Bare):
    def decision_margin(self, prediction):
        return {"": prediction["score"], "others": 0.0}


@pytest.mark.parametrize(
    ("saved", "loaded", "different"),
    [
        ({"score": 0.5, "others": [1, 2]}, {"score": 0.5, "others": [2]}, 0),
        ({"score": 0.5, "text": "x", "others": []}, {"score": 0.5, "text": "y", "others": []}, 1),
        ({"score": 0.0, "text": "x", "others": []}, {"score": 0.0, "text": "y", "others": []}, 0),
        ({"score": 0.5, "others": [0.1]}, {"score": 0.5, "others": [0.2]}, 1),
        ({"score": 0.5, "others": []}, {"score": 0.5, "text": "y", "others": []}, 1),
    ],
)  # fmt: skip
def test_parts_of_a_prediction_may_have_margins_of_their_own(saved, loaded, different):
    assert verify.compare(Keyed(), [saved], [loaded]).different == different


@given(st.recursive(
    st.none() | st.booleans() | st.text() | st.integers() | st.floats(allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
))  # fmt: skip
def test_anything_equals_itself(value):
    assert verify.compare(PLUGIN, [{"x": value}], [{"x": value}]).different == 0


def test_a_model_that_changed_on_disk_fails_the_run(tmp_path, tiny_model, table, monkeypatch):
    from safetensors.torch import load_file, save_file

    from toolkit.runner import run
    from toolkit.runner.run import save

    saved = save

    def spoil(plugin, folder):
        saved(plugin, folder)
        weights = load_file(folder / "model.safetensors")
        weights["classifier.bias"] += 5.0 * (weights["classifier.bias"].argsort() == 0)
        save_file(weights, folder / "model.safetensors", {"format": "pt"})

    monkeypatch.setattr(run, "save", spoil)
    with pytest.raises(ReloadError, match=r"predicts \d+ of 32 test rows differently \(rows 0"):
        toolkit.run(
            "text-classification", data=table, model=tiny_model, out=tmp_path / "out",
            settings={"training.max_steps": 2},
        )  # fmt: skip
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["status"] == "failed"
    assert "differently" in record["error"]
    assert record["metrics"]["test"]["accuracy"]["value"] is not None


def test_a_model_that_cannot_be_loaded_fails_the_run(tmp_path, tiny_model, table, monkeypatch):
    from toolkit.runner import run
    from toolkit.runner.run import save

    saved = save

    def lose(plugin, folder):
        saved(plugin, folder)
        (folder / "model.safetensors").unlink()

    monkeypatch.setattr(run, "save", lose)
    with pytest.raises(ReloadError, match="cannot be loaded again"):
        toolkit.run(
            "text-classification", data=table, model=tiny_model, out=tmp_path / "out",
            settings={"training.max_steps": 2},
        )  # fmt: skip


def test_rows_do_not_hang_on_their_batch(tmp_path, tiny_model, table):
    run = toolkit.run(
        "text-classification", data=table, model=tiny_model, out=tmp_path / "out",
        settings={"training.max_steps": 2},
    )  # fmt: skip
    rows = [{"text": text} for text, _ in sentences(20, seed=7)]
    together = run.predict(rows)
    alone = [run.predict([row])[0] for row in rows[:3]]
    assert verify.compare(PLUGIN, alone, together[:3]).different == 0
    for one, other in zip(alone, together, strict=False):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-5)


class Watched:
    """Stands where `verify.FreshProcess` does, and notes what the run has by then."""

    def __init__(self, usual, out, seen):
        self.fresh, self.out, self.seen = usual(), out, seen
        self.note("started")

    def note(self, event):
        there = {path.name for path in self.out.iterdir()}
        record = json.loads((self.out / "run.json").read_text())
        names = [name for name in ("model", "predictions.jsonl") if name in there]
        self.seen.append((event, *names, *(["baselines"] if record.get("baselines") else [])))

    def ask(self, arguments):
        self.note("asked")
        self.fresh.ask(arguments)

    def answer(self):
        return self.fresh.answer()

    def close(self):
        self.seen.append("closed")
        self.fresh.close()


@pytest.fixture
def watched(monkeypatch, tmp_path):
    """What a run in tmp_path / "run" has when its fresh process starts, is asked and is closed."""
    usual, seen = verify.FreshProcess, []
    monkeypatch.setattr(verify, "FreshProcess", lambda: Watched(usual, tmp_path / "run", seen))
    return seen


def run(table, tiny_model, tmp_path):
    settings = {"training.max_steps": 1, "options.max_length": 8}
    return toolkit.run("text-classification", data=table, model=tiny_model, settings=settings,
                       out=tmp_path / "run")  # fmt: skip


def test_the_fresh_process_imports_beside_scoring_and_loads_beside_baselines(
    watched, table, tiny_model, tmp_path
):
    found = run(table, tiny_model, tmp_path)
    saved = ("model", "predictions.jsonl")
    assert watched == [("started",), ("asked", *saved), "closed"]
    assert found.record["reload"] == {"compared": 32, "different": 0}


def test_the_fresh_process_ends_with_a_run_that_fails(
    watched, table, tiny_model, tmp_path, monkeypatch
):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("toolkit.runner.score.baselines", interrupted)
    with pytest.raises(Interrupted):
        run(table, tiny_model, tmp_path)
    assert [event if event == "closed" else event[0] for event in watched] == [
        "started", "asked", "closed"
    ]  # fmt: skip


def test_a_process_that_has_ended_early_fails_the_check(monkeypatch, tmp_path):
    from datasets import Dataset

    monkeypatch.setattr(verify, "FreshProcess", Ended)
    with closing(verify.Reload(tmp_path)) as reload:
        reload.start()
        reload.compare(Dataset.from_dict({"text": ["a"]}))
        with pytest.raises(ReloadError, match="cannot be loaded again:\nno memory"):
            reload.result()


class Ended(verify.FreshProcess):
    """A process that ends before it is asked anything."""

    def __init__(self):
        code = "import sys; sys.exit('no memory')"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._process.wait()


@pytest.mark.slow
def test_the_fresh_process_ends_with_a_run_that_is_killed(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path; from toolkit.runs.verify import Reload\n"
        "reload = Reload(Path()); reload.start(); print(reload._process._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    number, end = int(done.stdout), time.monotonic() + 60
    while Path(f"/proc/{number}").exists() and "State:\tZ" not in Path(
        f"/proc/{number}/status"
    ).read_text(encoding="utf-8"):
        assert time.monotonic() < end
        time.sleep(0.1)
