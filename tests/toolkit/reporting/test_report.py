"""report.html: what it says, for whatever predictions, and that it obeys nobody's data."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from hostile import COLUMN, LABEL, NAME, OBEYED
from report_folders import classified, folder, record

from toolkit import Run
from toolkit.cli.main import outcome
from toolkit.evaluation import calibration
from toolkit.reporting import html, prediction_arrays
from toolkit.reporting.html import headline
from toolkit.reporting.terminal import run_facts

SLICES = {
    "channel": {
        "mail": {"rows": 40, "accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}},
        "phone": {"rows": 60, "accuracy": {"value": 0.9, "low": 0.8, "high": 1.0}},
        "fax": {"rows": 2, "accuracy": {"value": 0.0, "low": 0.0, "high": 0.0}},
    }
}
HISTORY = [
    {"step": 2, "loss": 1.0, "learning_rate": 0.1, "seconds": 1.0},
    {"step": 4, "loss": 0.5, "learning_rate": 0.05, "seconds": 2.0},
    {"step": 4, "eval_loss": 0.7, "eval_accuracy": 0.6, "seconds": 10.0},
    {"step": 6, "loss": 0.4, "learning_rate": 0.01, "seconds": 11.0},
    {"step": 6, "eval_loss": float("nan"), "eval_accuracy": 0.7, "seconds": 12.0},
]


class Page(HTMLParser):
    """What a page holds: tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(run) -> Page:
    """Write the report; hold what is true of every one, and return it."""
    text = html.write(run).read_text(encoding="utf-8")
    assert len(text.encode()) < 3_000_000
    assert not OBEYED.search(text.replace("\n", ""))
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "iframe", "object", "form", "base"}
    attributes = [(k, v or "") for _, given in page.tags for k, v in given.items()]
    assert not [k for k, _ in attributes if k.startswith("on")]
    places = [v for k, v in attributes if k in ("src", "href")]
    assert all(v.startswith(("#", "data:")) for v in places)
    ids = [v for k, v in attributes if k == "id"]
    assert len(ids) == len(set(ids))
    assert {v[1:] for v in places if v.startswith("#")} <= set(ids)
    for tag, given in page.tags:
        if tag == "svg":
            assert given["role"] == "img"
            assert given["aria-label"]
        if tag == "img":
            assert given["alt"]
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert levels[:2] == [1, 2]
    return page


def test_a_report_answers_in_the_order_in_which_a_reader_asks(tmp_path):
    pairs = classified(["bird", "fruit", "tool"], 400)
    run = folder(tmp_path / "run", pairs, history=HISTORY, slices=SLICES,
                 calibration={"temperature": 2.0, "fitted_rows": 100})  # fmt: skip
    page = page_of(run)
    order = ["Does it work", "Where does it fail", "Are the probabilities calibrated",
             "How did training go", "What exactly ran"]  # fmt: skip
    places = [page.text.rindex(title) for title in order]
    assert places == sorted(places)
    assert "On 400 test rows the accuracy is 0.800" in page.text
    assert "between 0.700 and 0.900 (95% interval)" in page.text
    assert (
        "The best baseline is majority (0.500); the two were not compared row by row" in page.text
    )
    gap = "By channel the accuracy of “mail” and “phone” differs by 0.400 ["
    assert gap in page.text  # fax has too few rows to be named
    wrong = sum(p["label"] != r for p, r in pairs)
    assert f"{wrong} of 400 test rows are wrong" in page.text
    assert f"toolkit rerun {run.path}" in page.text


def test_an_undefined_score_is_told():
    score = {"value": None, "low": None, "high": None}
    section = headline.section(record(20, metrics={"test": {"accuracy": score}}), [])
    assert "The accuracy is undefined on the 20 test rows" in " ".join(section.answer)


