"""Runs side by side: the same rows, paired differences, and what cannot be compared."""

import json
import shutil
from html.parser import HTMLParser

import pytest
from text_rows import sentences

import toolkit
from toolkit import Run
from toolkit.cli.main import outcome
from toolkit.errors import UserError
from toolkit.reporting.html.comparison import page
from toolkit.runs import changed_answers
from toolkit.runs.compare import Compared, compare, find_runs
from toolkit.runs.settings import Setting
from toolkit.utils import locks


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_model):
    """A model that has learnt nothing, and one that has learnt all there is."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "rows.csv").write_text(
        "text,label\n" + "".join(f"{text},{label}\n" for text, label in sentences(240))
    )
    made = {}
    for name, epochs, rate in (("nothing", 1, 0.0), ("all", 15, 3e-3)):
        made[name] = toolkit.run(
            "text-classification", data=folder / "rows.csv", model=tiny_model, out=folder / name,
            settings={"training": {"num_train_epochs": epochs, "learning_rate": rate},
                      "method": {"name": "full", "head": "random"},
                      "data.split": {"test": 0.4, "validation": 0.1, "stratify": True}},
        ).path  # fmt: skip
    return made


def test_a_better_run_is_told_from_a_worse_one(runs):
    (found,) = compare([runs["nothing"], runs["all"]])
    accuracy = found.differences["accuracy"]
    assert accuracy.value - accuracy.reference > 0.2
    assert 0 < accuracy.low < accuracy.value - accuracy.reference < accuracy.high
    assert accuracy.better is True
    assert accuracy.p < 1e-4
    assert found.differences["log_loss"].better is True  # less of it
    assert found.gained - found.lost == pytest.approx(96 * (accuracy.value - accuracy.reference))
    assert found.mcnemar < 1e-4
    for change in found.changes:  # right in one of the two
        assert change.reference in (
            change.prediction["label"],
            change.reference_prediction["label"],
        )


def test_the_other_way_round_it_is_worse(runs):
    (found,) = compare([runs["all"], runs["nothing"]])
    assert found.differences["accuracy"].better is False
    assert found.differences["accuracy"].high < 0


def test_a_run_is_no_better_than_itself(runs):
    (found,) = compare([runs["all"], runs["all"]])
    assert found.differences["accuracy"].better is None
    assert found.differences["accuracy"].p == 1.0
    assert (found.gained, found.lost, found.mcnemar, found.changes) == (0, 0, 1.0, [])


def test_the_terminal_shows_it_in_a_narrow_window(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    assert outcome(["compare", str(runs["nothing"]), str(runs["all"])]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 70
    for part in ("reference", "accuracy", "better", "McNemar p: < 0.001", "now right", "row "):
        assert part in said


def test_json_has_the_same_numbers(runs, capsys):
    assert outcome(["compare", str(runs["nothing"]), str(runs["all"]), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    (found,) = compare([runs["nothing"], runs["all"]])
    (one,) = said["runs"]
    assert said["reference"]["path"] == str(runs["nothing"])
    accuracy = found.differences["accuracy"]
    assert one["metrics"]["accuracy"]["low"] == accuracy.low
    assert one["metrics"]["accuracy"]["better"] is True
    assert (one["gained"], one["lost"], one["mcnemar_p"]) == (
        found.gained, found.lost, found.mcnemar
    )  # fmt: skip
    assert one["changed"] >= one["gained"] + one["lost"]
    assert [c["row"] for c in one["changes"]] == [c.row for c in found.changes]


class Tags(HTMLParser):
    """Notes every tag, attribute and text of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.names, self.text = [], set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def test_the_page_holds_text_of_others_as_text(runs, tmp_path):
    odd = "<script>alert(1)</script> <img src=x onerror=alert(2)> \x1b[2J \u202ehi"
    folders = []
    for name in runs:
        folders.append(shutil.copytree(runs[name], tmp_path / f"<b>{name}"))
        text = (folders[-1] / "predictions.jsonl").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.split("\n")[:-1]]
        for line in lines:
            line["reference"] = line["reference"].replace("tool", odd)
            line["prediction"]["label"] = line["prediction"]["label"].replace("tool", odd)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folders[-1] / "predictions.jsonl").write_text(text)
    (found,) = [changed_answers.between(*map(Run, folders))]
    assert any(odd in (c.reference, c.prediction["label"]) for c in found.changes)
    settings = [Setting("options.label", odd, "label")]
    compared = Compared(**vars(found), run=Run(folders[1]), differences={}, settings=settings)
    text = page(Run(folders[0]), [compared])
    read = Tags()
    read.feed(text)
    assert not {"script", "img", "b"} & set(read.tags)
    assert not {name for name in read.names if name.startswith("on") or name == "src"}
    assert read.tags.count("link") == 1  # of no icon
    assert read.text.count("<script>alert(1)</script>") > 1
    assert not {"\x1b", "\u202e"} & set(text)
    assert read.tags.count("table") == 3


