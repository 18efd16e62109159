"""Offsets in other units, answers in other forms, and what no prediction can give; as told."""

import json
import unicodedata

import pytest
import torch
from finished import QUESTIONS as FAST
from qa_rows import questions, written
from toolkit_plugins.text import offsets
from toolkit_plugins.text.question_answering import spans
from toolkit_plugins.text.question_answering.answers import Layout

import toolkit
from toolkit.cli.main import outcome

LAYOUT = Layout("question", "context", "answers", "answer_start")
#: Many places of the answer, and the right one far from where a wrong unit points.
THERE = "heron "
BEFORE = "\U0001f600\u043f\u0442\u0438\u0446\u0430 caf\u00e9\r\n" * 30


def row(unit, number=0):
    context = f"{number} {THERE * 9}{BEFORE}the heron. {THERE * 40}"
    start = context.index("the heron") + 4
    counted = {
        "bytes": len(context[:start].encode()),
        "utf16": len(context[:start].encode("utf-16-le")) // 2,
        "feeds": len(context[:start].replace("\r\n", "\n")),
        "decomposed": len(unicodedata.normalize("NFD", context[:start])),
        "characters": start,
    }[unit]
    answers = {"text": ["heron"], "answer_start": [counted]}
    return {"context": context, "question": "which?", "answers": answers}, start


@pytest.mark.parametrize("unit", ["bytes", "utf16", "feeds", "decomposed", "characters"])
def test_the_unit_of_offsets_shows_over_the_whole_split(unit):
    rows, starts = zip(*(row(unit, number) for number in range(8)), strict=True)
    found = LAYOUT.unit(lambda: rows)
    assert (found == offsets.CHARACTERS) is (unit == "characters")
    for one, start in zip(rows, starts, strict=True):
        (place,) = LAYOUT.places(one, found)
        assert (place.start, place.state) == (start, "right")


def test_lines_that_ended_in_two_marks_are_counted_so():
    context = "red\nold\n" * 30 + "the heron and a heron"
    start = context.index("heron")
    answers = {"text": ["heron"], "answer_start": [start + 60]}
    rows = [{"context": context, "question": "?", "answers": answers}]
    (place,) = LAYOUT.places(rows[0], LAYOUT.unit(lambda: rows))
    assert place.start == start


def test_offsets_that_fit_no_unit_are_left_to_the_nearest_place():
    rows = [row("bytes", number)[0] for number in range(4)]
    for number, one in enumerate(rows):
        one["answers"]["answer_start"][0] += 3 + 11 * number
    assert LAYOUT.unit(lambda: rows) == offsets.CHARACTERS


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("answer", ["Zo\u00eb", "Zo\u00eb \u0141ucja", "\ud55c\uad6d\uc5b4"])
def test_answers_are_found_in_another_unicode_form(forms, answer):
    given, there = (unicodedata.normalize(form, answer) for form in forms)
    context = unicodedata.normalize(forms[1], f"the old one is {answer} and caf\u00e9.")
    rows = {"context": context, "question": "who?", "answers": [given]}
    (place,) = LAYOUT.places(rows)
    assert context[place.start : place.end] == there
    bare = {**rows, "answers": [unicodedata.normalize("NFD", answer)[:1] + "zz"]}
    assert LAYOUT.places(bare)[0].state == "not found"


def test_a_syllable_without_its_last_consonant_is_another_one():
    context = unicodedata.normalize("NFD", "\uac01")
    (place,) = LAYOUT.places({"context": context, "question": "?", "answers": ["\uac00"]})
    assert place.state == "not found"


def test_both_forms_of_an_answer_score_alike():
    from toolkit_plugins.text.question_answering.metrics import exact, f1

    composed = "Zo\u00eb \u0141ucja"
    for measure in (exact, f1):
        assert measure(unicodedata.normalize("NFD", composed), composed) == 1.0


