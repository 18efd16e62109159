"""Rows as they come, read as texts with entities; what of them is odd has one outcome each."""

import json
from dataclasses import dataclass

import datasets
import pytest
from toolkit_plugins.text.token_classification import reading, words

from toolkit.data.typed_files import read_typed
from toolkit.errors import DataError


@dataclass(frozen=True)
class Options:
    text: str = "text"
    entities: str = "entities"
    tokens: str = "tokens"
    tags: str | None = None
    tag_names: tuple[str, ...] | None = None
    tag_column: int | None = None


def table(tmp_path, rows, name="rows.jsonl"):
    """Return rows as they come from a file of JSON."""
    path = tmp_path / name
    lines = json.dumps(rows) if name.endswith(".json") else "\n".join(map(json.dumps, rows))
    path.write_text(lines)
    return read_typed(path)


def read(rows, split="train", **options):
    return reading.reshaped(rows, split, Options(**options))


def entities(found):
    return [[(row["text"][one["start"] : one["end"]], one["label"]) for one in row["entities"]]
            for row in found.rows]  # fmt: skip


TEXT = "Ann met Bob in Rome"
SPANS = [(0, 3, "PER"), (8, 11, "PER"), (15, 19, "LOC")]
READ = [("Ann", "PER"), ("Bob", "PER"), ("Rome", "LOC")]
OBJECTS = [{"start": a, "end": b, "label": y} for a, b, y in SPANS]
RESULT = [{"value": {"start": a, "end": b, "text": TEXT[a:b], "labels": [y]}, "type": "labels",
           "from_name": "label", "to_name": "text"} for a, b, y in SPANS]  # fmt: skip
CHOICE = {"value": {"choices": ["good"]}, "type": "choices"}
TASK = {"id": 1, "data": {"text": TEXT},
        "annotations": [{"was_cancelled": False, "result": [*RESULT, CHOICE]}]}  # fmt: skip
EXPORTS = {
    "spans": {"text": TEXT, "entities": OBJECTS},
    "other keys": {"text": TEXT, "spans": [
        {"start_char": a, "end_char": b, "type": y} for a, b, y in SPANS]},
    "Doccano 1": {"id": 1, "text": TEXT, "label": SPANS},
    "Doccano, older": {"id": 1, "data": TEXT, "labels": SPANS},
    "Doccano, relations": {"text": TEXT, "relations": [], "entities": [
        {"id": 1, "label": y, "start_offset": a, "end_offset": b} for a, b, y in SPANS]},
    "Label Studio": TASK,
    "Label Studio, older": {"id": 1, "data": {"note": TEXT}, "completions": TASK["annotations"]},
    "Label Studio, HTML": {"data": {"text": TEXT}, "annotations": [{"result": [
        {"value": {"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "hypertextlabels": [y],
                   "globalOffsets": {"start": a, "end": b}}} for a, b, y in SPANS]}]},
    "JSON-MIN": {"text": TEXT, "id": 1, "lead_time": 3.5, "label": [
        {"start": a, "end": b, "text": TEXT[a:b], "labels": [y]} for a, b, y in SPANS]},
    "Prodigy": {"text": TEXT, "_input_hash": 1, "answer": "accept", "spans": [
        {**one, "token_start": 0, "token_end": 0} for one in OBJECTS],
        "tokens": [{"text": "Ann", "start": 0, "end": 3, "id": 0}]},
    "Doc.to_json": {"text": TEXT, "ents": OBJECTS, "tokens": [{"id": 0, "start": 0, "end": 3}]},
    "columns": {"text": TEXT, "entities": {
        key: [one[key] for one in OBJECTS] for key in ("start", "end", "label")}},
    "a cell of csv": {"text": TEXT, "entities": json.dumps(OBJECTS)},
    "a list as Python writes it": {"text": TEXT, "entities": str(SPANS)},
}  # fmt: skip


def test_the_training_data_of_spacy_are_pairs(tmp_path):
    pairs = [[TEXT, {"entities": SPANS}], [TEXT, {"entities": []}]]
    found = read(table(tmp_path, pairs, "train.json"))
    assert entities(found) == [READ, []]
    assert found.notes == ["rows are read as spaCy's training data"]


@pytest.mark.parametrize("form", EXPORTS)
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_every_export_has_the_same_entities(tmp_path, form, name):
    found = read(table(tmp_path, [EXPORTS[form]] * 2, name))
    assert entities(found) == [READ] * 2
    assert found.rows[0]["text"] == TEXT
    assert "tokens" not in found.rows.column_names  # its own, which are no words of the text
    assert not found.dropped
    again = read(found.rows)
    assert again.rows.to_list() == found.rows.to_list()


