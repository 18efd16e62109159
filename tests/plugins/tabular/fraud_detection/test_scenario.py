"""Fraud detection from the outside: runs, new rows, and what is wrong with a table."""

import json

import pytest
from finished import PAYMENTS as TINY

import toolkit
from toolkit.cli.main import outcome

pytest.importorskip("polars")


@pytest.fixture(scope="module")
def run(finished):
    return finished("fraud-detection")


def test_the_default_goes_from_end_to_end(run):
    assert run.record["status"] == "finished"
    assert run.record["reload"]["different"] == 0
    scores = run.record["metrics"]["test"]
    recalls = ["recall_at_fpr_0.01", "recall_at_fpr_0.001"]
    ranking = ["average_precision", "roc_auc", *recalls, "card_precision_100"]
    assert list(scores) == [*ranking, "expected_cost"]
    assert set(run.record["baselines"]) == {
        "always_legitimate", "logistic_regression", "gradient_boosting",
    }  # fmt: skip
    assert set(run.record["figures"]) == {"precision_recall", "cost"}
    notes = " ".join(run.record["data"]["notes"])
    assert "inside the 7d gap" in notes
    assert "entities=[customer, terminal]" in notes
    names = {path.name for path in (run.path / "model").iterdir()}
    assert {"transactions.json", "calibration.json", "model.safetensors"} <= names


def test_baselines_see_all_rows_and_say_their_setting(run):
    rows = run.record["data"]["rows"]
    used = run.record["baseline_rows"]
    for name in ("logistic_regression", "gradient_boosting"):
        assert used[name]["train"] == rows["train"]
        assert used[name]["test"] == rows["test"]


def test_the_saved_model_holds_the_boosting_that_is_its_baseline(run):
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(run.path / "model")
    assert model.config.boosting["max_iter"] == model.config.trees["trees"]
    assert not list((run.path / "model").glob("*.pkl"))
    calibration = json.loads((run.path / "model" / "calibration.json").read_text())
    assert min(calibration["slope"], calibration["boosting"]) >= 0
    fields = len(model.config.edges)
    with torch.inference_mode():
        outputs = model.eval()(torch.zeros(2, fields), torch.zeros(2, 1, dtype=torch.long))
    assert outputs.boosting.shape == (2,)


def test_boosting_alone_trains_nothing_more(tmp_path):
    scores = ["average_precision", "roc_auc"]
    settings = {**TINY, "options.model": "boosting", "report.metrics": scores}
    run = toolkit.run("fraud-detection", out=tmp_path / "r", settings=settings)
    assert run.record["parameters"]["trained"] == 0
    assert run.record["reload"]["different"] == 0
    own, baseline = run.metrics["test"], run.record["baselines"]["gradient_boosting"]
    for name in scores:  # one is float32
        assert own[name]["value"] == pytest.approx(baseline[name]["value"], abs=1e-3)


def test_new_rows_are_taken_as_one_table(run):
    row = {"customer": "c1", "terminal": "t1", "amount": 30.0, "channel": "by pigeon"}
    rows = [{**row, "time": f"2024-05-01T{hour:02d}:00:00"} for hour in (8, 9, 10)]
    found = run.predict(rows)
    assert [set(p) for p in found] == [{"label", "score", "alarm", "scores"}] * 3
    # The first has no past, whatever comes after it; alone it is the same.
    assert found[0]["score"] == pytest.approx(run.predict(rows[:1])[0]["score"], abs=1e-6)
    with pytest.raises(toolkit.errors.UserError, match=r".time.,? .*options.time"):
        run.predict([{"amount": 1.0, "terminal": "t", "channel": "chip"}])


def test_requests_that_share_a_batch_do_not_know_each_other(run):
    pytest.importorskip("fastapi", reason="extra `serve` is not installed")
    from toolkit.deployment.serving.model import Served
    from toolkit.runs.predictor import load_predictor

    row = {"customer": "c1", "terminal": "t1", "amount": 30.0, "channel": "chip"}
    first, second = ({**row, "time": f"2024-05-01T{hour:02d}:00:00"} for hour in (8, 9))
    served = Served("payments", run, lambda: load_predictor(run.path))
    (_, known), (alone,), (again,) = served.answers(
        [[first, second], [second], [first]], lambda: True
    )
    assert known["score"] == pytest.approx(run.predict([first, second])[1]["score"], abs=1e-6)
    assert alone["score"] == pytest.approx(run.predict([second])[0]["score"], abs=1e-6)
    assert again["score"] == pytest.approx(run.predict([first])[0]["score"], abs=1e-6)
    assert abs(known["score"] - alone["score"]) > 1e-5  # what came before counts


