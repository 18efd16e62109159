"""The scenario from end to end: learned, scored, saved, reloaded; and what is wrong with it."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import transformers
from finished import QUESTIONS as FAST
from qa_rows import ODD, questions, written

from toolkit.cli.main import outcome
from toolkit.errors import DataError
from toolkit.recipe import library
from toolkit.recipe.library import find_recipe
from toolkit.runner.fit import make_trainer
from toolkit.runner.prepare import prepare
from toolkit.runs.predictor import plugin_of
from toolkit.runs.writer import RunWriter


@pytest.fixture(scope="module")
def run(finished):
    return finished("question-answering")


def test_a_tiny_model_learns_to_answer_and_to_be_silent(run):
    scores = {name: score["value"] for name, score in run.metrics["test"].items()}
    baselines = run.record["baselines"]
    assert set(baselines) == {"sliding_window", "no_answer"}
    assert scores["f1"] > 0.8
    assert scores["f1"] > max(baseline["f1"]["value"] for baseline in baselines.values())
    # A quarter of the questions has no answer; by group, to within a few.
    assert baselines["no_answer"]["f1"]["value"] == pytest.approx(0.25, abs=0.1)
    assert baselines["no_answer"]["no_answer_f1"]["value"] == 1.0
    assert run.record["reload"]["different"] == 0
    assert run.record["headline"]["metric"] == "f1"
    assert any("questions have no answer" in note for note in run.record["data"]["notes"])


def test_answers_are_verbatim_spans_and_probabilities(run):
    for line in (run.path / "predictions.jsonl").read_text().splitlines():
        found = json.loads(line)["prediction"]
        assert 0 <= found["no_answer_score"] <= 1
        assert sum(one["score"] for one in found["n_best"]) <= 1 + 1e-6
        assert (found["answer"] == "") is (found["start"] is None)


def test_the_threshold_is_saved_and_used_again(run):
    saved = json.loads((run.path / "model" / "calibration.json").read_text())
    assert 0 < saved["no_answer_threshold"] < 1
    context = "the cup red . the hat blue . the car green ."
    rows = [{"question": f"what {thing} has the hat ?", "context": context}
            for thing in ("colour", "size")]  # fmt: skip
    first, second = run.predict(rows)
    assert first["answer"] == "blue" == context[first["start"] : first["end"]]
    assert (second["answer"], second["start"]) == ("", None)
    assert second["no_answer_score"] > saved["no_answer_threshold"]


def test_figures_show_lengths_and_what_the_threshold_trades(run):
    assert set(run.record["figures"]) == {"answer_lengths", "no_answer"}
    curve = json.loads((run.path / "figures" / "no_answer.json").read_text())
    chosen = curve["marks"]["chosen on validation"]
    assert chosen[1] == pytest.approx(run.metrics["test"]["f1"]["value"], abs=1e-6)
    assert set(curve["lines"]) == {"all", "with an answer", "without one"}


def test_odd_rows_are_predicted(run):
    rows = [
        {"question": "what colour ?", "context": ""},
        {"question": "", "context": "the hat is red ."},
        {"question": "what " * 400, "context": "the hat is red . " * 200},
        {"question": ODD, "context": ODD},
        {"question": None, "context": "1945"},
    ]
    found = run.predict(rows)
    assert [p["answer"] for p in found[:1]] == [""]
    for row, prediction in zip(rows, found, strict=True):
        for one in prediction["n_best"]:
            assert one["text"] == row["context"][one["start"] : one["end"]]
    (found,) = run.predict([{"question": "what ?", "context": 1945}])
    assert found["n_best"][0]["text"] == "1945"
    with pytest.raises(DataError, match="rows: "):
        run.predict([{"question": "what ?", "context": text} for text in (1945, "x")])


def test_long_contexts_are_read_whole(tmp_path, qa_model):
    rows = questions(240, long=True)
    data = {name: str(written(tmp_path / f"{name}.jsonl", part))
            for name, part in [("train", rows[:160]), ("test", rows[160:])]}  # fmt: skip
    job = prepare(find_recipe(
        "question-answering",
        [(("data", "source"), data), (("data", "split", "validation"), 16),
         (("model",), str(qa_model)), (("options", "doc_stride"), 12)],
    ))  # fmt: skip
    train = job.prepared["train"]
    assert len(train) >= 2 * len(job.loaded.splits["train"])
    assert max(train["length"]) <= 64
    # Each answer is a label in at least one window, and its place is the answer's.
    rows = job.loaded.splits["train"].to_list()
    found = set()
    for part in train:
        begin, end, first, *_ = part["labels"]
        if begin >= first > 0:
            context = rows[part["chunk_of"]]["context"]
            text = context[part["token_starts"][begin - first] : part["token_ends"][end - first]]
            assert text in rows[part["chunk_of"]]["answers"]["text"]
            found.add(part["chunk_of"])
    assert found == {n for n, row in enumerate(rows) if row["answers"]["text"]}


def test_accumulated_steps_are_those_of_the_whole_batch(tmp_path, qa_model):
    data = written(tmp_path / "rows.jsonl", questions(100, long=True))
    model, weights = without_dropout(qa_model, tmp_path), []
    for size, steps in ((8, 1), (2, 4)):
        settings = {**FAST, "training.max_steps": 3, "training.per_device_train_batch_size": size,
                    "training.gradient_accumulation_steps": steps, "training.eval_strategy": "no",
                    "training.train_sampling_strategy": "sequential", "training.optim": "sgd",
                    "training.max_grad_norm": 0.0, "model": str(model),
                    "data.source": str(data)}  # fmt: skip
        job = prepare(
            find_recipe(
                "question-answering", [(tuple(key.split(".")), v) for key, v in settings.items()]
            )
        )
        trainer = make_trainer(job, RunWriter(tmp_path / f"run-{size}"))
        before = {n: p.detach().clone() for n, p in trainer.model.named_parameters()}
        trainer.train()
        weights.append(dict(trainer.model.named_parameters()))
    for name, tensor in weights[0].items():
        assert tensor.allclose(weights[1][name], atol=1e-6), name
    assert not weights[0]["qa_outputs.weight"].equal(before["qa_outputs.weight"])


def without_dropout(model: Path, folder: Path) -> Path:
    copy = folder / "plain"
    if not copy.exists():
        shutil.copytree(model, copy)
        config = json.loads((copy / "config.json").read_text())
        config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        (copy / "config.json").write_text(json.dumps(config))
    return copy


def test_a_flat_table_with_and_without_offsets(tmp_path, qa_model):
    rows = questions(80)
    for name, columns in (("plain", 3), ("offsets", 4)):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["context", "question", "answer", "answer_start"][:columns])
            for row in rows:
                text = "".join(row["answers"]["text"])
                start = "".join(map(str, row["answers"]["answer_start"]))
                out.writerow([row["context"], row["question"], text, start][:columns])
        job = prepare(find_recipe(
            "question-answering",
            [(("data", "source"), str(tmp_path / f"{name}.csv")), (("model",), str(qa_model)),
             (("data", "split", "test"), 20)],
        ))  # fmt: skip
        assert sum(map(len, job.loaded.splits.values())) == 80
        assert job.loaded.skipped == {}
        counts = sum(job.plugin.counts.values(), type(job.plugin.counts["train"])())
        assert counts["unanswerable"] == 20
        assert counts["right"] + counts["first of several"] == 60
        assert (counts["first of several"] > 0) is (name == "plain")


def test_squads_own_files_are_read_by_a_source_and_otherwise_it_is_named(
    tmp_path, qa_model, capsys
):
    nested = {"version": "v2.0", "data": [
        {"title": "Hats", "paragraphs": [
            {"context": row["context"], "qas": [
                {"id": row["id"], "question": row["question"],
                 "answers": [{"text": text, "answer_start": start} for text, start in zip(
                     row["answers"]["text"], row["answers"]["answer_start"], strict=True)]}]}
            for row in questions(60)]}]}  # fmt: skip
    path = tmp_path / "train-v2.0.json"
    path.write_text(json.dumps(nested))
    model = ("model",), str(qa_model)
    source = ("data", "source"), f"plugin:squad?train={path}"
    job = prepare(find_recipe("question-answering", [source, model]))
    assert sum(map(len, job.loaded.splits.values())) == 60
    assert outcome(["check", "question-answering", "--data", str(path)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "is one object (version, data), whose rows seem to be under 'data'" in said
    assert "squad" in said.split("NAMEs here:")[1]
    path.write_text('{"data": [{"title": "x"}]}')
    assert outcome(["check", "question-answering", "--data", f"plugin:squad?train={path}"]) == 2
    assert "is not laid out as SQuAD's files are" in " ".join(capsys.readouterr().err.split())


def test_wrong_offsets_are_repaired_counted_and_told(tmp_path, qa_model):
    rows = questions(60)
    for row in rows[:8]:
        row["answers"]["answer_start"] = [n + 2 for n in row["answers"]["answer_start"]]
    rows[8]["answers"] = {"text": ["violet"], "answer_start": [0]}
    data = written(tmp_path / "rows.jsonl", rows)
    job = prepare(
        find_recipe(
            "question-answering", [(("data", "source"), str(data)), (("model",), str(qa_model))]
        )
    )
    assert sum(map(len, job.loaded.splits.values())) == 60
    counts = sum(job.plugin.counts.values(), type(job.plugin.counts["train"])())
    assert (counts["repaired"], counts["not found"], counts["lost"]) == (6, 1, 1)
    notes = " ".join(job.loaded.notes)
    assert "were not at their offset" in notes
    assert "not trained on" in notes


@pytest.mark.parametrize(
    ("row", "settings", "message"),
    [
        ({"context": "c", "answers": []}, [], "options.question: there is no column 'question'"),
        ({"context": ["c"], "question": "q", "answers": []}, [], "context: holds ['c']: a text is"),
        ({"context": "c", "question": "q", "answers": {"start": [1]}}, [], "answers: holds {'st"),
        ({"context": "c", "question": "q", "answers": "x"}, ["options.max_length=4"],
         "options.max_length"),
        ({"context": "c", "question": "q", "answers": "c"}, ["report.metrics=[exact]"],
         "there is no metric 'exact'. Did you mean 'exact_match'?"),
        ({"context": "c", "question": "q", "answers": "x"}, ["options.answers=context"],
         "options.context: is the column 'context', as is options.answers"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_training(tmp_path, qa_model, capsys, row, settings, message):
    data = written(tmp_path / "rows.jsonl", [{**row, "n": n} for n in range(40)])
    arguments = [part for text in settings for part in ("--set", text)]
    done = outcome(["check", "question-answering", "--data", str(data), "--model", str(qa_model),
                    "--set", "data.split.group=n", *arguments])  # fmt: skip
    assert done == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_tokenizer_without_places_is_refused(tmp_path, capsys):
    transformers.CanineTokenizer().save_pretrained(tmp_path / "slow")
    config = transformers.CanineConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                                       intermediate_size=16)  # fmt: skip
    transformers.CanineModel(config).save_pretrained(tmp_path / "slow")
    data = written(tmp_path / "rows.jsonl", questions(40))
    arguments = ["--data", str(data), "--model", str(tmp_path / "slow")]
    assert outcome(["check", "question-answering", *arguments]) == 2
    assert "choose a model with a fast tokenizer" in " ".join(capsys.readouterr().err.split())


def test_a_model_without_such_a_head_is_refused(tmp_path, capsys):
    config = transformers.ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                                    intermediate_size=16, image_size=8, patch_size=4)  # fmt: skip
    transformers.ViTModel(config).save_pretrained(tmp_path / "vit")
    data = written(tmp_path / "rows.jsonl", questions(40))
    arguments = ["--data", str(data), "--model", str(tmp_path / "vit")]
    assert outcome(["check", "question-answering", *arguments]) == 2
    assert "cannot be loaded" in (said := capsys.readouterr().err) or "holds no tokenizer" in said


def test_the_written_questions_are_what_they_say():
    path = library.locate("question-answering").parent / "passages.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    contexts = {row["context"] for row in rows}
    silent = [row for row in rows if not row["answers"]["text"]]
    assert len(contexts) >= 60
    assert len(rows) == len({row["question"] for row in rows}) >= 240
    assert len(silent) >= len(rows) / 5
    for row in rows:
        for text, start in zip(*row["answers"].values(), strict=True):
            assert row["context"][start : start + len(text)] == text


def test_a_passage_is_shown_with_the_predicted_and_the_actual_answer(finished):
    run = finished("question-answering")
    plugin = plugin_of(run.path)
    context = f"{'before it . ' * 200}the cup is red . the hat is blue . {'after it . ' * 200}"
    red, blue = (context.index(word) for word in ("red", "blue"))
    row = {"question": "what colour has the cup ?", "context": context,
           "answers": {"text": ["red"], "answer_start": [red]}}  # fmt: skip
    said = {"answer": "blue", "start": blue, "end": blue + 4}
    question, passage, *texts = plugin.show(row, said, ["red"])
    assert question == row["question"]
    marked = {passage.text[s.start : s.end]: s.actual for s in passage.spans}
    assert marked == {"red": True, "blue": False}
    assert len(passage.text) < 1500
    assert texts == ["predicted: blue", "actual: red"]
    nothing = {"answer": "", "start": None, "end": None}
    _, passage, *texts = plugin.show(
        {**row, "answers": {"text": [], "answer_start": []}}, nothing, []
    )
    assert (passage.spans, texts) == ([], ["predicted: (no answer)", "actual: (no answer)"])
    del row["answers"]  # as in a request to `serve`
    _, passage, *texts = plugin.show(row, said, None)
    assert [span.actual for span in passage.spans] == [False]
    assert texts == ["predicted: blue"]
    page = run.report.read_text(encoding="utf-8")
    assert re.search(r'<mark class="(predicted )?actual">', page)
