"""Predictions that are files: through run, reload check, report, predict and serve."""

from __future__ import annotations

import base64
import json
import urllib.request

import pyarrow as pa
import pytest

import toolkit
from toolkit.deployment import predict_file, writers
from toolkit.errors import UserError
from toolkit.plugin_types import PredictionFile
from toolkit.runs.folder import Run, read_predictions
from toolkit.runs.prediction_files import FileStore, stems_of

PLUGIN = '''
import io

import datasets
import evaluate
import numpy as np
from PIL import Image
from transformers import AutoModelForSequenceClassification

from toolkit import Baseline, BaselineResult, ListColumn, MarkedImage, Options, Plugin
from toolkit import PredictionFile, Table, TargetColumn, open_file, pretrained


class GridOptions(Options):
    dice: ListColumn = "dice"
    label: TargetColumn = "label"


def png(value):
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(file, "PNG")
    return PredictionFile(".png", file.getvalue())


def of(file):
    return int(np.asarray(Image.open(open_file(file)))[0, 0])


class Right(evaluate.Metric):
    def _info(self):
        whole = datasets.Value("int64")
        return evaluate.MetricInfo(description="", citation="", features=datasets.Features(
            {"predictions": whole, "references": whole}))

    def add_batch(self, *, predictions, references):
        """Add masks."""
        super().add_batch(predictions=[of(p["mask"]) for p in predictions],
                          references=[of(r) for r in references])

    def _compute(self, predictions, references):
        return {"right": float(np.mean(np.array(predictions) == np.array(references)))}


class Nothing(Baseline):
    name = "nothing"

    def run(self, data, seconds):
        rows = np.arange(len(data.test))
        return BaselineResult([{"mask": png(0)} for _ in rows], rows, 0)


class Grids(Plugin[GridOptions]):
    Options = GridOptions

    def prepare(self, split, name):
        def encode(rows):
            labels = {"labels": rows["label"]} if "label" in rows else {}
            return {"input_ids": rows["dice"], "number": list(range(len(rows["dice"]))), **labels}

        return split.map(encode, batched=True, remove_columns=split.column_names)

    def load_model(self):
        return pretrained.model(AutoModelForSequenceClassification, self.model_path, num_labels=2)

    def decode(self, outputs, rows, prepared):
        assert [row["dice"] for row in rows] == [row["input_ids"] for row in prepared]
        assert all("number" in row for row in prepared)  # which the model does not take
        return [{"mask": png(n), "twice": [png(n), png(1 - n)]}
                for n in outputs.logits.argmax(-1).tolist()]

    def references(self, rows):
        return [png(row["label"]) for row in rows]

    def metrics(self):
        return {"right": Right()}

    def baselines(self):
        return [Nothing()]

    def show(self, row, prediction, reference):
        _, _ = row["dice"]
        return [str(row["dice"]), MarkedImage(prediction["mask"], mask=reference)]

    def tables(self, pairs):
        return {"Rows by mask": Table(["mask", "rows"], [["all", sum(1 for _ in pairs)]])}
'''
TINY = {
    "model_type": "bert", "vocab_size": 8, "hidden_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 8,
}  # fmt: skip


