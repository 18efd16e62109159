"""Splits of questions: whole articles where rows name them, else whole contexts."""

import json

import pytest

from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import load_rows
from toolkit.runner.resolve import resolve_recipe


def articles(count=12, paragraphs=4):
    """Return a file in SQuAD's own layout, two questions a paragraph."""

    def paragraph(a, p):
        context = f"Town {a} has a bridge number {p}, opened in {1900 + a}, and a tower."
        ask = [("When was it opened?", f"{1900 + a}"), ("What else is there?", "a tower")]
        return {"context": context, "qas": [
            {"id": f"{a}-{p}-{n}", "question": f"{question} ({a}, {p})",
             "answers": [{"text": text, "answer_start": context.index(text)}]}
            for n, (question, text) in enumerate(ask)]}  # fmt: skip

    made = {f"Town {a}": [paragraph(a, p) for p in range(paragraphs)] for a in range(count)}
    return {"data": [{"title": title, "paragraphs": parts} for title, parts in made.items()]}


def loaded(source, name="question-answering/squad", **settings):
    changes = {"data.source": source, **settings}
    draft = find_recipe(name, [(tuple(k.split(".")), v) for k, v in changes.items()])
    return load_rows(*resolve_recipe(draft))


@pytest.mark.parametrize("name", ["squad", "squad_v2"])
def test_no_article_of_test_is_in_train(tmp_path, name):
    file = tmp_path / "train-v1.1.json"
    file.write_text(json.dumps(articles()))
    found = loaded(f"plugin:squad?train={file}", f"question-answering/{name}")
    titles = [set(found.splits[split]["title"]) for split in ("train", "validation", "test")]
    assert all(titles)
    assert not titles[2] & (titles[0] | titles[1])
    assert not titles[0] & titles[1]
    assert any("'title' stay in one split" in note for note in found.notes)


@pytest.mark.parametrize("change", [
    lambda row: {k: v for k, v in row.items() if k != "title"},
    lambda row: {**row, "title": row["id"]},  # of the question, not of the text
    lambda row: {**row, "title": "news"},
])  # fmt: skip
def test_without_titles_whole_contexts_are_kept_together(tmp_path, change):
    rows = [{"title": article["title"], "passage": part["context"], **question}
            for article in articles()["data"] for part in article["paragraphs"]
            for question in part["qas"]]  # fmt: skip
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps(change(row)) for row in rows))
    found = loaded(str(file), **{"options.context": "passage"})
    texts = [set(found.splits[split]["passage"]) for split in ("train", "validation", "test")]
    assert not texts[2] & (texts[0] | texts[1])
    assert any("'passage' stay in one split" in note for note in found.notes)


def test_what_the_recipe_says_holds(tmp_path):
    file = tmp_path / "train-v1.1.json"
    file.write_text(json.dumps(articles()))
    found = loaded(f"plugin:squad?train={file}", **{"data.split.group": "id"})
    assert set(found.splits["train"]["title"]) & set(found.splits["test"]["title"])


def test_questions_on_one_context_are_split_all_the_same(tmp_path):
    rows = [{"context": "The bridge was opened in 1961.", "question": f"When, in form {n}?",
             "answers": {"text": ["1961"], "answer_start": [25]}} for n in range(30)]  # fmt: skip
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    found = loaded(str(file))
    assert all(len(found.splits[split]) for split in ("train", "validation", "test"))
    assert any("on one or two contexts" in note for note in found.notes)
