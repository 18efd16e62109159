"""A finished run's scores are the library's, recomputed from its predictions, and are shown so."""

import json

import pytest
import sacrebleu

from toolkit.runs.compare import compare


@pytest.fixture
def run(finished):
    return finished("translation").path


@pytest.fixture
def rows(run):
    lines = (run / "predictions.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def test_scores_are_those_of_sacrebleu_on_the_predictions_that_are_kept(run, rows):
    outputs = [row["prediction"]["translation"] for row in rows]
    references = [[row["reference"][0] for row in rows]]
    found = json.loads((run / "run.json").read_text())["metrics"]["test"]
    for name, metric in (("bleu", sacrebleu.BLEU()), ("chrf", sacrebleu.CHRF())):
        assert found[name]["value"] == metric.corpus_score(outputs, references).score
        assert found[name]["signature"] == metric.get_signature().format()


def test_baselines_are_scored_on_the_same_rows(run):
    found = json.loads((run / "run.json").read_text())["baselines"]
    assert list(found) == ["copy_source", "nearest_neighbour", "word_by_word"]
    assert found["copy_source"]["copy_share"]["value"] == 1


def test_the_report_has_texts_side_by_side_and_the_signature(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    assert '<div class="beside"><div><p class="tag">source</p><p class="text' in page
    assert "what the reference lacks" in page
    assert "case:mixed|eff:no|tok:13a" in page


def test_a_run_is_no_better_than_itself_by_bleu(run):
    (found,) = compare([run, run])
    bleu = found.differences["bleu"]
    assert (bleu.value - bleu.reference, bleu.better) == (0, None)
    assert found.differences["length_ratio"].verdict == "neither is better"