def test_how_rows_were_read_is_told(tmp_path):
    assert read(table(tmp_path, [TASK] * 2)).notes == ["rows are read as an export of Label Studio"]
    found = read(table(tmp_path, [EXPORTS["Doccano 1"]]))
    assert found.notes == ["rows are read as texts with spans in 'label'"]


def tagged(tokens, tags, **more):
    return {"tokens": tokens, "ner_tags": tags, **more}


def test_words_and_tags_become_a_text_with_entities(tmp_path):
    rows = [tagged(["New York", " is ", "big"], ["B-LOC", "O", "O"], text="other", kept=7)]
    found = read(table(tmp_path, rows))
    assert found.rows[0] == {
        "ner_tags": ["B-LOC", "O", "O"], "kept": 7, "text": "New York is big",
        "tokens": ["New York", "is", "big"],
        "entities": [{"start": 0, "end": 8, "label": "LOC"}],
    }  # fmt: skip
    told = "texts are replaced by their words, joined by spaces, which the tags are of"
    assert found.notes == ["tags (ner_tags): BIO", f"train: 1 {told}"]
    assert read(found.rows).rows.to_list() == found.rows.to_list()


@pytest.mark.parametrize("names", [("words", "ner"), ("tokens", "labels"), ("tokens", "tags")])
def test_columns_with_usual_names_are_found(tmp_path, names):
    found = read(table(tmp_path, [dict(zip(names, [["Ann", "x"], ["B-PER", "O"]], strict=True))]))
    assert entities(found) == [[("Ann", "PER")]]


def test_cells_of_csv_hold_words_and_tags():
    for cells in (["Ann met", "B-PER O"], ["['Ann', 'met']", "['B-PER', 'O']"],
                  ['["Ann", "met"]', '["B-PER", "O"]']):  # fmt: skip
        rows = datasets.Dataset.from_dict({"tokens": [cells[0]], "tags": [cells[1]]})
        assert entities(read(rows)) == [[("Ann", "PER")]]


def test_coded_tags_are_named_by_the_data_or_the_options(tmp_path):
    coded = datasets.List(datasets.ClassLabel(names=["O", "B-PER", "I-PER"]))
    features = {"tokens": datasets.List(datasets.Value("string")), "ner_tags": coded}
    rows = {"tokens": [["Ann", "Li", "met"]], "ner_tags": [[1, 2, 0]]}
    found = read(datasets.Dataset.from_dict(rows, features=datasets.Features(features)))
    assert entities(found) == [[("Ann Li", "PER")]]
    numbers = table(tmp_path, [tagged(["Ann", "Li", "met"], [1, 2, 0])])
    assert entities(read(numbers, tag_names=("O", "B-PER", "I-PER"))) == [[("Ann Li", "PER")]]
    with pytest.raises(DataError, match="ner_tags: holds numbers .*options.tag_names"):
        read(numbers)
    with pytest.raises(DataError, match="train row 1: the tag '2' is none"):
        read(numbers, tag_names=("O", "B-PER"))
    with pytest.raises(DataError, match="train row 1: the tag '2' is none"):
        read(numbers, tag_names=("O", "PER"))


GOOD = tagged(["Ann", "met"], ["B-PER", "O"])


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (tagged(["Ann"], ["B-PER", "O"]), "other numbers of words and tags"),
        (tagged(["Ann", "x"], ["O"]), "other numbers of words and tags"),
        (tagged(["Ann"], []), "other numbers of words and tags"),
        (tagged([], []), "no words"),
        (tagged(None, ["O"]), "no words"),
        (tagged(["Ann"], None), "no tags"),
        (tagged(["Ann"], [None]), "a word without a tag"),
        (tagged(["Ann"], [""]), "a word without a tag"),
    ],
)
def test_rows_of_words_that_cannot_be_used_are_dropped_and_named(tmp_path, row, why):
    found = read(table(tmp_path, [GOOD, row, GOOD]))
    assert found.dropped == {why: 1}
    assert len(found.rows) == 2
    assert f"{why}: train row 2" in found.notes


def test_empty_words_keep_the_numbers_equal(tmp_path):
    rows = [tagged(["", None, "\xa0", "Ann"], ["O", "O", "O", "B-PER"]), GOOD]
    found = read(table(tmp_path, rows))
    assert found.rows[0]["text"] == "\ufffd \ufffd \ufffd Ann"
    assert entities(found)[0] == [("Ann", "PER")]
    assert any("3 words are empty" in note for note in found.notes)


def test_words_that_are_numbers_are_their_digits(tmp_path):
    found = read(table(tmp_path, [tagged([3, "x"], ["B-N", "O"]), GOOD]))
    assert entities(found)[0] == [("3", "N")]


