"""The scenario from end to end: trained, scored, saved, reloaded; adapters, exports, odd rows."""

import csv
import json
import warnings
from pathlib import Path

import pytest
import transformers
import yaml
from pair_rows import pairs, tiny, written

import toolkit
from toolkit.cli.main import outcome
from toolkit.models import adapters
from toolkit.plugin import get

RECIPES = Path(__file__).parents[4] / "recipes" / "translation"


@pytest.fixture(scope="module")
def run(finished):
    return finished("translation")


def saved(run):
    return [json.loads(line) for line in (run.path / "predictions.jsonl").read_text().splitlines()]


def test_a_run_from_scratch_is_verified_and_scored(run):
    assert run.record["reload"] == {"compared": 40, "different": 0}
    assert run.record["headline"]["metric"] == "bleu"
    assert set(run.record["baselines"]) == {"copy_source", "nearest_neighbour", "word_by_word"}
    scores = run.metrics["test"]
    cut = [row["prediction"]["cut_off"] for row in saved(run)]
    assert scores["cut_off_share"]["value"] == pytest.approx(sum(cut) / len(cut))
    assert all(isinstance(row["reference"], list) for row in saved(run))
    assert "pipeline_tag: translation" in (run.path / "README.md").read_text()
    config = json.loads((run.path / "model" / "config.json").read_text())
    tokenizer = transformers.AutoTokenizer.from_pretrained(run.path / "model")
    assert config["vocab_size"] == config["decoder_vocab_size"] == len(tokenizer)
    assert config["decoder_start_token_id"] == config["pad_token_id"] == tokenizer.pad_token_id


def test_rows_are_predicted_alone_as_together(run):
    sources = [source for source, _ in pairs(20, seed=5)]
    together = run.predict([{"source": source} for source in sources])
    alone = [run.predict([{"source": source}])[0] for source in sources]
    assert [p["translation"] for p in alone] == [p["translation"] for p in together]


def test_odd_rows_are_predicted(run):
    texts = ["", "one " * 400, "é\u200b 你好 \U0001f600", "</s> <pad> one", "1945"]
    found = run.predict([{"source": text} for text in texts])
    assert all({"translation", "score", "margin", "cut_off"} <= {*row} for row in found)
    assert not any("</s>" in row["translation"] or "<pad>" in row["translation"] for row in found)
    tokenizer = transformers.AutoTokenizer.from_pretrained(run.path / "model")
    most = yaml.safe_load((run.path / "recipe.yaml").read_text())["options"]["max_source_length"]
    ids = tokenizer(texts[1], truncation=True, max_length=most)["input_ids"]
    cut = tokenizer.decode(ids, skip_special_tokens=True)
    assert 5 < len(cut) < len(texts[1])
    assert run.predict([{"source": cut}])[0]["translation"] == found[1]["translation"]


def test_of_several_targets_blank_ones_are_none():
    plugin = get("translation")()
    plugin.options = plugin.Options()
    cells = [["", "x", " "], [" "], "y", None]
    assert plugin.target_texts({"target": cells}) == ["x", " ", "y", ""]
    rows = [{"target": cell} for cell in cells]
    assert plugin.references(rows) == [["x"], [" "], ["y"], []]


@pytest.mark.parametrize("recipe", ["multi30k", "opus-mt"])
def test_the_recipes_commands_read_a_folder_of_parallel_files(recipe, tmp_path, capsys):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    rows = pairs(60)
    for split, chosen in (("train", rows[:40]), ("val", rows[40:50]), ("test", rows[50:])):
        for suffix, texts in zip(("en", "de"), zip(*chosen, strict=True), strict=True):
            (corpus / f"{split}.{suffix}").write_text("\n".join(texts) + "\n")
    head = (RECIPES / f"{recipe}.yaml").read_text().splitlines()
    command = next(line for line in head if line.startswith("# toolkit run") and "/ --set" in line)
    words = command.split()[3:]
    words[words.index("--data") + 1] = str(corpus)
    if "--model" in words:
        words[words.index("--model") + 1] = str(tiny("marian", tmp_path / "model"))
    assert outcome(["check", *words, "--no-estimate"]) == 0, capsys.readouterr().err


def test_a_file_is_predicted_and_rows_without_a_text_are_told(run, tmp_path, capsys):
    file = tmp_path / "new.csv"
    file.write_text("source\none two\n\nred dog\n")
    words = ["predict", str(run.path), str(file), "-o", str(tmp_path / "out.csv")]
    assert outcome(words) == 0
    with (tmp_path / "out.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["source"] for row in rows] == ["one two", "red dog"]
    assert {"prediction.translation", "prediction.cut_off"} <= {*rows[0]}


def test_onnx_is_refused_with_what_to_take(run, tmp_path, capsys):
    assert outcome(["export", str(run.path), "--to", "onnx", "-o", str(tmp_path / "onnx")]) == 2
    told = capsys.readouterr().err
    assert "generates its predictions" in told
    assert "--to merged" in told


@pytest.fixture(scope="module")
def adapter(shared):
    """Return the folder of a run that trained an adapter on a model that generates by beams."""

    def fill(folder):
        rows = written(folder / "rows.jsonl", pairs(60))
        base = tiny("bart", folder / "base")
        # What the base has itself is not what the run generates by.
        own = transformers.GenerationConfig.from_pretrained(base)
        own.update(max_length=20, num_beams=1)
        own.save_pretrained(base)
        settings = {"options.generation": {"num_beams": 2, "max_new_tokens": 6},
                    "options.max_source_length": 24, "options.max_target_length": 12,
                    "training.max_steps": 4, "training.learning_rate": 0.01}  # fmt: skip
        toolkit.run("translation", data=rows, model=base, method="lora", settings=settings,
                    out=folder / "run")  # fmt: skip

    return shared("translation-adapter", fill) / "run"


def test_an_adapter_is_loaded_with_the_generation_config_of_its_run(adapter):
    run = toolkit.load_run(adapter)
    assert run.record["reload"]["different"] == 0
    kept = json.loads((adapter / "model" / "generation_config.json").read_text())
    assert (kept["num_beams"], kept["max_new_tokens"]) == (2, 6)
    space = {"__file__": "x"}
    lines = adapters.usage(adapter / "model").replace('"model"', repr(str(adapter / "model")))
    with warnings.catch_warnings(action="ignore"):  # peft's own
        exec(lines, space)  # noqa: S102 - as the model card shows it
    tokenizer = transformers.AutoTokenizer.from_pretrained(adapter / "model")
    for row in saved(run)[:3]:
        source = next(s for s, t in pairs(60) if t == row["reference"][0])
        ids = tokenizer(source, return_tensors="pt", return_token_type_ids=False)
        text = tokenizer.decode(space["model"].generate(**ids)[0], skip_special_tokens=True)
        assert text.strip() == row["prediction"]["translation"]


def test_a_merged_export_generates_the_same(adapter, tmp_path):
    assert outcome(["export", str(adapter), "--to", "merged", "-o", str(tmp_path / "plain")]) == 0
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "plain")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "plain")
    run = toolkit.load_run(adapter)
    sources = [source for source, _ in pairs(8, seed=9)]
    found = run.predict([{"source": source} for source in sources])
    for source, prediction in zip(sources, found, strict=True):
        ids = tokenizer(source, return_tensors="pt", return_token_type_ids=False)
        text = tokenizer.decode(model.generate(**ids)[0], skip_special_tokens=True)
        assert text.strip() == prediction["translation"]