def test_calibration_errors_are_those_of_the_metric_and_fall_with_the_temperature(tmp_path):
    from toolkit.evaluation import metrics

    names = ["a", "b", "c"]
    pairs = classified(names, 3000)
    metric = metrics.load("expected_calibration_error", labels=names)
    known = metric.compute(predictions=[p for p, _ in pairs], references=[r for _, r in pairs])
    sample = calibration.Sample(3000)
    list(sample.passing([([p for p, _ in pairs], [r for _, r in pairs])]))
    fitted = sample.fitted()
    assert fitted["fitted_rows"] == 3000
    assert fitted["temperature"] == pytest.approx(2.0, rel=0.15)
    run = folder(tmp_path / "run", pairs, calibration=fitted)
    read = prediction_arrays.read(run.path / "predictions.jsonl", fitted["temperature"])
    assert read.before.error == pytest.approx(known["expected_calibration_error"])
    assert read.after.error < 0.3 * read.before.error
    page = page_of(run)
    assert f"calibration error is {read.before.error:.3f}" in page.text
    assert f"it would be {read.after.error:.3f}" in page.text


def test_the_temperature_of_a_part_is_near_that_of_all(monkeypatch):
    pairs = classified(["a", "b", "c"], 3000, seed=1)
    monkeypatch.setattr(calibration, "CELLS", 3000)
    sample = calibration.Sample(len(pairs))
    batches = [pairs[start : start + 700] for start in range(0, 3000, 700)]
    list(sample.passing(([p for p, _ in b], [r for _, r in b]) for b in batches))
    fitted = sample.fitted()
    assert fitted["fitted_rows"] == 1000
    assert fitted["temperature"] == pytest.approx(2.0, rel=0.25)


def test_several_labels_have_a_temperature_of_their_decisions():
    rng = np.random.default_rng(0)
    odds = rng.normal(size=(2000, 4))
    truth = rng.random((2000, 4)) < 1 / (1 + np.exp(-odds))
    overconfident = 1 / (1 + np.exp(-3 * odds))
    assert calibration.fit(overconfident, truth, several=True) == pytest.approx(3.0, rel=0.15)


def test_two_classes_have_curves_with_the_point_at_which_labels_are_given(tmp_path):
    page = page_of(folder(tmp_path / "run", classified(["no", "yes"], 200), positive="no"))
    assert "ROC of “no”" in page.text
    assert "Precision over recall of “no”" in page.text
    assert "current threshold" in page.text
    assert "Accuracy on the most confident rows" in page.text


def test_names_of_marked_points_lie_on_no_line(tmp_path):
    made = folder(tmp_path / "run", classified(["no", "yes"], 200), positive="yes")
    text = html.write(made).read_text(encoding="utf-8")
    chart = text[text.index("ROC of") :].partition("</svg>")[0]
    height = float(re.search(r'viewBox="0 0 \S+ (\S+)"', chart)[1])
    axes = [float(y) for y in re.findall(r"translate\(\S+ (\S+)\)[^>]*>\D*true positive", chart)]
    at = re.search(r"(?:translate\(\S+ |y=\")([\d.]+)[^>]*>current threshold", chart)
    assert at, chart[-3000:]
    assert float(at[1]) < height / 5  # in the legend, above the axes
    assert axes is not None


def test_what_was_skipped_and_cut_is_a_table(tmp_path):
    data = record(60)["data"] | {
        "skipped": {"train": {"empty text": 3, "no label": 2}, "test": {"no label": 20}},
        "cut": [{"split": "test", "count": 15, "rows": 60, "limit": 128, "what": "texts"}],
    }
    page = page_of(folder(tmp_path / "run", classified(["a", "b"], 60), data=data))
    assert "train empty text 3 20.0%" in page.text
    assert "test no label 20 25.0%" in page.text
    assert "test texts 128 15 25.0%" in page.text
    whole = page_of(folder(tmp_path / "whole", classified(["a", "b"], 60)))
    assert "Texts cut" not in whole.text
    assert "Skipped rows" not in whole.text


