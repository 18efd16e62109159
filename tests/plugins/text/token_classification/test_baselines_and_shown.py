"""Baselines by words, what is shown of a row, and the tables of the report."""

import datasets
import pytest
from toolkit_plugins.text.token_classification.mails import mails
from toolkit_plugins.text.token_classification.options import EntityOptions
from toolkit_plugins.text.token_classification.plugin import TokenClassification

from toolkit.errors import DataError
from toolkit.evaluation.metrics.entities import INVENTED, MISSED
from toolkit.plugin_types import Span
from toolkit.tasks import labelled_text as shown
from toolkit.tasks import token_baselines as baselines


def entity(text, mention, label):
    start = text.index(mention)
    return {"start": start, "end": start + len(mention), "label": label, "text": mention}


def rows(*given):
    made = [{"text": text, "entities": [
        {key: value for key, value in entity(text, mention, label).items() if key != "text"}
        for mention, label in found]} for text, found in given]  # fmt: skip
    return datasets.Dataset.from_list(made)


TRAIN = rows(
    ("Ann lives in New York .", [("Ann", "PER"), ("New York", "LOC")]),
    ("York is old", [("York", "LOC")]),
    ("May I go ?", []),
    ("May called Will .", [("May", "PER"), ("Will", "PER")]),
    ("Will it ? Will it ?", []),
)


def predicted(kind, *texts):
    plugin = TokenClassification()
    plugin.options = EntityOptions()
    baseline = kind(plugin)
    model = baseline.fit(TRAIN, None)
    found = baseline.predict(model, datasets.Dataset.from_dict({"text": list(texts)}), None)
    return [[(one["text"], one["label"]) for one in row["entities"]] for row in found], found


def test_the_dictionary_takes_the_longest_mention_that_is_tagged_often_enough():
    found, whole = predicted(baselines.Dictionary, "New York, York; ANN", "Will May come?", "")
    assert found == [
        [("New York", "LOC"), ("York", "LOC"), ("ANN", "PER")],  # whatever the case
        [("May", "PER")],  # in one of two: half of its occurrences; Will in one of three
        [],
    ]
    assert whole[0]["tags"] == ["B-LOC", "I-LOC", "O", "B-LOC", "O", "B-PER"]


def test_each_word_has_its_most_frequent_tag():
    found, _ = predicted(baselines.UsualTag, "Ann saw New York", "Will it ?", "York")
    assert found == [[("Ann", "PER"), ("New York", "LOC")], [], [("York", "LOC")]]


TEXT = "Ann met Bob Li in Rome"


def pair(predicted, actual):
    return tuple({"entities": [entity(TEXT, *one) for one in own]} for own in (predicted, actual))


def test_predicted_and_actual_spans_are_marked():
    prediction, reference = pair([("Ann", "PER")], [("Rome", "LOC")])
    (found,) = shown.shown(TEXT, prediction, reference)
    assert list(found.spans) == [Span(0, 3, "PER"), Span(18, 22, "LOC", actual=True)]
    assert len(shown.shown(TEXT, prediction, None)[0].spans) == 1


def test_a_long_text_is_cut_around_its_entities():
    text = "x " * 5000 + "Ann " + "y " * 5000 + "Bob"
    prediction = {"entities": [entity(text, "Ann", "PER"), entity(text, "Bob", "PER")]}
    found, more = shown.shown(text, prediction, None)
    assert len(found.text) <= shown.MOST
    (span,) = found.spans
    assert found.text[span.start : span.end] == "Ann"
    assert more == "and 1 more further on"
    assert shown.shown("", {"entities": []}, None)[0].text == ""


def test_tables_tell_types_and_kinds_of_errors():
    pairs = [
        pair([("Ann", "PER"), ("Bob", "PER"), ("Rome", "PER")],
             [("Ann", "PER"), ("Bob Li", "PER"), ("Rome", "LOC")]),
        pair([("met", "PER")], [("Rome", "LOC")]),
    ]  # fmt: skip
    found = shown.tables(pairs)
    by_type = {row[0]: row[1:] for row in found["entities by type"].rows}
    assert by_type["PER"] == pytest.approx((1 / 4, 1 / 2, 2 / 6, 2, 4))
    assert by_type["LOC"] == (None, 0.0, 0.0, 2, 0)
    table = found["types (rows: actual, columns: predicted)"]
    cells = {(row[0], name): cell for row in table.rows
             for name, cell in zip(table.columns[1:], row[1:], strict=True)}  # fmt: skip
    assert cells["LOC", "PER"] == cells["LOC", MISSED] == cells[INVENTED, "PER"] == 1
    assert cells["PER", "PER"] == 2
    assert dict(found["errors"].rows) == {
        "right": 1, "borders": 1, "type": 1, "type and borders": 0, "missed": 1, "invented": 1,
    }  # fmt: skip
    assert shown.tables([({"entities": []}, {"entities": []})]) == {}


def test_the_confusion_of_many_types_has_the_rare_ones_together():
    often = [pair([("Ann", f"t{n}")], [("Ann", f"t{n}")]) for n in range(shown.TYPES)] * 2
    rare = [pair([("Ann", "t0"), ("Rome", "y")], [("Ann", "x"), ("Bob", "z")])]
    table = shown.tables([*often, *rare])["types (rows: actual, columns: predicted)"]
    cells = {(row[0], name): cell for row in table.rows
             for name, cell in zip(table.columns[1:], row[1:], strict=True)}  # fmt: skip
    others = "(3 other types)"
    assert cells[others, "t0"] == cells[others, MISSED] == cells[INVENTED, others] == 1
    assert sum(cell or 0 for cell in cells.values()) == len(often) + 3


def test_mails_have_five_types_and_new_names_in_test():
    found = mails()
    known, labels = set[str](), set[str]()
    for row in found["train"]:
        known |= {row["text"][one["start"] : one["end"]] for one in row["entities"]}
        labels |= {one["label"] for one in row["entities"]}
    assert labels == {"PERSON", "ORGANIZATION", "PRODUCT", "LOCATION", "DATE"}
    mentions = [row["text"][one["start"] : one["end"]]
                for row in found["test"] for one in row["entities"]]  # fmt: skip
    assert 0.3 < sum(one in known for one in mentions) / len(mentions) < 0.7
    assert not set(found["train"]["template"]) & set(found["test"]["template"])
    assert mails()["test"].to_list() == found["test"].to_list()
    assert mails(seed=1)["test"].to_list() != found["test"].to_list()


@pytest.mark.parametrize("form", ["tokens", "doccano"])
def test_mails_in_other_forms_have_the_same_entities(form):
    plugin = TokenClassification()
    plugin.options = EntityOptions()
    plain, other = mails(40, sentences=2), mails(40, sentences=2, form=form)
    for split in plain:
        found = plugin.reshape_rows(other[split], str(split)).rows
        assert [[one["label"] for one in row["entities"]] for row in found] == [
            [one["label"] for one in row["entities"]] for row in plain[split]
        ]
    with pytest.raises(DataError, match=r"Did you mean 'doccano'\?"):
        mails(form="docano")