@pytest.mark.slow
def test_pretraining_and_what_it_gives(tmp_path):
    before = toolkit.run("fraud-detection/pretrain", out=tmp_path / "a", settings=TINY)
    assert list(before.record["metrics"]["test"]) == ["masked_field_loss"]
    assert before.record["reload"]["different"] == 0
    settings = {k: v for k, v in TINY.items() if "from_config" not in k}
    after = toolkit.run(
        "fraud-detection", model=before.path / "model", out=tmp_path / "b",
        settings={**settings, "options.label_share": 0.02},
    )  # fmt: skip
    # One batch of rows with a label; there would be a dozen of all rows.
    assert after.record["data"]["rows"]["train"] > 4 * 512
    assert after.record["speed"]["steps"] == 1
    assert after.record["model"]["source"] != "config"
    assert after.record["reload"]["different"] == 0


@pytest.mark.slow
def test_rows_as_texts_for_any_encoder(tiny_model, tmp_path):
    settings = {k: v for k, v in TINY.items() if "from_config" not in k}
    source = "plugin:card-payments?customers=30&terminals=20&days=40"
    settings |= {"data.source": source, "training.max_steps": 2,
                 "training.per_device_train_batch_size": 16, "options.max_length": 32,
                 "data.split.gap": "1d", "options.label_delay": "1d"}  # fmt: skip
    run = toolkit.run("fraud-detection", model=tiny_model, out=tmp_path / "r", settings=settings)
    assert run.record["reload"]["different"] == 0
    notes = " ".join(run.record["data"]["notes"])
    assert "toolkit_plugins" not in notes
    assert "longer than 32 tokens and are cut (options.max_length); every baseline reads" in notes


ROWS = [
    {"time": f"2024-01-{n // 8 + 1:02d}T{n % 8 + 8:02d}:00:00", "customer_id": n % 7,
     "amount": 10.0 + n, "kind": "abc"[n % 3], "fraud": int(n % 5 == 0)}
    for n in range(160)
]  # fmt: skip


def check(tmp_path, rows, *settings):
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    arguments = [part for text in settings for part in ("--set", text)]
    return outcome(
        ["check", "fraud-detection", "--no-estimate", "--data", str(tmp_path / "rows.jsonl"),
         "--set", "data.split.gap=1d", "--set", "options.label_delay=1d", *arguments]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda r, n: {**r, "amount": None if n == 3 else r["amount"]}, [],
         "amount rows 4: no finite number"),
        (lambda r, n: {**r, "fraud": n % 3}, ["options.label=fraud"], "has 3 values"),
        (lambda r, n: {**r, "fraud": int(n == 159)}, ["options.label=fraud"],
         "there is nothing to tell apart"),
        (lambda r, n: {k: v for k, v in r.items() if k != "fraud"}, [],
         "no column of two values looks like a label"),
        (lambda r, n: r, ["options.label_delay=5d"], "labels are not known when the test split"),
        (lambda r, n: r, ["options.amount=kind", "options.categorical=[kind]"],
         "is named twice"),
        (lambda r, n: r, ["options.fraud=yes"], "is 'yes'; 'fraud' has 0, 1"),
        (lambda r, n: r, ["options.windows=[a week]"], "takes a length of time"),
        (lambda r, n: r, ["options.model=forest"], "'ensemble', 'transformer' or 'boosting'"),
        (lambda r, n: r, ["options.model=boosting", "options.task=pretrain"],
         "boosting is not for options.task pretrain"),
        (lambda r, n: r, ["report.metrics=[acuracy]"], "there is no metric 'acuracy'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_training(tmp_path, capsys, change, settings, message):
    rows = [change(row, n) for n, row in enumerate(ROWS)]
    assert check(tmp_path, rows, *settings) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_columns_are_proposed_and_one_that_tells_the_label_is_not(tmp_path, capsys):
    rows = [{**row, "scenario": 3 * row["fraud"] + 1, "row": n, "seconds": 3600 * n}
            for n, row in enumerate(ROWS)]  # fmt: skip
    assert check(tmp_path, rows) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "time=time" in said
    assert "amount=amount" in said
    assert "entities=[customer_id]" in said
    assert "categorical=[kind]" in said
    assert "scenario (nearly determines the label" in said