def long_answers(count):
    """Return questions whose answers are 12 words, in contexts of 12, 60 and 120 words."""
    rows = []
    for number in range(count):
        answer = " ".join(["red", "blue", "green", "white"] * 3)
        before = " ".join(["old"] * (0, 24, 54)[number % 3])
        context = f"{before} the cup {answer} . {' '.join(['new'] * (0, 24, 54)[number % 3])}"
        start = context.index(answer)
        rows.append({"id": str(number), "context": context, "question": "what colour has the cup ?",
                     "answers": {"text": [answer], "answer_start": [start]}})  # fmt: skip
    return rows


def said(capsys, *words):
    code = outcome(["check", "question-answering", "--no-estimate", *words])
    found = capsys.readouterr()
    assert code == 0, found.err
    return " ".join(found.out.split())


def test_what_no_prediction_can_give_is_told(tmp_path, qa_model, capsys):
    data = written(tmp_path / "rows.jsonl", long_answers(60))
    common = ["--data", str(data), "--model", str(qa_model), "--set", "data.split.group=null"]
    found = said(capsys, *common, "--set", "options.max_answer_length=8")
    assert "windows have 64 tokens, the most that the model takes" in found
    assert "answers are longer than 8 tokens (options.max_answer_length)" in found
    found = said(capsys, *common, "--set", "options.max_length=24", "--set", "options.doc_stride=4")
    assert "answers stand whole in no window" in found
    found = said(capsys, *common, "--set", "options.max_question_length=2")
    assert "questions are longer than 2 tokens and are cut" in found
    found = said(capsys, *common, "--set", "options.max_length=48", "--set", "options.doc_stride=9",
                 "--set", "options.max_answer_length=20")  # fmt: skip
    assert "no prediction" not in found


def test_report_and_record_say_so_too(tmp_path, qa_model):
    data = written(tmp_path / "rows.jsonl", long_answers(30))
    run = toolkit.run(
        "question-answering", data=data, model=qa_model, out=tmp_path / "run",
        settings={**FAST, "training.max_steps": 1, "options.max_answer_length": 8,
                  "data.split.group": "id"},
    )  # fmt: skip
    notes = [note for note in run.record["data"]["notes"] if "longer than 8 tokens" in note]
    assert notes[0].startswith("train: 18 answers")
    for page in ("README.md", "report.html"):
        assert "longer than 8 tokens" in (run.path / page).read_text(encoding="utf-8")


def test_an_answer_fits_into_the_window_that_owns_its_start(qa_model):
    import transformers
    from toolkit_plugins.text.question_answering.windows import Windows

    tokenizer = transformers.AutoTokenizer.from_pretrained(qa_model)
    windows = Windows.fitting(tokenizer, 32, 12, 4, 12)
    found = list(windows.of(["what ?"], ["red " * 100], None))
    for window in found[:-1]:
        assert len(window["token_starts"]) - window["own"][1] >= 12


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_labels_are_smoothed_over_the_places_that_count(smoothing):
    from types import SimpleNamespace

    torch.manual_seed(0)
    start, end = torch.randn(3, 9), torch.randn(3, 9)
    labels = torch.tensor([[3, 4, 2, 6, 0], [0, 0, 2, 6, 0], [-100] * 5])
    found = spans.loss(SimpleNamespace(start_logits=start, end_logits=end), labels,
                       smoothing=smoothing)  # fmt: skip
    places = [0, 2, 3, 4, 5]
    expected = [
        torch.nn.functional.cross_entropy(
            logits[:2, places], torch.tensor([places.index(int(one)) for one in labels[:2, side]]),
            label_smoothing=smoothing,
        )
        for side, logits in enumerate((start, end))
    ]  # fmt: skip
    assert found == pytest.approx(float(sum(expected)) / 2, rel=1e-4)


def test_label_smoothing_changes_what_is_learned(tmp_path, qa_model):
    data = written(tmp_path / "rows.jsonl", questions(60))
    weights = []
    for smoothing in (0.0, 0.3):
        run = toolkit.run(
            "question-answering", data=data, model=qa_model, out=tmp_path / str(smoothing),
            settings={**FAST, "training.max_steps": 2, "data.split.group": None,
                      "training.label_smoothing_factor": smoothing},
        )  # fmt: skip
        weights.append((run.path / "model" / "model.safetensors").read_bytes())
    assert weights[0] != weights[1]
    assert json.loads((run.path / "run.json").read_text())["status"] == "finished"