def test_unknown_tags_are_named_with_their_rows_all_at_once(tmp_path):
    rows = [GOOD, tagged(["Ann", "x"], ["I-PER", "PER"]), tagged(["a", "b"], ["X-LOC", "PER"])]
    with pytest.raises(DataError) as error:
        read(table(tmp_path, rows * 4))
    told = str(error.value)
    assert "train rows 2, 3, 5, 6, 8 and 3 more: the tag 'PER' is none of the scheme" in told
    assert "the tag 'X-LOC'" in told
    assert "Known: B-PER, I-PER, O" in told


def spanned(*spans, text=TEXT):
    return {"text": text, "entities": [dict(zip(("start", "end", "label"), s, strict=True))
                                       for s in spans]}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (spanned((0, 99, "X")), "a span that ends beyond the text"),
        (spanned((3, 0, "X")), "a span that does not end after its start"),
        (spanned((3, 4, "X")), "a span of blanks alone"),
        (spanned((0, 3, "")), "a span without a label"),
        (spanned((0, None, "X")), "an offset that is no whole number"),
        ({"text": TEXT, "entities": None}, "not annotated"),
        (spanned((0, 3, "X"), text=None), "no text"),
        (spanned(text=""), "no text"),
    ],
)
def test_rows_with_spans_that_do_not_fit_are_dropped_and_named(tmp_path, row, why):
    found = read(table(tmp_path, [spanned(*SPANS), row, spanned(*SPANS)]))
    assert found.dropped == {why: 1}
    assert entities(found) == [READ] * 2
    assert (f"{why}: train row 2" in found.notes) is (why != "not annotated")


def test_no_entities_are_an_annotation(tmp_path):
    assert entities(read(table(tmp_path, [spanned(*SPANS), spanned()]))) == [READ, []]


@pytest.mark.parametrize("more", [(0, 11, "X"), (1, 2, "X"), (0, 3, "X")])
def test_overlapping_and_nested_spans_are_refused_by_row(tmp_path, more):
    rows = [spanned(*SPANS), spanned(*SPANS, more), spanned(*SPANS, more)]
    with pytest.raises(DataError, match="train rows 2, 3: entities overlap or are nested: .*Ann"):
        read(table(tmp_path, rows))


def test_a_file_that_cannot_be_used_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"train rows 2, 3: a span that .*most rows"):
        read(table(tmp_path, [spanned(*SPANS), spanned((0, 99, "X")), spanned((0, 98, "X"))]))


def test_trimmed_and_repeated_spans_are_counted(tmp_path):
    found = read(table(tmp_path, [spanned((0, 4, "X"), (0, 3, "X"), (8, 10, "X"))]))
    assert entities(found) == [[("Ann", "X"), ("Bo", "X")]]
    assert {note.partition(": ")[2] for note in found.notes[1:]} == {
        "1 blanks at the edges of spans were left out", "1 spans given twice were taken once",
    }  # fmt: skip


def test_offsets_in_utf16_are_read_and_told(tmp_path):
    text = "\U0001f600 Ann met Bob"
    found = read(table(tmp_path, [spanned((3, 6, "X"), (11, 14, "X"), text=text)]))
    assert entities(found) == [[("Ann", "X"), ("Bob", "X")]]
    assert "train: offsets count code units of UTF-16, and are read so" in found.notes


@pytest.mark.parametrize(
    ("annotations", "why"),
    [
        ([], "not annotated"),
        (None, "not annotated"),
        ([None], "not annotated"),
        ([{"was_cancelled": True, "result": RESULT}], "cancelled"),
    ],
)
def test_tasks_without_an_annotation_are_no_rows_without_entities(tmp_path, annotations, why):
    found = read(table(tmp_path, [TASK, {**TASK, "annotations": annotations}], "tasks.json"))
    assert len(found.rows) == 1
    assert why in next(iter(found.dropped))


def test_of_several_annotators_the_ground_truth_is_taken(tmp_path):
    first, second = {"result": RESULT[:1]}, {"result": RESULT, "ground_truth": True}
    cancelled = {"result": [], "was_cancelled": True}
    rows = [{**TASK, "annotations": [first, second]}, {**TASK, "annotations": [cancelled, first]}]
    found = read(table(tmp_path, rows))
    assert entities(found) == [READ, READ[:1]]
    assert any("1 texts have several annotations" in note for note in found.notes)


@pytest.mark.parametrize("result", [None, [None], [{"value": None}], [CHOICE]])
def test_an_annotation_without_spans_has_no_entities(tmp_path, result):
    tasks = [TASK, {**TASK, "annotations": [{"result": result}]}]
    assert entities(read(table(tmp_path, tasks))) == [READ, []]


