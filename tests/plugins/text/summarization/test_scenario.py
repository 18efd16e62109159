"""The scenario from end to end: learned, scored, saved, reloaded; by both ways; and odd rows."""

import json
import sys

import pytest
from rouge_score.rouge_scorer import RougeScorer
from summary_rows import SIGN, documents, tiny_reader, written
from tiny_texts import tiny
from toolkit_plugins.text.summarization import oddities
from toolkit_plugins.text.summarization.reading import Layout

from toolkit.cli.main import outcome
from toolkit.evaluation.metrics.rouge import NAMES

LAYOUT = Layout("document", "summary", "references")


@pytest.fixture(scope="module")
def run(finished):
    return finished("summarization")


def lines(run):
    text = (run.path / "predictions.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_tiny_model_learns_what_says_most(run):
    scores = {name: score["value"] for name, score in run.metrics["test"].items()}
    baselines = run.record["baselines"]
    assert {"lead_1", "lead_3", "tfidf_centroid", "random"} <= set(baselines)
    assert run.record["headline"]["metric"] == "rouge1"
    assert scores["rouge1"] > 0.6 > max(one["rouge1"]["value"] for one in baselines.values())
    assert all(SIGN in line["prediction"]["summary"].lower() for line in lines(run))
    assert run.record["reload"]["different"] == 0
    assert json.loads((run.path / "model" / "calibration.json").read_text()) == {"sentences": 1}


def test_rouge_is_the_librarys_over_the_predictions(run):
    scorer = RougeScorer(list(NAMES), use_stemmer=True)
    each = [scorer.score_multi(line["reference"], line["prediction"]["summary"])
            for line in lines(run)]  # fmt: skip
    assert len(each[0]) == 4
    assert all(len(line["reference"]) == 2 for line in lines(run))
    for name in NAMES:
        mean = sum(one[name].fmeasure for one in each) / len(each)
        assert run.metrics["test"][name]["value"] == pytest.approx(mean, abs=1e-9)


def test_the_report_has_marks_and_the_ceiling(run):
    text = run.report.read_text(encoding="utf-8")
    assert "Ceiling: the best extract of 1 sentence" in text
    assert "<mark" in text
    assert "summarization" in (run.path / "README.md").read_text(encoding="utf-8")


#: What a row may be like -> its document, and what the summary is.
ODD = {
    "empty": ("", None),
    "blank": (" \n ", None),
    "missing": (None, None),
    "one sentence": ("the crow is here", "the crow is here"),
    "no letter": ("...", "..."),
    "without spaces": ("今日は晴れ。", "今日は晴れ。"),
    "right to left": ("هل وصل القطار", "هل وصل القطار"),
    "html": ("<p>The crow is here</p>", "<p>The crow is here</p>"),
    "a number": (1945, "1945"),
    "characters that tokenizers leave out": ("\u200d\u200d x", "\u200d\u200d x"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_documents_are_summarized(run, kind):
    document, wanted = ODD[kind]
    (found,) = run.predict([{"document": document}])
    if wanted is None:
        assert not found.get("summary")
    else:
        assert found["summary"] == wanted


def test_a_document_of_ten_thousand_tokens_is_read_to_its_end(run):
    plain = "My one crow. "
    sign = f"Old {SIGN} robin finch swift."
    (found,) = run.predict([{"document": plain * 2500 + sign + " A saw." * 3}])
    assert found["summary"] == sign
    (sentence,) = found["sentences"]
    assert sentence["start"] == len(plain) * 2500


ROWS = {
    "longer": ("Short text.", ["a summary that is longer than this"]),
    "whole": ("The crow is here. It sings.", ["the crow  is here. It sings"]),
    "lead": ("The crow is here. It sings.", ["x", "The crow is here"]),
    "inside": ("The crow is here. It sings loudly today.", ["It sings loudly today."]),
    "single": ("The crow is here", ["bird"]),
    "html": ("<p>The crow.</p> It <br/> sings.", ["bird"]),
}


@pytest.mark.parametrize("kind", ROWS)
def test_odd_rows_are_counted(kind):
    document, references = ROWS[kind]
    found = set(oddities.found(LAYOUT, {"document": document, "references": references}))
    assert kind in found
    assert found <= {kind, "single"}
    assert not set(
        oddities.found(LAYOUT, {"document": "A crow sings. It rains now.", "summary": "Birds."})
    )


def test_columns_are_found_by_usual_names_and_lists_are_read(tmp_path, capsys):
    rows = [{"article": row["document"].split(". "), "highlights": row["summary"]}
            for row in documents(30)]  # fmt: skip
    written(tmp_path / "rows.jsonl", rows)
    words = ["check", "summarization", "--no-estimate", "--data", str(tmp_path / "rows.jsonl"),
             "--model", str(tiny_reader(tmp_path / "model"))]  # fmt: skip
    assert outcome(words) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "the column 'article' is read as options.document" in told
    assert "the column 'highlights' is read as options.summary" in told
    assert "holds lists: their parts are the sentences" in told


def test_a_document_with_references_alone_is_checked(tmp_path, capsys):
    rows = [{"document": row["document"], "references": [row["summary"], "A crow."]}
            for row in documents(30)]  # fmt: skip
    written(tmp_path / "rows.jsonl", rows)
    words = ["check", "summarization", "--no-estimate", "--data", str(tmp_path / "rows.jsonl"),
             "--model", str(tiny_reader(tmp_path / "model"))]  # fmt: skip
    assert outcome(words) == 0, capsys.readouterr().err
    assert "have no 'summary', but 'references'" in " ".join(capsys.readouterr().out.split())


def test_lines_of_json_with_lists_are_predicted_as_they_are_trained_on(run, tmp_path):
    turns = [{"speaker": "Ann", "text": "A saw."}, {"speaker": "Bo", "text": f"So {SIGN} a crow."}]
    rows = [{"document": ["A saw. A file.", f"Old {SIGN} robin. A saw."]}, {"document": ""}]
    for name, given in {"rows": rows, "turns": [{"document": turns}]}.items():
        file = written(tmp_path / f"{name}.jsonl", given)
        out = tmp_path / f"{name}-out.jsonl"
        assert outcome(["predict", str(run.path), str(file), "-o", str(out)]) == 0
        (found,) = [
            json.loads(line)["prediction"]["summary"] for line in out.read_text().splitlines()
        ]
        assert found in {f"Old {SIGN} robin. A saw.", f"Bo: So {SIGN} a crow."}


def test_a_document_that_is_none_is_rejected_alone(run, tmp_path):
    cells = [["A saw."], [{"a": 1}], "A crow.", {"text": "A crow."}, [{"text": "A file."}], [["b"]]]
    file = written(tmp_path / "rows.jsonl", [{"document": cell} for cell in cells])
    out = tmp_path / "out.jsonl"
    assert outcome(["predict", str(run.path), str(file), "-o", str(out)]) == 0
    found = [json.loads(line)["prediction"]["summary"] for line in out.read_text().splitlines()]
    assert found == ["A saw.", "A crow.", "A file."]
    rejected = (tmp_path / "out.jsonl.rejected.jsonl").read_text()
    told = list(map(json.loads, rejected.splitlines()))
    assert [row["row"] for row in told] == [2, 4, 6]
    assert "holds {'a': 1}: a turn has one of text" in told[0]["reason"]


def test_an_encoder_decoder_writes(tmp_path):
    data = written(tmp_path / "rows.jsonl", documents(60))
    model = tiny("bart", tmp_path / "model", max_position_embeddings=256)
    words = ["run", "summarization", "--quiet", "--data", str(data), "--model", str(model),
             "--out", str(tmp_path / "run"), "--set", "options.max_target_length=12",
             "--set", "training={max_steps: 2, per_device_train_batch_size: 8}",
             "--set", "method.name=full"]  # fmt: skip
    assert outcome(words) == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["reload"]["different"] == 0
    assert {"rouge1", "repetition", "cut_off_share"} <= set(record["metrics"]["test"])
    first = json.loads((tmp_path / "run" / "predictions.jsonl").read_text().splitlines()[0])
    assert "cut_off" in first["prediction"]
    assert "sentences" not in first["prediction"]


@pytest.mark.parametrize(
    ("family", "setting", "said"),
    [
        ("bert", "options.generation.num_beams=4", "options.generation"),
        ("bert", "training.label_smoothing_factor=0.1", "training.label_smoothing_factor"),
        ("bart", "options.sentences=3", "options.sentences"),
    ],
)
def test_options_of_the_other_way_are_refused(family, setting, said, tmp_path, capsys):
    data = written(tmp_path / "rows.jsonl", documents(30))
    model = tiny_reader(tmp_path / "m") if family == "bert" else tiny("bart", tmp_path / "m")
    words = ["check", "summarization", "--no-estimate", "--data", str(data), "--model", str(model),
             "--set", setting]  # fmt: skip
    assert outcome(words) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"{said}: has no effect: the model ({family})" in told


def test_without_the_package_one_message_names_the_extra(tmp_path, capsys, monkeypatch):
    from toolkit.evaluation.metrics import rouge

    data = written(tmp_path / "rows.jsonl", documents(30))
    rouge._stemmed.cache_clear()
    rouge.words.cache_clear()
    monkeypatch.setitem(sys.modules, "rouge_score.tokenize", None)
    words = ["check", "summarization", "--no-estimate", "--data", str(data),
             "--model", str(tiny_reader(tmp_path / "m"))]  # fmt: skip
    assert outcome(words) == 2
    assert "finetune-toolkit[generation]" in capsys.readouterr().err
    rouge._stemmed.cache_clear()