def test_date_command_and_verdict_stand_in_the_report(tmp_path):
    verdicts = {"majority": {"accuracy": {
        "difference": 0.3, "low": 0.2, "high": 0.4, "p": 0.001, "greater_is_better": True,
        "verdict": "better"}}}  # fmt: skip
    made = folder(tmp_path / "run", classified(["a", "b"], 60), verdicts=verdicts,
                  started="2026-03-01T12:30:00+0000", command="toolkit run things")  # fmt: skip
    page = page_of(made)
    assert "run on 2026-03-01 at 12:30" in page.text
    assert "toolkit run things" in page.text
    said = "Accuracy is better than that of the best baseline majority"
    assert page.text.index(said) < page.text.index("Does it work, and how certain is that? On")
    assert page.text.count(said) == 1


def test_classes_are_never_broken_in_the_confusion_matrix(tmp_path):
    names = ["card_payment_fee_charged", "b"]
    page = page_of(folder(tmp_path / "run", classified(names, 60)))
    assert ("table", {"class": "heat long"}) in page.tags
    style = html.write(Run(tmp_path / "run")).read_text(encoding="utf-8").partition("</style>")[0]
    rules = re.findall(r"\n\.heat[^{]*th[^{]*{([^}]*)}", style)
    assert len(rules) >= 3
    assert not [rule for rule in rules if "anywhere" in rule or "break" in rule]


def test_training_is_drawn_from_the_log(tmp_path):
    page = page_of(folder(tmp_path / "run", classified(["a", "b"], 50), history=HISTORY))
    assert "The best accuracy on validation came after step 6, the last" in page.text
    charts = [given["aria-label"] for tag, given in page.tags if tag == "svg"]
    for title in ("Loss", "accuracy on validation", "Learning rate", "Throughput"):
        assert any(title in name for name in charts), title
    # Validation between the lines, eight seconds of it, is not counted: two steps a second.
    assert "training 6.000 16.000" in page.text


def test_how_steps_were_taken_is_told(tmp_path):
    note = "captured steps for 2,000 batches, by the time of one: eager 24.0 ms, captured 11.0 ms"
    way = {"name": "captured", "unpadded": False, "note": note}
    pairs = classified(["a", "b"], 50)
    assert f"C{note[1:]}." in page_of(folder(tmp_path / "told", pairs, training_way=way)).text
    plain = {**way, "name": "eager", "note": None}
    assert "None" not in page_of(folder(tmp_path / "plain", pairs, training_way=plain)).text


def test_others_than_classes_show_their_worst_rows(tmp_path):
    pairs = [({"answer": f"said {n}"}, [f"true {n}"]) for n in range(30)]
    rows = {"3": {"cells": {"question": "why?"}, "prediction": "said 3", "reference": "true 3"}}
    kept = {
        "kinds": {"worst": [3], "first": []},
        "scores": {"3": 0.0},
        "metric": "f1",
        "rows": rows,
    }
    page = page_of(folder(tmp_path / "run", pairs, kept))
    assert "Worst rows" in page.text
    assert "why?" in page.text
    assert "not of classes" in page.text


@pytest.mark.parametrize("scores", [True, False])
def test_several_labels_a_row(tmp_path, scores):
    rng = np.random.default_rng(0)
    pairs = []
    for p in rng.random((60, 3)).tolist():
        named = dict(zip("abc", p, strict=True))
        said = {"labels": [n for n, v in named.items() if v >= 0.5]}
        true = [n for n, v in named.items() if v >= rng.uniform(0.3, 0.7)]
        pairs.append((said | ({"scores": named} if scores else {}), true))
    page = page_of(folder(tmp_path / "run", pairs))
    wrong = sum(set(p["labels"]) != set(r) for p, r in pairs)
    assert f"{wrong} of 60 test rows have at least one label too many or too few" in page.text
    assert "By class" in page.text
    assert ("Reliability" in page.text) == scores