def test_the_page_is_written_or_it_is_told_why(runs, tmp_path, capsys):
    asked = ["compare", str(runs["nothing"]), str(runs["all"]), "--html"]
    assert outcome([*asked, str(tmp_path / "page.html")]) == 0
    assert "McNemar" in (tmp_path / "page.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert outcome([*asked, str(tmp_path / "nowhere" / "page.html")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({"text": "a", "score": 0.1}, {"text": "a", "score": 0.9}, 0),
        ({"answer": "a", "n_best": [{"text": "b"}]}, {"answer": "a", "n_best": [{"text": "c"}]}, 0),
        ({"answer": "a", "n_best": [{"text": "b"}]}, {"answer": "", "n_best": [{"text": "b"}]}, 1),
        ({"boxes": [{"box": [1.0, 2.0, 30.0, 40.0], "score": 0.9}]},
         {"boxes": [{"box": [9.0, 2.0, 30.0, 40.0], "score": 0.9}]}, 1),
        ({"boxes": [{"box": [1.0, 2.0, 30.0, 40.0], "score": 0.9}]},
         {"boxes": [{"box": [1.01, 2.0, 30.0, 40.0], "score": 0.7}]}, 0),
        ({"spans": [{"start": 1, "end": 4, "label": "x"}]},
         {"spans": [{"start": 1, "end": 5, "label": "x"}]}, 1),
        ({"forecast": [1e5, 2.0]}, {"forecast": [2e5, 2.0]}, 1),
        ({"value": 0.5}, {"value": 9.5}, None),
    ],
)  # fmt: skip
def test_what_changed_is_the_answer_and_not_how_sure_it_is(runs, tmp_path, before, after, changed):
    folders = []
    for name, prediction in (("one", before), ("two", after)):
        folders.append(tmp_path / name)
        shutil.copytree(runs["all"], folders[-1])
        line = {"row": 0, "reference": {}, "prediction": prediction}
        (folders[-1] / "predictions.jsonl").write_text(json.dumps(line) + "\n")
    assert changed_answers.between(*map(Run, folders)).changed == changed


def test_of_masks_hardly_two_are_the_same_and_none_counts_as_changed(runs, tmp_path):
    folders = []
    for name in ("one", "two"):
        folders.append(tmp_path / name)
        shutil.copytree(runs["all"], folders[-1])
        (folders[-1] / "predictions").mkdir()
        (folders[-1] / "predictions" / "0.png").write_text(name)
        mask = {"file": "predictions/0.png"}
        prediction = {"mask": mask, "shares": {"a": 0.5, "b": len(name) / 8}, "confidence": 0.5}
        line = {"row": 0, "reference": {"mask": mask}, "prediction": prediction}
        (folders[-1] / "predictions.jsonl").write_text(json.dumps(line) + "\n")
    found = changed_answers.between(*map(Run, folders))
    assert (found.changed, found.changes) == (None, [])