@pytest.mark.parametrize("kind", ["choices", "textarea", "rating", "number"])
def test_what_is_said_of_a_span_of_label_studio_is_none(tmp_path, kind):
    more = {"value": {"start": 0, "end": 3, kind: ["good"]}, "type": kind, "id": "a"}
    tasks = [{**TASK, "annotations": [{"result": [*RESULT, more]}]}]
    assert entities(read(table(tmp_path, tasks))) == [READ]
    more = {
        "value": {"start": "0", "end": "3", "paragraphlabels": ["X"]},
        "type": "paragraphlabels",
    }
    with pytest.raises(DataError, match="an offset that is no whole number|without a label"):
        read(table(tmp_path, [{**TASK, "annotations": [{"result": [*RESULT, more]}]}]))


def test_rejected_examples_of_prodigy_are_dropped(tmp_path):
    rows = [{**EXPORTS["Prodigy"], "answer": answer} for answer in ("accept", "reject", "ignore")]
    assert read(table(tmp_path, rows)).dropped == {"rejected or ignored by the annotator": 2}


def test_two_labels_of_one_span_are_an_overlap(tmp_path):
    result = [{"value": {"start": 0, "end": 3, "labels": ["PER", "ORG"]}}]
    with pytest.raises(DataError, match="train row 1: entities overlap"):
        read(table(tmp_path, [{**TASK, "annotations": [{"result": result}]}]))


def test_rows_to_predict_are_words_or_texts_and_none_is_lost(tmp_path):
    rows = [{"tokens": ["Ann", "met"]}, {"text": TEXT}, {"tokens": []}, {"tokens": ["x"]}]
    found = read(table(tmp_path, rows), "predict")
    assert found.rows["text"] == ["Ann met", TEXT, None, "x"]
    assert found.rows["tokens"] == [["Ann", "met"], None, None, ["x"]]
    assert "entities" not in found.rows.column_names
    rows = [{"text": "Ann, who", "tokens": ["Ann", ",", "who"]},
            {"text": "Ann met", "tokens": ["Ann", "met"]}]  # fmt: skip
    found = read(table(tmp_path, rows), "predict")
    assert found.rows["text"] == ["Ann, who", "Ann met"]
    assert found.rows["tokens"] == [None, ["Ann", "met"]]
    rows[0]["tags"] = rows[1]["tags"] = ["O", "O", "O"]  # of which training reads the words
    assert read(table(tmp_path, rows), "predict").rows["text"] == ["Ann , who", "Ann met"]
    found = read(table(tmp_path, [{"text": TEXT}, {"text": None}]), "predict")
    assert found.rows.to_list() == [{"text": TEXT}, {"text": None}]
    tasks = read(table(tmp_path, [TASK, {**TASK, "annotations": []}]), "predict")
    assert tasks.rows["text"] == [TEXT] * 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"body": "x", "entities": []}, "options.text: there is no column with the text"),
        ({"path": [1]}, "options.text: there is no column with the text"),
        ({"path": "notes.pdf"}, "options.text: there is no column with the text"),
        ({"tokens": ["x"], "pos": ["NN"]}, "options.tags: there is no column with the tags"),
        ({"text": "x", "label": "good"}, "options.entities: there is no column with the entities"),
    ],
)
def test_missing_columns_are_named(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        read(table(tmp_path, [row]))


@pytest.mark.parametrize(
    ("text", "mention"),
    [
        ("\u05d3\u05d5\u05d3 \u05d2\u05e8 \u05d1\u05d7\u05d9\u05e4\u05d4", "\u05d3\u05d5\u05d3"),
        ("\u7530\u4e2d\u3055\u3093\u306f\u6771\u4eac\u306b\u4f4f\u3080", "\u6771\u4eac"),
        ("\u0e2a\u0e21\u0e0a\u0e32\u0e22\u0e44\u0e1b\u0e01\u0e23\u0e38\u0e07\u0e40\u0e17\u0e1e",
         "\u0e01\u0e23\u0e38\u0e07\u0e40\u0e17\u0e1e"),
    ],
)  # fmt: skip
def test_right_to_left_texts_and_scripts_without_spaces_keep_their_offsets(tmp_path, text, mention):
    start = text.index(mention)
    found = read(table(tmp_path, [spanned((start, start + len(mention), "X"), text=text)]))
    assert entities(found) == [[(mention, "X")]]
    edges = {edge for word in words.split(text) for edge in word}
    assert {start, start + len(mention)} <= edges  # so that whole words make the entity


def test_a_document_of_ten_thousand_words_is_one_row(tmp_path):
    tokens = ["word"] * 9_999 + ["Rome"]
    found = read(table(tmp_path, [tagged(tokens, ["O"] * 9_999 + ["B-LOC"])]))
    assert entities(found) == [[("Rome", "LOC")]]
    assert len(found.rows[0]["tokens"]) == 10_000
