"""The main job, end to end, on a tiny model: through `toolkit.run` and the command line."""

from __future__ import annotations

import json
import re

import pytest
from text_rows import sentences

import toolkit
from toolkit.cli.main import outcome
from toolkit.errors import DataError, RecipeError, UserError


def predictions(run):
    text = (run.path / "predictions.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def run(finished):
    """One finished run, whose test split shares rows with train."""
    return finished("text-classification")


def test_a_run_learns_and_says_how_sure_it_is(run):
    record = run.record
    assert run.status == "finished"
    accuracy = record["metrics"]["test"]["accuracy"]
    assert accuracy["value"] > 0.8
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    loss = record["metrics"]["test"]["log_loss"]
    assert (loss["low"], loss["no_interval"]) == (None, "under 50 rows")


def test_run_json_has_the_keys_that_others_read(run):
    record = run.record
    assert record["schema_version"] == 1
    assert record["scenario"] == "text-classification"
    assert record["model"]["revision"].startswith("sha256:")
    assert len(record["data"]["fingerprint"]) == 64
    assert record["data"]["rows"] == {"train": 140, "validation": 20, "test": 41}
    assert record["reload"] == {"compared": 41, "different": 0}
    assert set(record["speed"]) >= {
        "train_samples_per_second",
        "train_seconds",
        "total_seconds",
        "fixed_seconds",
        "phases",
    }
    assert set(record["environment"]) == {"python", "packages", "hardware"}
    assert record["seed"] == 42


def test_baselines_stand_beside_the_score(run):
    baselines = run.record["baselines"]
    assert set(baselines) == {"majority", "tfidf_logistic_regression", "frozen_linear"}
    assert baselines["majority"]["accuracy"]["value"] < run.metrics["test"]["accuracy"]["value"]
    for scores in baselines.values():
        assert set(scores) == set(run.metrics["test"])
        assert scores["accuracy"]["low"] <= scores["accuracy"]["value"]
    used = run.record["baseline_rows"]
    assert used["majority"] == {"train": 140, "test": 41}
    assert used["tfidf_logistic_regression"] == {
        "train": 140, "test": 41, "setting": "words and characters, C=10",
    }  # fmt: skip


def test_overlap_is_measured_and_scored_without(run):
    overlap = run.record["data"]["overlap"]
    assert overlap["train-test"] == {"exact": 0, "normalised": 1, "near": 1}
    assert "test_without_overlap" in run.metrics


def test_slices_cover_the_test_rows(run):
    slices = run.record["slices"]["n"]
    assert sum(values["rows"] for values in slices.values()) == 41


def test_predictions_are_one_json_line_per_test_row_in_order(run):
    lines = predictions(run)
    assert [line["row"] for line in lines] == list(range(41))
    assert [line["reference"] for line in lines] == [y for _, y in sentences(200)[160:]] + [
        sentences(200)[0][1]
    ]
    hits = sum(line["prediction"]["label"] == line["reference"] for line in lines)
    assert hits / 41 == pytest.approx(run.metrics["test"]["accuracy"]["value"])
    for line in lines:
        scores = line["prediction"]["scores"]
        assert sum(scores.values()) == pytest.approx(1, abs=1e-5)
        assert max(scores, key=scores.get) == line["prediction"]["label"]


def test_the_model_folder_is_plain_transformers(run):
    import transformers

    folder = run.path / "model"
    assert not list(folder.glob("*.bin"))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    text, label = sentences(200)[0]
    logits = model(**tokenizer(text, return_tensors="pt")).logits
    assert model.config.id2label[int(logits.argmax())] == label


def test_a_run_read_back_predicts_new_rows(run):
    again = toolkit.load_run(run.path)
    predictions = again.predict([{"text": "the old hammer"}, {"text": "a red cherry is here"}])
    assert [p["label"] for p in predictions] == ["tool", "fruit"]
    with pytest.raises(UserError, match="no column 'text'"):
        again.predict([{"txt": "the old hammer"}])


def test_the_model_card_has_the_hubs_metadata(run):
    from huggingface_hub import ModelCard

    card = ModelCard.load(run.path / "README.md", ignore_metadata_errors=False)
    results = {r.metric_type: r.metric_value for r in card.data.eval_results}
    expected = run.metrics["test"]["accuracy"]["value"]
    assert results["accuracy"] == pytest.approx(expected, abs=1e-6)
    assert "baseline: majority" in card.text


def test_the_report_shows_the_rows_and_can_be_written_again_from_the_folder(run, tmp_path):
    from toolkit.reporting import html

    text = run.report.read_text(encoding="utf-8")
    kept = json.loads((run.path / "logs" / "examples.json").read_text())
    lines = predictions(run)
    assert set(kept["kinds"]) == {"mistakes", "uncertain"}
    for row in kept["kinds"]["mistakes"]:
        assert lines[row]["prediction"]["label"] != lines[row]["reference"]
    shown = kept["rows"][str(kept["kinds"]["uncertain"][0])]["cells"]["text"]
    assert shown in [t for t, _ in sentences(200)] + [sentences(200)[0][0].upper() + "!"]
    # Words that moved the prediction are marked, some with their number.
    assert shown in re.sub(r"<small>.*?</small>|</?mark[^>]*>", "", text)
    calibration = run.record["calibration"]
    assert "surest" in calibration
    error = run.metrics["test"]["expected_calibration_error"]["value"]
    assert calibration["test"]["expected_calibration_error"] == pytest.approx(error)
    assert calibration["fitted_rows"] == 20
    assert calibration["temperature"] > 0
    assert html.write(run, tmp_path / "again.html").read_text(encoding="utf-8") == text


def test_what_training_took_is_kept(run):
    log = json.loads((run.path / "logs" / "history.json").read_text())
    seconds = [line["seconds"] for line in log]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0
    assert {"loss", "learning_rate", "eval_accuracy"} <= {key for line in log for key in line}
    speed = run.record["speed"]
    assert speed["rows_seen"] == 15 * 140
    assert speed["tokens_seen"] > speed["rows_seen"]
    assert run.record["resources"]["peak_memory_bytes"]["process"] > 100_000_000


def test_checkpoints_are_gone_once_the_model_is_proved(run):
    assert not (run.path / "checkpoints").exists()
    assert not (run.path / "run.lock").exists()


def test_another_seed_gives_another_model(run, tmp_path):
    other = toolkit.run(
        str(run.path / "recipe.yaml"),
        seed=1,
        out=tmp_path / "other",
        settings={"training.max_steps": 3},
    )
    assert other.metrics["test"]["log_loss"] != run.metrics["test"]["log_loss"]


def test_a_second_run_into_the_same_folder_is_refused(run):
    with pytest.raises(UserError, match="is not empty"):
        toolkit.run(str(run.path / "recipe.yaml"), out=run.path)


def test_rows_set_aside_are_counted_and_shown(tmp_path, tiny_model, capsys):
    rows = sentences(80)
    lines = [f"{t},{y}" for t, y in rows] + ["no label here,", ",fruit", "   ,tool"]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(lines))
    out = tmp_path / "out"
    code = outcome(
        ["run", "text-classification", "--data", str(tmp_path / "rows.csv"),
         "--model", str(tiny_model), "--out", str(out), "--set", "training.max_steps=2"]
    )  # fmt: skip
    shown = capsys.readouterr().out
    assert code == 0
    record = json.loads((out / "run.json").read_text())
    assert record["data"]["skipped"] == {"train": {"no label": 1, "empty text": 2}}
    assert sum(record["data"]["rows"].values()) == 80
    assert "1 rows skipped (no label)" in shown
    assert "2 rows skipped (empty text)" in shown


