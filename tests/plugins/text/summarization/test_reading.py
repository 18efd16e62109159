"""Which columns are read, whatever else a table has."""

import pytest
from datasets import Dataset, Features, List, Value
from toolkit_plugins.text.summarization.options import SummaryOptions
from toolkit_plugins.text.summarization.plugin import Summarization


def read(rows, split="train", features=None, **options):
    """Return rows as the scenario reads them, and its notes."""
    plugin = Summarization()
    plugin.options = SummaryOptions.model_validate(options)
    made = plugin.reshape_rows(Dataset.from_list(rows, features=features), split)
    again = plugin.reshape_rows(made.rows, split)
    assert again.rows.to_list() == made.rows.to_list()
    assert not [note for note in again.notes if "rows have no" in note]
    return made.rows.to_list(), made.notes


@pytest.mark.parametrize(
    ("options", "row", "split"),
    [
        ({"document": "abstract"}, {"abstract": "A crow."}, "predict"),
        ({"document": "abstract"}, {"abstract": "A crow.", "summary": "Bird."}, "train"),
        ({"references": "summaries"}, {"document": "A crow.", "summaries": ["Bird."]}, "predict"),
    ],
)
def test_a_column_that_is_named_is_no_other(options, row, split):
    assert read([row], split, **options) == ([row], [])


def test_a_summary_is_not_taken_as_document():
    rows, notes = read([{"body": "A crow.", "text": "Bird."}], summary="text")
    assert rows == [{"document": "A crow.", "text": "Bird."}]
    assert notes == ["the column 'body' is read as options.document"]


def test_references_are_summaries_where_there_is_no_other():
    given = [{"document": "A crow.", "references": ["", "Bird.", "Bird"]},
             {"document": "A saw.", "references": []}]  # fmt: skip
    rows, notes = read(given)
    assert [row["summary"] for row in rows] == ["Bird.", None]
    assert notes == ["1 of 2 rows have no 'summary', but 'references'"]
    assert read(given, "predict") == (given, [])
    assert "short" not in read(given, summary="short")[0][0]  # it is told that it is missing


@pytest.mark.parametrize(
    ("kind", "cells", "wanted"),
    [
        (Value("string"), ["Mine.", " ", None], ["Mine.", "Bird.", "Bird."]),
        (Value("null"), [None, None, None], ["Bird.", "Bird.", "Bird."]),
        (List(Value("string")), [["Mine."], [], [""]], [["Mine."], ["Bird."], ["Bird."]]),
    ],
)
def test_empty_summaries_are_filled_from_references(kind, cells, wanted):
    features = Features({"document": Value("string"), "summary": kind,
                         "references": List(Value("string"))})  # fmt: skip
    given = [{"document": "A crow.", "summary": cell, "references": ["Bird."]} for cell in cells]
    rows, (note,) = read(given, features=features)
    assert [row["summary"] for row in rows] == wanted
    assert note.endswith("rows have no 'summary', but 'references'")
