"""The shipped recipes with data and models of one's own."""

import pytest
from summary_rows import documents, tiny_reader, written

from toolkit.cli.main import outcome
from toolkit.recipe.library import find_recipe
from toolkit.recipe.overrides import overrides

RECIPES = ("default", "dialogue", "scitldr", "xsum")


@pytest.mark.parametrize("name", RECIPES)
def test_other_data_are_not_described_as_the_recipes(name):
    found = find_recipe(f"summarization/{name}", overrides("chats.jsonl")).values
    assert not found.get("description")
    assert "sentences" not in found["options"]


@pytest.mark.parametrize("name", RECIPES)
def test_an_encoder_is_taken_by_each_recipe(name, tmp_path, capsys):
    data = written(tmp_path / "rows.jsonl", documents(30))
    words = ["check", f"summarization/{name}", "--no-estimate", "--data", str(data),
             "--model", str(tiny_reader(tmp_path / "model"))]  # fmt: skip
    assert outcome(words) == 0, capsys.readouterr().err
