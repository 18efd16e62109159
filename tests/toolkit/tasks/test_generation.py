"""Texts from texts: the same ones alone and in a batch, by the config that is saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
import transformers as hf
from pair_rows import bpe, pairs, tiny, written
from walkthrough import page_file

import toolkit
from toolkit.cli.main import outcome
from toolkit.errors import ModelError, RecipeError
from toolkit.evaluation.batches import batch_maker, records
from toolkit.evaluation.predicting import evaluating, loss_of, predict
from toolkit.plugin import get
from toolkit.runs.compute import compute_in_bfloat16

FAMILIES = ("marian", "t5", "bart", "m2m_100", "gpt2")
SEARCHES: dict[str, dict[str, Any]] = {
    "greedy": {},
    "beams": {"num_beams": 3, "length_penalty": 0.6},
    "sampling": {"do_sample": True, "top_k": 20, "temperature": 1.5},
}
SHORT = {"max_source_length": 32, "max_target_length": 12}


def ready(folder: Path, rows: Any = None, **options: Any) -> Any:
    """Return the plugin of translation with the model of a folder, as before training."""
    plugin = get("translation")()
    plugin.options = type(plugin).Options.model_validate({**SHORT, **options})
    plugin.model_path = folder
    split = datasets.Dataset.from_list(
        [{"source": a, "target": b} for a, b in (rows or pairs(24, seed=3))]
    )
    plugin.data = datasets.DatasetDict(train=split)
    plugin.processor = plugin.load_processor()
    plugin.model = plugin.load_model()
    return plugin


def predicted(plugin: Any, raw: Any, size: int, **named: Any) -> list[Any]:
    """Return the predictions of rows, so many at a time."""
    prepared = plugin.prepare(raw, "test")
    found = predict(plugin, plugin.model, raw, prepared, size, alone=True, **named)
    return [prediction for batch in found for prediction in batch.predictions]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("search", SEARCHES)
def test_a_text_is_the_same_alone_and_in_a_batch(family, search, tmp_path):
    plugin = ready(tiny(family, tmp_path / "model"), generation=SEARCHES[search])
    raw = plugin.data["train"]
    alone, together = predicted(plugin, raw, 1), predicted(plugin, raw, 8)
    assert [a["translation"] for a in alone] == [b["translation"] for b in together]
    assert all(plugin.same(*both) for both in zip(alone, together, strict=True))
    without = predicted(plugin, raw.remove_columns("target"), 8)
    assert without == together  # no model sees what it has to say
    assert len({a["translation"] for a in alone}) > 8
    known = predicted(plugin, raw, 8, with_loss=True)
    assert [p["translation"] for p in known] == [p["translation"] for p in together]


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_in_bfloat16_are_mostly_those_in_float32(family, tmp_path):
    """Weights of these models are large, so that rounding shows."""
    plugin = ready(tiny(family, tmp_path / "model"))
    raw = plugin.data["train"]
    exact = predicted(plugin, raw, 8)
    compute_in_bfloat16(plugin.model)
    rounded = predicted(plugin, raw, 8)
    assert exact != rounded
    both = zip(exact, rounded, strict=True)
    assert sum(one["translation"] == other["translation"] for one, other in both) > len(exact) / 2


@pytest.mark.parametrize("family", ["marian", "t5", "gpt2"])
@pytest.mark.parametrize("search", ["greedy", "beams"])
def test_transformers_alone_generates_what_was_predicted(family, search, tmp_path):
    plugin = ready(tiny(family, tmp_path / "model"), generation=SEARCHES[search])
    found = predicted(plugin, plugin.data["train"], 8)
    for made in (plugin.model, plugin.processor):
        made.save_pretrained(tmp_path / "saved")
    auto = hf.AutoModelForCausalLM if family == "gpt2" else hf.AutoModelForSeq2SeqLM
    model = auto.from_pretrained(tmp_path / "saved")
    tokenizer = hf.AutoTokenizer.from_pretrained(tmp_path / "saved")
    for row, prediction in zip(plugin.data["train"].select(range(6)), found[:6], strict=True):
        text = row["source"] + ("\n" if family == "gpt2" else "")
        ids = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
        if family == "gpt2":  # its end would end the prompt, too
            ids = {name: value[:, :-1] for name, value in ids.items()}
        tokens = model.generate(**ids)[0, ids["input_ids"].shape[1] if family == "gpt2" else 0 :]
        text = tokenizer.decode(tokens, skip_special_tokens=True)
        assert text.strip() == prediction["translation"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_that_of_the_model_itself(family, tmp_path):
    plugin = ready(tiny(family, tmp_path / "model"))
    prepared = plugin.prepare(plugin.data["train"], "train")
    batch = dict(batch_maker(plugin, plugin.model, with_labels=True)(records(prepared, range(5))))
    with evaluating(plugin.model), torch.no_grad():
        outputs = plugin.model(**{k: v for k, v in batch.items() if k != "labels"})
        found = float(plugin.loss()(outputs, batch["labels"]))
        usual = float(plugin.model(**batch).loss)
        known = loss_of(plugin, plugin.infer(plugin.model, batch), batch)
    assert found == pytest.approx(usual, rel=1e-5)
    assert known == pytest.approx(usual, rel=1e-5)
    count = int(batch["labels"].ne(-100).sum())
    halves = float(plugin.loss()(outputs, batch["labels"], 2 * count))
    assert halves == pytest.approx(usual / 2, rel=1e-5)


def test_what_has_no_end_is_cut_off(tmp_path):
    """Models of BART force an end at the last token, which says nothing."""
    found = {}
    for forced, most in ((None, 4), (2, 5)):
        folder = tiny("bart", tmp_path / str(forced), forced_eos_token_id=forced)
        plugin = ready(folder, generation={"max_new_tokens": most})
        # A stop token is likely enough for some rows.
        plugin.model.final_logits_bias[0, 2] = 9.0
        rows = predicted(plugin, plugin.data["train"], 8)
        found[forced] = [row["cut_off"] for row in rows]
    assert found[None] == found[2]
    assert len({*found[2]}) == 2


def test_the_models_own_settings_count_unless_the_recipe_has_others(tmp_path):
    folder = tiny("bart", tmp_path / "model")
    own = hf.GenerationConfig.from_pretrained(folder)
    own.update(num_beams=4, early_stopping=True, length_penalty=2.0, max_length=20, min_length=3)
    own.save_pretrained(folder)
    kept = ready(folder).model.generation_config
    assert (kept.num_beams, kept.length_penalty, kept.max_new_tokens) == (4, 2.0, 12)
    assert kept.max_length is None
    greedy = ready(folder, generation={"num_beams": 1, "max_new_tokens": 7})
    config = greedy.model.generation_config
    assert (config.num_beams, config.length_penalty, config.max_new_tokens) == (1, None, 7)
    greedy.model.save_pretrained(tmp_path / "saved")  # refuses what does not go together
    assert json.loads((tmp_path / "saved/generation_config.json").read_text())["num_beams"] == 1


@pytest.mark.parametrize(("family", "positions"), [("marian", 16), ("gpt2", 40)])
def test_no_text_is_longer_than_the_models_positions(family, positions, tmp_path):
    name = "n_positions" if family == "gpt2" else "max_position_embeddings"
    folder = tiny(family, tmp_path / "model", **{name: positions})
    rows = [("one two three " * 20, "eins zwei " * 20)] * 3
    limits = {"max_source_length": 30, "max_target_length": 40}
    plugin = ready(folder, rows, **limits)
    room = plugin.model.generation_config.max_new_tokens
    assert room == plugin.limits[1] < 40
    # An end that never comes.
    plugin.model.generation_config.suppress_tokens = [plugin.processor.eos_token_id]
    assert all(row["cut_off"] for row in predicted(plugin, plugin.data["train"], 3))
    said = f"max_new_tokens: is {room + 1}, and the model has positions for {room} tokens"
    with pytest.raises(RecipeError, match=said):
        ready(folder, rows, **limits, generation={"max_new_tokens": room + 1})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_beam": 4}, "Did you mean 'num_beams'?"),
        ({"num_beams": 0}, "greater than or equal to 1"),
        ({"num_beams": 1, "length_penalty": 2.0}, "length_penalty: for num_beams above 1 alone"),
        ({"do_sample": False, "temperature": 0.5}, "temperature: for do_sample: true alone"),
        ({"do_sample": True, "num_beams": 3}, "choose one of the two"),
        ({"min_new_tokens": 9, "max_new_tokens": 4}, "min_new_tokens 9 is above"),
        ({"top_k": 5}, "options.generation.top_k: needs do_sample: true"),
        ({"length_penalty": 2.0}, "options.generation.length_penalty: needs num_beams above 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, said, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps({
        "scenario": "translation", "model": str(tiny("t5", tmp_path / "model")),
        "data": {"source": str(written(tmp_path / "rows.jsonl", pairs(40)))},
        "options": {"generation": settings},
    }))  # fmt: skip
    assert outcome(["check", str(recipe), "--no-estimate"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "options.generation" in told


def test_a_vocabulary_for_a_model_that_has_one_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="options.vocab_size: has no effect with this model"):
        ready(tiny("t5", tmp_path / "model"), vocab_size=500)


LANGUAGES = {
    "mbart": (hf.MBartTokenizer, "en_XX", "de_DE"),
    "mbart50": (hf.MBart50Tokenizer, "en_XX", "de_DE"),
    "nllb": (hf.NllbTokenizer, "eng_Latn", "deu_Latn"),
}
PIECES = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0),
          *((piece, -3.0) for piece in ["▁", *"abcdefghijklmnopqrstuvwxyzüHBK"])]  # fmt: skip


def many_languages(kind: str, folder: Path) -> Path:
    cls, source, target = LANGUAGES[kind]
    vocabulary: Any = (
        {piece: n for n, (piece, _) in enumerate(PIECES)} if kind == "nllb" else PIECES
    )
    more = {"merges": []} if kind == "nllb" else {}
    tokenizer = cls(vocab=vocabulary, src_lang=target, tgt_lang=source, **more)  # not what is asked
    family = "m2m_100" if kind == "nllb" else "mbart"
    start = tokenizer.eos_token_id
    return tiny(family, folder, tokenizer, decoder_start_token_id=start)


@pytest.mark.parametrize("kind", LANGUAGES)
def test_models_of_many_languages_write_the_one_that_is_asked_for(kind, tmp_path):
    folder = many_languages(kind, tmp_path / "model")
    _, source, target = LANGUAGES[kind]
    plugin = ready(folder, source_lang=source, target_lang=target)
    tokenizer, config = plugin.processor, plugin.model.generation_config
    token = tokenizer.convert_tokens_to_ids(target)
    row = plugin.prepare(plugin.data["train"], "train")[0]
    assert tokenizer.convert_tokens_to_ids(source) in row["input_ids"]
    assert token in row["labels"]
    assert tokenizer.convert_tokens_to_ids(source) not in row["labels"]
    batch = plugin.collator()([{k: row[k] for k in ("input_ids", "attention_mask", "labels")}])
    if kind == "mbart":  # the decoder starts with the language
        assert (config.decoder_start_token_id, config.forced_bos_token_id) == (token, None)
        assert int(batch["decoder_input_ids"][0, 0]) == token
    else:
        assert config.forced_bos_token_id == token
        assert int(batch["decoder_input_ids"][0, 1]) == token
    with torch.no_grad():
        found = plugin.model.generate(input_ids=batch["input_ids"])
    assert token in found[0, :2]
    for made in (plugin.model, tokenizer):
        made.save_pretrained(tmp_path / "saved")
    again = hf.AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert (again.src_lang, again.tgt_lang) == (source, target)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"source_lang": "en_XX", "target_lang": "dee_DE"}, "'dee_DE'. Did you mean 'de_DE'?"),
        ({"source_lang": "en_XX"}, "options.target_lang: the model knows 25 languages"),
    ],
)
def test_unknown_languages_are_refused(asked, said, tmp_path):
    with pytest.raises(RecipeError) as error:
        ready(many_languages("mbart", tmp_path / "model"), **asked)
    assert said in str(error.value)


def test_a_languages_short_name_will_do_where_it_is_clear(tmp_path):
    plugin = ready(many_languages("mbart", tmp_path / "model"), source_lang="en", target_lang="de")
    assert (plugin.processor.src_lang, plugin.processor.tgt_lang) == ("en_XX", "de_DE")
    plugin = ready(many_languages("nllb", tmp_path / "nllb"), source_lang="en", target_lang="de")
    assert (plugin.processor.src_lang, plugin.processor.tgt_lang) == ("eng_Latn", "deu_Latn")


def marian_pieces(folder: Path) -> Any:
    """Return a tokenizer as OPUS-MT has it, for German and French."""
    spm = pytest.importorskip("sentencepiece")
    folder.mkdir()
    sides = [[pair[side] for pair in pairs(60)] for side in (0, 1)]
    known = {"</s>": 0, "<unk>": 1}
    for name, texts in zip(("source", "target"), sides, strict=True):
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(texts), model_prefix=str(folder / name), vocab_size=60,
            hard_vocab_limit=False, minloglevel=2,
        )  # fmt: skip
        (folder / f"{name}.model").rename(folder / f"{name}.spm")
        made = spm.SentencePieceProcessor(model_file=str(folder / f"{name}.spm"))
        for number in range(made.get_piece_size()):
            known.setdefault(made.id_to_piece(number), len(known))
    for token in (">>deu<<", ">>fra<<", "<pad>"):
        known[token] = len(known)
    (folder / "vocab.json").write_text(json.dumps(known))
    files = [str(folder / name) for name in ("source.spm", "target.spm", "vocab.json")]
    return hf.MarianTokenizer(*files)


def test_marians_of_several_languages_read_the_target_before_the_source(tmp_path):
    folder = tiny("marian", tmp_path / "model", marian_pieces(tmp_path / "pieces"))
    plugin = ready(folder, target_lang="deu")
    tokenizer = plugin.processor
    row = plugin.prepare(plugin.data["train"], "train")[0]
    source, target = pairs(24, seed=3)[0]
    first, *rest = tokenizer.convert_ids_to_tokens(row["input_ids"])
    assert first == ">>deu<<"
    assert "".join(rest[:-1]).replace("▁", " ").strip() == source
    assert tokenizer.decode(row["labels"], skip_special_tokens=True) == target  # its own pieces
    with pytest.raises(RecipeError, match="options.target_lang: the model has no language 'deo'"):
        ready(folder, target_lang="deo").prepare(plugin.data["train"], "train")


def test_t5_is_asked_as_its_config_says(tmp_path):
    known = {"translation_en_to_de": {"prefix": "translate English to German: "}}
    folder = tiny("t5", tmp_path / "model", task_specific_params=known)
    plugin = ready(folder, source_lang="en", target_lang="de")
    row = plugin.prepare(plugin.data["train"], "train")[0]
    text = plugin.processor.decode(row["input_ids"], skip_special_tokens=True)
    assert text == f"translate English to German: {plugin.data['train'][0]['source']}"
    assert not any("prompts" in note for note in plugin.notes())
    assert ready(folder, source_lang="en-US", target_lang="de_DE").prompt == plugin.prompt
    none = ready(folder, source_lang="en", target_lang="fr")
    assert none.prompt == "{source}"
    assert "knows the prompts translation_en_to_de: none is for" in none.notes()[0]
    other = ready(folder, source_lang="en", target_lang="de", prompt="Q {source} A")
    assert not any("prompts" in note for note in other.notes())
    row = other.prepare(other.data["train"], "test")[0]
    text = other.processor.decode(row["input_ids"], skip_special_tokens=True)
    assert text == f"Q {plugin.data['train'][0]['source']} A"


@pytest.mark.parametrize("family", ["t5", "gpt2"])
def test_of_what_is_too_long_the_source_is_cut_and_the_prompt_stays(family, tmp_path):
    rows = [("one two " * 60, "eins " * 40), ("one", "eins")]
    plugin = ready(tiny(family, tmp_path / "model"), rows, prompt="Q: {source} A:")
    found = plugin.prepare(plugin.data["train"], "train")
    assert [len(ids) <= 32 for ids in found["input_ids"]] == [True, True]
    assert [len(ids) <= 12 for ids in found["labels"]] == [True, True]
    texts = plugin.processor.batch_decode(found["input_ids"][:], skip_special_tokens=True)
    assert texts[0].startswith("Q: one two")
    assert texts[0].endswith(" A:")
    assert all(ids[-1] == plugin.processor.eos_token_id for ids in found["labels"])
    assert plugin.notes() == [
        "train: 1 of 2 source texts are longer than 32 tokens and are cut "
        "(options.max_source_length)",
        "train: 1 of 2 target texts are longer than 12 tokens and are cut "
        "(options.max_target_length)",
    ]


def test_models_that_write_nothing_are_refused(tmp_path):
    tokenizer = bpe()
    tokenizer.save_pretrained(tmp_path)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 8, "vocab_size": len(tokenizer)}  # fmt: skip
    hf.BertForMaskedLM(hf.BertConfig(**sizes)).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"\(bert\) generates no texts: choose"):
        ready(tmp_path)


@pytest.mark.slow
def test_the_plugin_of_the_page(scenario, tmp_path):
    """With sampling: rows of a run get the same texts from its saved model."""
    code = page_file("docs/plugins/tasks.md", "headlines.py")
    rows = [{"article": source, "headline": target} for source, target in pairs(40)]
    model, training = str(tiny("t5", tmp_path / "model")), {"max_steps": 2}
    options = {**SHORT, "generation": SEARCHES["sampling"]}
    recipe = scenario("headlines", code, "Headlines", rows, model=model, training=training,
                      options=options)  # fmt: skip
    run = toolkit.run(recipe, out=tmp_path / "run")
    assert run.record["reload"]["different"] == 0
    lines = (run.path / "predictions.jsonl").read_text().splitlines()
    kept = [json.loads(line) for line in lines]
    sources = {row["headline"]: row["article"] for row in rows}
    again = run.predict([{"article": sources[row["reference"][0]]} for row in kept])
    assert [p["headline"] for p in again] == [row["prediction"]["headline"] for row in kept]