def test_nothing_is_written_before_the_input_is_right(tmp_path, table, tiny_model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no column 'label2'. Did you mean 'label'"):
        toolkit.run(
            "text-classification", data=table, model=tiny_model,
            settings={"options.label": "label2"},
        )  # fmt: skip
    with pytest.raises(RecipeError, match=r"report.metrics: .*Did you mean 'f1_macro'"):
        toolkit.run(
            "text-classification", data=table, model=tiny_model,
            settings={"report.metrics": ["f1_macroo"]},
        )  # fmt: skip
    assert not (tmp_path / "runs").exists()


def test_a_failed_run_says_so_and_exits_with_one(tmp_path, table, tiny_model, capsys):
    out = tmp_path / "out"
    code = outcome(
        ["run", "text-classification", "--data", str(table), "--model", str(tiny_model),
         "--out", str(out), "--set", "training.learning_rate=1e30",
         "--set", "training.max_grad_norm=0", "--set", "training.bf16=false"]
    )  # fmt: skip
    assert code == 1
    assert "learning_rate" in capsys.readouterr().err
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "failed"
    assert "DivergenceError" in record["error"]
    assert not (out / "run.lock").exists()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_summary_breaks_no_number(run, width):
    import io
    import re

    from rich.console import Console

    from toolkit.reporting import terminal
    from toolkit.reporting.formatting import number

    shown = io.StringIO()
    terminal.summary(run, Console(file=shown, width=width))
    for score in filter(lambda found: found.get("low"), run.metrics["test"].values()):
        assert f"{number(score['low'])}-{number(score['high'])}" in shown.getvalue()
    assert not re.search(r"│ \d+ *│", shown.getvalue())  # the tail of a number
