"""What a run can do without may fail: it is reported, and the run is finished."""

from __future__ import annotations

import errno
import io
import json

import pytest
from rich.console import Console

import toolkit
from toolkit.errors import Interrupted, ToolkitError
from toolkit.evaluation import classification_baselines
from toolkit.plugin_types import Curve
from toolkit.reporting import card, html, terminal
from toolkit.tasks.classification import ClassificationPlugin
from toolkit.training.trackers import KINDS

TFIDF = "baseline tfidf_logistic_regression failed: ValueError: empty vocabulary; perhaps the"
SHORT = {"training.max_steps": 2}
FEW = 3  # rows that are rehearsed


@pytest.fixture
def wordless(tmp_path, tiny_model):
    """Arguments of `toolkit.run`: texts in which the TF-IDF baseline finds no word."""
    marks = "!?.,;:-+*/"
    lines = [f"{marks[n % 10]} {marks[n // 10]} !,{'ab'[n % 2]}" for n in range(60)]
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps(dict(zip(("text", "label"), n.rsplit(",", 1), strict=True))) + "\n"
                for n in lines)
    )  # fmt: skip
    return {"data": tmp_path / "rows.jsonl", "model": tiny_model, "out": tmp_path / "run",
            "settings": SHORT}  # fmt: skip


def test_texts_without_words_do_not_end_a_trained_run(wordless):
    run = toolkit.run("text-classification", **wordless)
    assert run.status == "finished"
    assert set(run.record["baselines"]) == {"majority", "frozen_linear"}
    (failed,) = run.record["failed_parts"]
    assert (failed["part"], failed["name"]) == ("baseline", "tfidf_logistic_regression")
    console = Console(width=200, record=True, file=io.StringIO())
    terminal.summary(run, console)
    assert TFIDF in console.export_text()
    assert TFIDF in run.report.read_text(encoding="utf-8")
    assert TFIDF.replace("_", "\\_") in (run.path / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def arguments(tmp_path, table, tiny_model):
    """Arguments of a short `toolkit.run`."""
    return {"data": table, "model": tiny_model, "out": tmp_path / "run", "settings": SHORT}


def test_figures_card_tracker_and_report_that_fail_are_reported(arguments, monkeypatch):
    def drawn(self, predictions):
        good = Curve("t", "x", "y", {"line": [(0.0, 0.0), (1.0, 1.0)]})
        return {"good": good, "bad": "a text"}

    def tracker(target):
        def log(final):
            raise ConnectionError("nobody listens")

        yield {}, log

    def no_card(record):
        raise RuntimeError("no ink")

    usual = html.page.examples.write_examples

    def no_examples(*given):
        usual(*given)
        raise RuntimeError("no paper")

    monkeypatch.setattr(ClassificationPlugin, "figures", drawn, raising=False)
    monkeypatch.setattr(card, "card", no_card)
    monkeypatch.setattr(html.page.examples, "write_examples", no_examples)
    monkeypatch.setitem(KINDS, "tensorboard", tracker)
    settings = {**SHORT, "training.report_to": ["tensorboard"]}
    run = toolkit.run("text-classification", **{**arguments, "settings": settings})
    assert run.status == "finished"
    failed = {(f["part"], f["name"]): f["reason"] for f in run.record["failed_parts"]}
    assert len(run.record["failed_parts"]) == len(failed)
    assert "AttributeError" in failed.pop(("figure", "bad"))
    assert failed == {
        ("report", "example rows"): "RuntimeError: no paper",
        ("card", "README.md"): "RuntimeError: no ink",
        ("tracker", "tensorboard"): "ConnectionError: nobody listens",
    }
    assert list(run.record["figures"]) == ["good"]
    # Written again, as the tracker failed after it.
    assert "nobody listens" in run.report.read_text(encoding="utf-8")


def failing(error):
    def run(self, data, seconds):
        if len(data.test) > FEW:  # when it is scored, not rehearsed
            raise error
        return before(self, data, seconds)

    before = classification_baselines.Majority.run
    return run


@pytest.mark.parametrize(
    ("error", "raised", "status"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ToolkitError, "failed"),
        (KeyboardInterrupt("SIGTERM"), Interrupted, "interrupted"),
    ],
)
def test_a_full_disk_and_an_interruption_still_end_a_run(
    arguments, monkeypatch, error, raised, status
):
    monkeypatch.setattr(classification_baselines.Majority, "run", failing(error))
    with pytest.raises(raised):
        toolkit.run("text-classification", **arguments)
    record = json.loads((arguments["out"] / "run.json").read_text())
    assert (record["status"], record["failed_parts"]) == (status, [])


def test_a_check_goes_on_without_the_baseline(wordless, capsys):
    from toolkit.cli.main import outcome

    words = ["--data", str(wordless["data"]), "--model", str(wordless["model"])]
    assert outcome(["check", "text-classification", *words]) == 0


def test_a_run_without_failures_says_so(arguments):
    assert toolkit.run("text-classification", **arguments).record["failed_parts"] == []