def ask(url, row):
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(url, json.dumps(row).encode(), headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(asked) as answer:  # noqa: S310 - loopback
        return json.load(answer)


@pytest.fixture
def grids(scenario, tmp_path):
    """A finished run."""
    rows = [{"dice": [n % 6 + 1, 3], "label": int(n % 6 > 2)} for n in range(60)]
    recipe = scenario("grids", PLUGIN, "Grids", rows, model={"from_config": TINY},
                      training={"max_steps": 4})  # fmt: skip
    return toolkit.run(recipe, out=tmp_path / "run")


@pytest.mark.enable_socket
def test_masks_are_files_wherever_predictions_go(grids, tmp_path):
    path, record = grids.path, grids.record
    assert record["status"] == "finished"
    assert record["reload"] == {"compared": 12, "different": 0}
    first = json.loads((path / "predictions.jsonl").read_text().splitlines()[0])
    assert first["reference"] == {"file": "predictions/0000000.png"}
    assert first["prediction"]["mask"] == {"file": "predictions/0000000-1.png"}
    assert len(first["prediction"]["twice"]) == 2
    assert len(list((path / "predictions").iterdir())) == 4 * 12
    predictions, references = next(iter(read_predictions(path / "predictions.jsonl")))
    assert isinstance(references[3], PredictionFile)
    assert predictions[0]["mask"] == predictions[0]["twice"][0] != predictions[0]["twice"][1]
    assert record["tables"] == {
        "Rows by mask": {"columns": ["mask", "rows"], "rows": [["all", 12]]}
    }
    wrong = [row for row, (one, other) in enumerate(zip(predictions, references, strict=True))
             if one["mask"] != other]  # fmt: skip
    kept = json.loads((path / "logs" / "examples.json").read_text())
    assert sorted(kept["kinds"].get("worst", [])) == wrong  # and none that is right
    report = (path / "report.html").read_text()
    assert "Rows by mask" in report
    assert 'alt="the image with predicted' in report
    # Files of rows, and from Python.
    (tmp_path / "new.jsonl").write_text('{"dice": [1, 3]}\n{"dice": [6, 3]}\n')
    predict_file.predict(Run(path), str(tmp_path / "new.jsonl"), tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert lines[1]["prediction"]["mask"] == {"file": "out.jsonl.files/0000001.png"}
    found = grids.predict([{"dice": [1, 3]}, {"dice": [6, 3]}])
    with grids.serve(block=False, port=0) as server:
        told = ask(server.url + "/predict?show", {"dice": [1, 3]})
        # The number of dice is what `show` fails at: the prediction is there all the same.
        failed = ask(server.url + "/predict?show", {"dice": [1, 3, 3]})
    data = base64.b64encode(found[0]["mask"].read()).decode()
    assert told["prediction"]["mask"] == {"file": f"data:image/png;base64,{data}"}
    assert "[1, 3]</p><img src=" in told["html"]
    assert failed["html"] == ""
    assert failed["prediction"]["mask"]["file"].startswith("data:image/png;")
    for line, one in zip(lines, found, strict=True):
        assert (tmp_path / line["prediction"]["mask"]["file"]).read_bytes() == one["mask"].read()


def test_files_are_named_after_the_image_that_they_belong_to(tmp_path):
    paths = ["/data/a.b/photo 12.final.png", "C:\\images\\d\u00e9j\u00e0-vu.jpg", None,
             "x" * 99]  # fmt: skip
    image = pa.array([{"bytes": None, "path": path} for path in paths])
    rows = pa.table({"text": ["a"] * 4, "image": image})
    assert stems_of(rows, []) == stems_of(rows, ["text"]) == [""] * 4
    stems = stems_of(rows, ["image"])
    assert stems == ["photo_12", "d\u00e9j\u00e0-vu", "", "x" * 60]
    store = FileStore(tmp_path, "out.files", 7)
    store.stem, file = stems[0], PredictionFile(".png", b"mask")
    assert store.default(file) == {"file": "out.files/0000007-photo_12.png"}
    assert store.default(file) == {"file": "out.files/0000007-1-photo_12.png"}


def test_in_tables_the_cell_of_a_file_is_its_name():
    found = writers.columns({"mask": {"file": "out.files/1.png"}, "shares": {"a": 0.5}})
    assert found == {"prediction.mask": "out.files/1.png", "prediction.shares": '{"a": 0.5}'}


def test_a_row_that_the_model_cannot_take_is_rejected_alone(grids, tmp_path):
    rows = [[1, 3], [99, 3], [6, 3], None, [2, 3], "none"]  # 99 is no token of the model
    source = tmp_path / "new.jsonl"
    source.write_text("".join(json.dumps({"dice": dice}) + "\n" for dice in rows))
    found = predict_file.predict(Run(grids.path), str(source), tmp_path / "out.jsonl")
    assert (found.rows, found.rejected) == (3, 3)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["dice"] for line in lines] == [[1, 3], [6, 3], [2, 3]]
    rejected = [json.loads(line) for line in found.rejected_path.read_text().splitlines()]
    assert [row["row"] for row in rejected] == [2, 4, 6]
    assert rejected[0]["reason"].startswith("IndexError: ")
    assert rejected[1]["reason"] == "empty dice"
    assert rejected[2]["reason"] == "dice is 'none': a list is expected"
    alone = grids.predict([{"dice": [6, 3]}])
    assert (tmp_path / lines[1]["prediction"]["mask"]["file"]).read_bytes() == alone[0][
        "mask"
    ].read()


def test_a_window_without_any_row_that_can_be_predicted_does_not_end_the_file(
    grids, tmp_path, monkeypatch
):
    monkeypatch.setattr(predict_file, "WINDOW", 2)
    (tmp_path / "new.jsonl").write_text("".join(f'{{"dice": [{n}, 3]}}\n' for n in (1, 2, 99)))
    found = predict_file.predict(Run(grids.path), str(tmp_path / "new.jsonl"), tmp_path / "o.jsonl")
    assert (found.rows, found.rejected) == (2, 1)
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 2


def test_a_file_without_any_row_that_can_be_predicted_is_an_error(grids, tmp_path):
    (tmp_path / "new.jsonl").write_text('{"dice": [99, 3]}\n' * 3)
    with pytest.raises(IndexError):
        predict_file.predict(Run(grids.path), str(tmp_path / "new.jsonl"), tmp_path / "out.jsonl")


RESHAPED = PLUGIN.replace(
    "    def prepare(",
    """    def reshape_rows(self, rows, split):
        if "rolls" not in rows.column_names:
            return rows
        pairs = [list(dice) for rolls in rows["rolls"] for dice in zip(rolls[::2], rolls[1::2])]
        odd = sum(len(rolls) % 2 for rolls in rows["rolls"])
        made = {"dice": pairs}
        if split != "predict":
            made["label"] = [int(dice[0] > 3) for dice in pairs]
        return ReshapedRows(datasets.Dataset.from_dict(made), {"half a roll": odd} if odd else {})

    def prepare(""",
).replace("import PredictionFile,", "import PredictionFile, ReshapedRows,")


def test_rows_in_another_shape_are_numbered_and_what_was_dropped_is_counted(scenario, tmp_path):
    rows = [{"rolls": [n % 6 + 1, 3, 6 - n % 6, 2, 1][: 4 + n % 2]} for n in range(30)]
    recipe = scenario("grids", RESHAPED, "Grids", rows, model={"from_config": TINY},
                      training={"max_steps": 2})  # fmt: skip
    run = toolkit.run(recipe, out=tmp_path / "run")
    assert run.record["data"]["skipped"] == {"train": {"half a roll": 15}}
    assert sum(run.record["data"]["rows"].values()) == 60
    lines = ['{"rolls": [1, 3, 99, 3, 5]}', "no JSON", '{"rolls": [2, 3]}']
    (tmp_path / "new.jsonl").write_text("\n".join(lines))
    found = predict_file.predict(Run(run.path), str(tmp_path / "new.jsonl"), tmp_path / "o.jsonl")
    assert (found.rows, found.rejected) == (2, 3)
    out = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [line["dice"] for line in out] == [[1, 3], [2, 3]]
    told = [json.loads(line) for line in found.rejected_path.read_text().splitlines()]
    assert told[0] == {"row": None, "reason": "half a roll", "rows": 1}
    assert [(line["row"], line["reason"].partition(":")[0]) for line in told[1:]] == [
        (2, "is not JSON"), (2, "IndexError")
    ]  # fmt: skip


def test_a_name_that_leads_out_of_the_folder_is_refused(grids):
    file = grids.path / "predictions.jsonl"
    file.write_text(file.read_text().replace("predictions/0000000.png", "predictions/../run.json"))
    with pytest.raises(UserError, match="leads out of the run's folder"):
        list(read_predictions(file))