def test_answers_that_are_no_labels_are_compared_without_their_fractions(runs, tmp_path):
    folders = []
    for name, texts in (("one", ["a", "b", "c"]), ("two", ["a", "x", "c"])):
        folders.append(tmp_path / name)
        shutil.copytree(runs["all"], folders[-1])
        lines = [{"row": n, "reference": {"answers": ["a"]},
                  "prediction": {"text": text, "score": 0.1 * (n + len(name))}}
                 for n, text in enumerate(texts)]  # fmt: skip
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folders[-1] / "predictions.jsonl").write_text(text)
    found = changed_answers.between(*map(Run, folders))
    assert (found.gained, found.mcnemar, found.changed) == (None, None, 1)
    assert [change.row for change in found.changes] == [1]
    (folders[1] / "predictions.jsonl").write_text(
        "".join('{"row": 0, "reference": 1.0, "prediction": {"value": 0.5}}\n' for _ in range(3))
    )
    assert changed_answers.between(Run(folders[1]), Run(folders[1])).changed is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(scenario="question-answering"), "is of question-answering"),
        (lambda r: r["data"]["rows"].update(test=95), "95 test rows, the other 96"),
        (lambda r: r["data"].update(test_digest="0"), "its test rows are others"),
        (lambda r: r.update(status="failed"), "is failed, not finished"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(runs, tmp_path, change, message):
    other = shutil.copytree(runs["all"], tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    change(record)
    (other / "run.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=message):
        compare([runs["nothing"], other])


def test_other_labels_of_the_same_rows_are_refused(runs, tmp_path):
    other = shutil.copytree(runs["all"], tmp_path / "other")
    lines = (other / "predictions.jsonl").read_text().splitlines()
    lines[3] = json.dumps(json.loads(lines[3]) | {"reference": "metal"})
    (other / "predictions.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match="row 3 of test has another label"):
        compare([runs["nothing"], other])


def test_wrong_folders_are_told_at_once(runs, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert outcome(["compare", str(runs["all"].parent / "al"), str(tmp_path / "empty")]) == 2
    said = capsys.readouterr().err
    assert "is not there. Did you mean 'all'?" in said
    assert "holds no finished run" in said
    assert outcome(["compare", str(runs["all"])]) == 2


def test_a_folder_of_runs_stands_for_its_newest(runs):
    assert find_runs([str(runs["all"].parent)]) == [runs["nothing"]]  # the last by name


def test_runs_are_listed_damaged_ones_too(runs, tmp_path, capsys):
    shutil.copytree(runs["all"], tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run.json").write_text("{")
    assert outcome(["runs", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    record = Run(runs["all"]).record
    date = record["started"][:16].replace("T", " ")
    model = record["model"]["id"].rpartition("/")[2]
    assert f"{date}  finished     {tmp_path / 'a'}\n    text-classification, {model}, full" in said
    assert f", {record['data']['rows']['train']} training rows, " in said
    assert "\n    accuracy 0." in said
    assert f"  damaged      {tmp_path / 'b'}\n" in said
    assert outcome(["runs", str(tmp_path / "nowhere")]) == 2


@pytest.mark.parametrize("columns", [40, 160])
def test_a_run_whose_process_has_ended_is_told_from_one_that_runs(
    runs, tmp_path, capsys, monkeypatch, columns
):
    monkeypatch.setenv("COLUMNS", str(columns))
    ended, alive = tmp_path / "ended", tmp_path / "alive"
    for folder in (ended, alive):
        record = shutil.copytree(runs["all"], folder) / "run.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | {"status": "running"}))
    (ended / locks.NAME).write_text("1\n")  # what a killed process leaves
    locks.acquire(alive)
    try:
        assert outcome(["runs", str(tmp_path)]) == 0
        assert (Run(alive).state, Run(ended).state) == ("running", "dead")
    finally:
        locks.release(alive)
    said = capsys.readouterr().out
    assert said.split().count("dead") == 1
    assert said.split().count("running") == 1
    assert f"go on with: toolkit run {ended}/recipe.yaml --out {ended} --resume" in said
    with pytest.raises(UserError, match="is dead, not finished"):
        compare([runs["all"], ended])


def test_settings_that_differ_are_named_and_the_reader_is_warned(runs, capsys):
    asked = ["compare", str(runs["nothing"]), str(runs["all"])]
    assert outcome(asked) == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "training.learning_rate 0 0.003" in said
    assert "training.num_train_epochs 1 15" in said
    assert "options" not in said  # what does not differ
    assert "compare with --split validation" in said
    assert outcome([*asked, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["runs"]
    assert one["settings"]["training.learning_rate"] == {"reference": 0.0, "run": 0.003}
    (same,) = compare([runs["all"], runs["all"]])
    assert same.settings == []


def test_runs_are_compared_on_validation(runs, tmp_path, capsys):
    (found,) = compare([runs["nothing"], runs["all"]], "validation")
    values = [Run(runs[n]).metrics["validation"]["accuracy"]["value"] for n in ("nothing", "all")]
    accuracy = found.differences["accuracy"]
    assert [accuracy.reference, accuracy.value] == values
    assert accuracy.low < values[1] - values[0] < accuracy.high
    assert found.gained - found.lost == pytest.approx(24 * (values[1] - values[0]))
    asked = ["compare", str(runs["nothing"]), str(runs["all"]), "--split", "validation"]
    assert outcome([*asked, "--html", str(tmp_path / "page.html")]) == 0
    said = capsys.readouterr().out
    assert "Scores on validation" in said
    assert "compare with --split" not in said
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Scores on validation" in text
    assert "The inputs of these rows were not kept" in text  # those of test are

    older = shutil.copytree(runs["all"], tmp_path / "older")
    shutil.rmtree(older / "validation")
    with pytest.raises(UserError, match="older: keeps no predictions of validation"):
        compare([runs["all"], older], "validation")
    other = shutil.copytree(runs["all"], tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    record["data"]["validation_digest"] = "0"
    (other / "run.json").write_text(json.dumps(record))
    assert compare([runs["all"], other])
    with pytest.raises(UserError, match="its validation rows are others"):
        compare([runs["all"], other], "validation")


def test_the_page_shows_the_texts_of_changed_rows(runs):
    (found,) = compare([runs["nothing"], runs["all"]])
    text = page(Run(runs["nothing"]), [found])
    kept = (runs["all"] / "logs" / "test_rows.jsonl").read_text().splitlines()
    assert len(kept) == 96
    read = Tags()
    read.feed(text)
    assert found.changes
    for change in found.changes:
        assert json.loads(kept[change.row])["text"] in read.text
    assert read.tags.count("svg") == 2
    assert "The inputs of these rows were not kept" not in read.text
