"""`toolkit init RECIPE --data FILE`: a recipe for one's own data, with the columns that fit."""

from pathlib import Path

import image_rows
import pytest
import yaml
from text_rows import sentences

from toolkit.cli.main import outcome


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(path, header, rows):
    path.write_text(f"{header}\n" + "".join(f"{row}\n" for row in rows))


def written(*words):
    assert outcome(["init", *words]) == 0
    return yaml.safe_load(Path(words[1]).read_text())


def test_the_class_and_the_text_are_found_and_the_recipe_runs(here, tiny_model, capsys):
    rows = [f"{n},{text},{label},{n % 3}" for n, (text, label) in enumerate(sentences(160))]
    table(here / "mail.csv", "id,message,team,floor", rows)
    (here / "support-tickets.csv").write_text("mine\n")  # called as the recipe's own file
    found = written("text-classification", "mine.yaml", "--data", "mail.csv")
    said = capsys.readouterr().out
    assert (found["options"]["text"], found["options"]["label"]) == ("message", "team")
    assert found["data"]["source"] == "mail.csv"
    assert "only_for" not in found
    assert "columns: id, message, team, floor" in said
    assert "options.text = message (proposed)" in said
    assert (here / "support-tickets.csv").read_text() == "mine\n"
    assert sorted(path.name for path in here.glob("*.yaml")) == ["mine.yaml"]
    assert outcome(["check", "mine.yaml", "--model", str(tiny_model), "--no-estimate"]) == 0


def test_columns_that_are_there_stay_and_paths_elsewhere_are_whole(here, capsys):
    table(here / "rows.csv", "label,text", [f"{label},{text}" for text, label in sentences(20)])
    (here / "sub").mkdir()
    found = written("text-classification", "sub/mine.yaml", "--data", "rows.csv")
    assert (found["options"]["text"], found["options"]["label"]) == ("text", "label")
    assert found["data"]["source"] == str((here / "rows.csv").resolve())
    assert "proposed" not in capsys.readouterr().out


def test_a_name_that_is_nearly_the_same_goes_before_values(here):
    table(here / "rows.csv", "Contexts,Questions,Answer",
          [f"a text of many words {n},what is {n}?,{n}" for n in range(20)])  # fmt: skip
    found = written("question-answering", "mine.yaml", "--data", "rows.csv")["options"]
    assert (found["context"], found["question"]) == ("Contexts", "Questions")


def test_images_are_found_by_their_file_names(here):
    image_rows.folder(here / "photos", dict.fromkeys(image_rows.CLASSES, 3))
    names = sorted(path.relative_to(here) for path in (here / "photos").rglob("*.png"))
    table(here / "rows.csv", "picture,what", [f"{name},{name.parent.name}" for name in names])
    found = written("image-classification", "mine.yaml", "--data", "rows.csv")["options"]
    assert (found["image"], found["label"]) == ("picture", "what")


def test_what_nothing_fits_and_what_is_left_to_the_scenario_is_told(here, capsys):
    table(here / "rows.csv", "text", [f"a text {n}" for n in range(20)])
    written("text-classification", "mine.yaml", "--data", "rows.csv")
    assert "options.label names 'label': no column fits" in capsys.readouterr().out
    table(here / "paid.csv", "amount,class", [f"{n}.5,{n % 2}" for n in range(20)])
    written("fraud-detection", "fraud.yaml", "--data", "paid.csv")
    assert "options left to the scenario: time, amount, entities" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "data", "said"),
    [
        ("mine.yaml", "nothing.csv", "nothing.csv: there is no such file"),
        ("there.yaml", "rows.csv", "there.yaml exists already"),
        ("mine.txt", "rows.csv", "must end with .yaml"),
        ("no/mine.yaml", "rows.csv", "the folder no does not exist"),
    ],
)
def test_nothing_is_written_where_something_is_wrong(here, capsys, file, data, said):
    table(here / "rows.csv", "text,label", ["a,b"])
    (here / "there.yaml").write_text("mine: 1\n")
    before = sorted(here.iterdir())
    assert outcome(["init", "text-classification", file, "--data", data]) == 2
    assert said in capsys.readouterr().err
    assert sorted(here.iterdir()) == before
