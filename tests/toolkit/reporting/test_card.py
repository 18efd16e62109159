"""The model card: the Hub's metadata, facts of the run, licences, and code that loads the model."""

import json

import pytest
import yaml
from huggingface_hub import ModelCard, metadata_load
from text_rows import sentences, tiny_bert

import toolkit
from toolkit.reporting import card, card_facts, card_limits

BASE = """---
license: apache-2.0
language: [en, de, "<b>", 7]
---
# A base
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run on a model whose card is beside it, with one rare class and two slices."""
    folder = tmp_path_factory.mktemp("card")
    model = tiny_bert(folder / "model")
    (model / "README.md").write_text(BASE)
    rows = sentences(150)
    lines = [f"{text},{label},{'web' if n % 3 else 'mail'}" for n, (text, label) in enumerate(rows)]
    (folder / "rows.csv").write_text("text,label,channel\n" + "\n".join(lines) + "\n")
    return toolkit.run(
        "text-classification", data=folder / "rows.csv", model=model, out=folder / "out",
        settings={"training": {"num_train_epochs": 1, "learning_rate": 0.0, "report_to": "none"},
                  "report": {"metrics": ["accuracy", "log_loss"], "slices": ["channel"]},
                  "data.split": {"test": 0.4, "validation": 0.1}},
    )  # fmt: skip


def test_the_metadata_is_the_hubs_and_reads_back_equal(made):
    path = made.path / "README.md"
    found = ModelCard.load(path, ignore_metadata_errors=False).data
    assert found.license == "apache-2.0"
    assert found.language == ["en", "de"]
    assert found.pipeline_tag == "text-classification"
    assert (found.library_name, found.base_model, found.datasets) == ("transformers", None, None)
    assert found.tags == ["toolkit", "text-classification", "full"]
    assert found.metrics == ["accuracy", "log_loss"]
    for result in found.eval_results:
        score = made.metrics["test"][result.metric_type]
        assert result.metric_value == pytest.approx(score["value"], abs=1e-6)
        assert f"{score['low']:.3f} to {score['high']:.3f}" in result.metric_name
    assert metadata_load(path) == yaml.safe_load(found.to_yaml())
    assert path.read_text() == (made.path / "model" / "README.md").read_text()


def test_date_verdict_and_the_command_where_there_is_one(made):
    text = (made.path / "README.md").read_text()
    verdict = "ccuracy is worse than that of the best baseline tfidf logistic regression"
    assert text.count(verdict) == 1  # and is no limitation a second time
    assert f"## Evaluation\n\nA{verdict} (" in text
    assert f"- date: {made.record['started'][:16].replace('T', ' ')}\n" in text
    assert "- command:" not in text  # it was run from Python
    given = {**made.record, "command": "toolkit run text-classification --data <b>rows`.csv"}
    assert "- command: toolkit run text-classification --data &lt;b&gt;rows\\`.csv\n" in card.card(
        given
    )


def test_its_limits_are_facts_of_the_run(made):
    text = (made.path / "README.md").read_text()
    assert "only 60 test rows" in text
    assert "Its classes: bird, fruit, tool" in text
    assert "base model: apache-2.0 (according to its card)" in text
    assert "training data: unknown (the source states no licence)" in text


def test_the_code_that_loads_it_runs(made, monkeypatch):
    import torch

    text = (made.path / "README.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(made.path)
    names = {}
    exec(code, names)  # noqa: S102 - the card's own code is what is tested
    texts = [text for text, _ in sentences(20, seed=5)]
    with torch.no_grad():
        batch = names["processor"](texts, return_tensors="pt", padding=True)
        best = names["model"](**batch).logits.argmax(-1).tolist()
    labels = [prediction["label"] for prediction in made.predict([{"text": t} for t in texts])]
    assert [names["model"].config.id2label[place] for place in best] == labels


def test_classes_with_few_rows_and_slices_that_differ_are_named(made):
    record = json.loads(json.dumps(made.record))
    record["card"]["classes"] = {"fruit": 40, "tool": 3}
    score = {"low": 0.1, "high": 0.9}
    record["slices"] = {"x": {
        name: {"rows": rows, "accuracy": {**score, "value": value}, "log_loss": score}
        for name, rows, value in (("a", 40, 0.9), ("b", 40, 0.4), ("c", 3, 0.0))
    }}  # fmt: skip
    lines = list(card_limits.limits(record))
    assert "classes with fewer than 10 training rows: tool (3)" in lines
    assert any(line.startswith("by x the accuracy of “b” and “a” differs by") for line in lines)


def test_models_and_data_of_the_hub_are_linked_and_unknown_tasks_left_out(made):
    record = json.loads(json.dumps(made.record))
    record["model"] = {"id": "owner/base", "revision": "0" * 40, "source": "hub"}
    record["data"]["source"] = "hub:owner/rows:small@main"
    record["card"] |= {"base": {}, "task": None}
    found = ModelCard(card.card(record)).data
    assert (found.base_model, found.base_model_relation) == ("owner/base", "finetune")
    assert (found.datasets, found.pipeline_tag, found.license) == (["owner/rows"], None, "unknown")
    result = found.eval_results[0]
    assert (result.dataset_type, result.dataset_config, result.dataset_revision) == (
        "owner/rows", "small", "main"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BASE, {"license": "apache-2.0", "languages": ["en", "de"]}),
        ("---\nlicense: other\nlicense_name: a\nlicense_link: LICENSE\n---\n",
         {"license": "other", "license_name": "a", "license_link": "LICENSE"}),
        ("---\nlicense: [mit]\nlanguage: en\n---\n", {"languages": ["en"]}),
        ("---\nlicense: 'MIT\\u202e<script>'\n---\n", {}),
        ("---\nlicense: &a mit\nlanguage: *a\n---\n", {}),
        ("---\n- mit\n---\n", {}),
        ("---\nlicense: [\n---\n", {}),
        ("no metadata", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_what_a_base_models_card_says_is_taken_with_care(tmp_path, text, expected):
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    assert card_facts.base_card(tmp_path) == expected
    assert card_facts.base_card(tmp_path / "nowhere") == {}