def test_a_thousand_classes_stay_readable(tmp_path):
    page = page_of(folder(tmp_path / "run", classified([f"class {n}" for n in range(1000)], 600)))
    assert "50 of 1,000 classes are shown" in page.text
    assert "Most confused classes" in page.text
    assert "Confusion matrix" not in page.text


def test_one_class_and_one_row(tmp_path):
    page = page_of(folder(tmp_path / "run", classified(["only"], 1)))
    assert "0 of 1 test rows are wrong" in page.text


def test_an_empty_validation_split_and_an_unknown_class(tmp_path):
    pairs = [*classified(["a", "b"], 30), ({"label": "a", "scores": {"a": 0.9, "b": 0.1}}, "new")]
    metrics = {"test": {"accuracy": {"value": 0.8, "low": None, "high": None}}}
    page = page_of(folder(tmp_path / "run", pairs, metrics=metrics, calibration=None, baselines={},
                          baseline_rows={}))  # fmt: skip
    assert "Most confident mistakes" in page.text
    assert "There is no baseline to compare it with" in page.text
    assert "new" in page.text


def test_the_setting_of_a_baseline_is_told(tmp_path):
    rows = {"majority": {"train": 10, "test": 60, "setting": "words, C=10"}}
    made = folder(tmp_path / "run", classified(["a", "b"], 60), baseline_rows=rows)
    assert "Their settings: majority with words, C=10." in page_of(made).text
    assert "baselines: majority with words, C=10" in list(run_facts(made.record))


def test_no_test_rows_and_no_metrics(tmp_path):
    page = page_of(folder(tmp_path / "run", [], metrics={"test": {}}, headline=None, baselines={},
                          baseline_rows={}))  # fmt: skip
    assert "has no metric" in page.text


def test_labels_without_probabilities(tmp_path):
    pairs = [({"label": "a"}, "a"), ({"label": "b", "score": 0.3}, "a")]
    page = page_of(folder(tmp_path / "run", pairs))
    assert "hold no probabilities" in page.text


HOSTILE = [
    LABEL, COLUMN, "</style></script><script>alert(1)</script>", "\u05e9\u05dc\u05d5\u05dd abc",
    "\u202etxet\u202c", "a\x00b\x1b[31m", "x" * 1_000_000, "$x_{y}$ \\frac{1}{2}", "\ud800",
    "\U0001f600 \ufffe", "{{ 7*7 }}", "']];alert(1)//", "", " ", "\u65e5\u672c\u8a9e",
]  # fmt: skip


def test_what_others_wrote_is_shown_and_never_obeyed(tmp_path):
    names = [text.encode("utf-8", "replace").decode() for text in HOSTILE]
    pairs = classified(names, 300)
    rows = {str(n): {"cells": {LABEL: text, COLUMN: text}, "prediction": text, "reference": text}
            for n, text in enumerate(HOSTILE)}  # fmt: skip
    kept = {"kinds": {"mistakes": list(range(len(HOSTILE))), "uncertain": []}, "scores": {},
            "rows": rows}  # fmt: skip
    slices = {COLUMN: {text[:5000]: {"rows": 20, "accuracy": {"value": 0.1 * (n % 7), "low": 0.0,
                                                              "high": 1.0}}
                       for n, text in enumerate(names)}}  # fmt: skip
    run = folder(tmp_path / "run", pairs, kept, recipe=NAME, slices=slices,
                 model={"id": LABEL, "revision": COLUMN, "source": NAME})  # fmt: skip
    run.record["data"]["notes"] = HOSTILE
    run.record["data"]["source"] = {LABEL: HOSTILE[-5]}
    (run.path / "recipe.yaml").write_text("\n".join(names)[:50_000] + "\x1b[31m" + "y" * 99_999)
    page = page_of(run)
    assert "<script>alert(1)</script>" in page.text  # as text
    assert "{{ 7*7 }}" in page.text
    assert "$x_{y}$" in page.text
    assert "\\x1b[31m" in page.text


def test_a_figure_of_a_plugin_is_drawn_anew_and_a_picture_made_small(tmp_path):
    from PIL import Image

    from toolkit.plugin_types import Curve
    from toolkit.reporting import figures

    run = folder(tmp_path / "run", classified(["a", "b"], 40))
    noise = np.random.default_rng(0).integers(0, 255, (3000, 3000, 3), "uint8")
    curve = Curve(LABEL, COLUMN, NAME, {LABEL: [(n / 5000, n) for n in range(5000)]},
                          {COLUMN: (0.5, 2500.0)})  # fmt: skip
    drawn = {"cost": curve, "sheet": Image.fromarray(noise), "../roc": curve}
    run.record["figures"] = figures.write(run.path, drawn)
    page = page_of(run)
    pictures = [given for tag, given in page.tags if tag == "img"]
    assert [given["src"][:15] for given in pictures] == ["data:image/jpeg"]
    assert int(pictures[0]["width"]) <= 1000


def test_the_same_folder_gives_the_same_report(tmp_path):
    run = folder(tmp_path / "run", classified(["a", "b", "c"], 90), history=HISTORY, slices=SLICES)
    first = html.write(run, tmp_path / "one.html").read_bytes()
    assert html.write(run, tmp_path / "two.html").read_bytes() == first


def test_the_command_writes_it_without_torch(tmp_path):
    run = folder(tmp_path / "run", classified(["a", "b"], 40))
    script = (
        "import sys\nfrom toolkit.cli.main import outcome\n"
        f"assert outcome(['report', {str(run.path)!r}, '-o', {str(tmp_path / 'a.html')!r}]) == 0\n"
        "assert not {'torch', 'transformers', 'datasets', 'evaluate'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "a.html")
    assert (tmp_path / "a.html").is_file()
    assert not run.report.exists()
    assert outcome(["report", str(run.path)]) == 0
    assert run.report.read_bytes() == (tmp_path / "a.html").read_bytes()


@pytest.mark.parametrize(
    ("file", "content"),
    [("logs/examples.json", '{"kinds": {"mistakes": ["x"]}}'), ("logs/examples.json", "{"),
     ("figures/cost.json", '{"title": 1}'), ("figures/sheet.png", "no picture")],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path, capsys, file, content):
    drawn = {"cost": "figures/cost.svg", "sheet": "figures/sheet.png"}
    run = folder(tmp_path / "run", classified(["a", "b"], 4), figures=drawn)
    (run.path / file).parent.mkdir(exist_ok=True)
    (run.path / file).write_text(content)
    assert outcome(["report", str(run.path)]) == 2
    assert f"{run.path / file} is damaged" in capsys.readouterr().err


def test_a_figure_leads_to_nothing_outside_its_folder(tmp_path):
    from toolkit.plugin_types import Curve
    from toolkit.reporting import figures

    run = folder(tmp_path / "run", classified(["a", "b"], 4), figures={"x": "../secret.svg"})
    curve = Curve("secret", "x", "y", {"line": [(0, 0), (1, 1)]})
    figures.write(tmp_path, {"secret": curve})
    (tmp_path / "figures" / "secret.json").rename(tmp_path / "secret.json")
    assert "secret" not in page_of(run).text


def test_what_hinders_a_report_is_named(tmp_path, capsys):
    run = folder(tmp_path / "run", classified(["a", "b"], 4))

    def said(*words):
        assert outcome(["report", *map(str, words)]) == 2
        return capsys.readouterr().err

    assert "no run's folder" in said(tmp_path)
    assert "cannot be written" in said(run.path, "-o", tmp_path / "no" / "where.html")
    file = run.path / "predictions.jsonl"
    file.write_text(file.read_text()[:-20])
    assert "predictions.jsonl is damaged" in said(run.path)
    file.unlink()
    assert "predictions.jsonl cannot be read" in said(run.path)
    failed = json.loads((run.path / "run.json").read_text()) | {"status": "failed"}
    (run.path / "run.json").write_text(json.dumps(failed))
    assert "is failed: only a finished run has a report" in said(run.path)
