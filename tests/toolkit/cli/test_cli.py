"""The command line, as a person meets it."""

from __future__ import annotations

import datetime
import json
import os
import shlex
import subprocess
import sys

import pytest
import warm
from small_runs import arguments

from toolkit import Run
from toolkit.cli import COMMANDS
from toolkit.cli.main import outcome

HEAVY = {"torch", "transformers", "datasets", "numpy", "sklearn", "pydantic", "evaluate", "peft"}


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["--version"], ["run", "--help"]])
def test_listing_commands_import_nothing_heavy(arguments):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "toolkit", *arguments],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & HEAVY
    assert done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    assert outcome([command, "--help"]) == 0
    assert f"toolkit {command}" in capsys.readouterr().out


def test_list_names_recipes_and_scenarios(capsys):
    assert outcome(["list"]) == 0
    shown = capsys.readouterr().out
    for name in ("text-classification", "text-classification/banking77"):
        assert f"\n  {name}\n" in shown


def test_show_prints_the_file_and_the_options(capsys):
    assert outcome(["show", "text-classification"]) == 0
    shown = capsys.readouterr().out
    assert "# toolkit run text-classification" in shown
    assert "max_length: tokens" in shown


def test_init_copies_recipe_and_data_to_edit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert outcome(["init", "text-classification", "mine.yaml"]) == 0
    assert (tmp_path / "mine.yaml").read_text().startswith("# toolkit run")
    assert (tmp_path / "support-tickets.csv").exists()
    assert "toolkit run mine.yaml" in capsys.readouterr().out
    assert outcome(["init", "text-classification", "mine.yaml"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_init_into_a_folder_that_takes_no_files(capsys):
    assert outcome(["init", "text-classification", "/proc/mine.yaml"]) == 2
    assert "/proc/mine.yaml cannot be written" in capsys.readouterr().err


def test_check_says_what_would_be_trained_on(table, tiny_model, capsys):
    code = outcome(
        ["check", "text-classification", "--data", str(table), "--model", str(tiny_model)]
    )
    shown = capsys.readouterr().out
    assert code == 0
    assert "ready to train" in shown
    assert "rows: train 112, validation 16, test 32" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "text-clasification"], "Did you mean 'text-classification'"),
        (["run", "text-classification", "--set", "nonsense"], "key.path=value"),
        (["check", "text-classification", "--set", "options.class_weights={a:5}"], "'{a: 5}'"),
        (["run", "text-classification", "--method", "fulll"], "Did you mean 'full'"),
        (["run", "text-classification", "--data", "absent.csv"], "there is no such file"),
        (["run", "text-classification", "--seed", "-1"], "seed"),
        (["run", "text-classification", "--set", "options.txt=a"], "Did you mean 'text'"),
        (["run"], "RECIPE"),
        (["frobnicate"], "No such command"),
        (["run", "absent.yaml"], "no such file"),
        (["init", "nothing"], "no recipe 'nothing'"),
        (["show", "nothing"], "no recipe 'nothing'"),
    ],
)
def test_a_mistake_gets_one_message_and_code_two(arguments, message, capsys):
    assert outcome(arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err


def test_all_mistakes_are_told_at_once(tmp_path, capsys):
    path = tmp_path / "r.yaml"
    path.write_text(
        "scenario: text-classification\nmodel: m\ndata: {source: x.csv, splitt: 1}\n"
        "options: {max_length: 1}\ntraining: {epochs: 3}\nmethod: half\n"
    )
    assert outcome(["run", str(path)]) == 2
    shown = capsys.readouterr().err
    assert "4 things are wrong" in shown
    for place in (":3 data.splitt", ":4 options.max_length", ":5 training.epochs", ":6 method"):
        assert f"{path}{place}" in shown


def test_debug_shows_the_traceback(capsys, monkeypatch):
    monkeypatch.setenv("TOOLKIT_DEBUG", "")  # set by the command, and not for the tests after this
    assert outcome(["--debug", "run", "nothing"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_doctor_looks_at_everything(capsys):
    assert outcome(["doctor"]) == 0
    shown = capsys.readouterr().out
    for part in ("python", "torch", "hardware", "Hub", "mirror", "scenario text-classification"):
        assert part in shown
    assert "FAIL" not in shown


def test_interrupting_is_told_apart(monkeypatch, table, tiny_model, tmp_path, capsys):
    from toolkit.runner import fit

    def interrupted(trainer, report, start):
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "train", interrupted)
    code = outcome(
        ["run", "text-classification", "--data", str(table), "--model", str(tiny_model),
         "--out", str(tmp_path / "out")]
    )  # fmt: skip
    assert code == 130
    (said,) = capsys.readouterr().err.splitlines()[1:]  # and no empty line of click's
    assert said.startswith("interrupted")
    assert json.loads((tmp_path / "out" / "run.json").read_text())["status"] == "interrupted"


def test_completion_offers_recipes():
    from toolkit.cli.recipe_arguments import complete_recipe

    items = complete_recipe(None, None, "text-classification/b")
    assert [item.value for item in items] == ["text-classification/banking77"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("run x --data /t", "file,/t"),
        ("run x --model /t", "file,/t"),
        ("run x --method layer", "plain,layerwise"),
        ("check text-classification/se", "plain,text-classification/sentiment"),
        ("init /tmp/m", "file,"),
        ("run x --set training.num_train_e", "plain,training.num_train_epochs="),
        ("run x --set data.split.str", "plain,data.split.stratify="),
        ("run x --set report.met", "plain,report.metrics="),
        ("run x --method lora --set method.ra", "plain,method.rank="),
        ("run text-classification/frozen --set method.poo", "plain,method.pooling="),
        ("run text-classification --set options.multi_lab", "plain,options.multi_label="),
        ("run nothing-like-it --set options.m", ""),
    ],
)
def test_the_shell_completes_values(words, offered, monkeypatch, capsys):
    offers(words, [offered], monkeypatch, capsys)


def offers(words, lines, monkeypatch, capsys):
    from toolkit.cli.main import cli

    monkeypatch.setenv("COMP_WORDS", f"toolkit {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    monkeypatch.setenv("_TOOLKIT_COMPLETE", "bash_complete")
    with pytest.raises(SystemExit):
        cli.main([], prog_name="toolkit")
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize("words", ["predict", "compare", "report", "export", "push", "rerun"])
def test_the_shell_completes_folders_of_runs(words, tmp_path, monkeypatch, capsys):
    for run in ("runs/fraud/one", "runs/text/two", "ruins"):
        (tmp_path / run).mkdir(parents=True)
        (tmp_path / run / "run.json").touch()
    monkeypatch.chdir(tmp_path)
    for typed, offered in {
        "runs/f": ["plain,runs/fraud/one"],
        "ru": ["plain,ruins", "plain,runs/fraud/one", "plain,runs/text/two"],
        "else": ["dir,else"],
    }.items():
        offers(f"{words} {typed}", offered, monkeypatch, capsys)


def test_the_keys_that_are_completed_are_those_that_are_taken():
    import dataclasses

    from transformers import TrainingArguments

    from toolkit.cli.setting_keys import _core_keys
    from toolkit.training.reserved import OWN, RESERVED

    keys = list(_core_keys())
    fields = {field.name for field in dataclasses.fields(TrainingArguments) if field.init}
    training = {key.removeprefix("training.") for key in keys if key.startswith("training.")}
    assert training == (fields | set(OWN)) - set(RESERVED)
    assert {"data.source", "data.split.test", "report.slices", "model.revision"} <= set(keys)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--epochs", "Use --set training.num_train_epochs=VALUE."),
        ("--image-column", "Use --set options.image=COLUMN."),
        ("--lr", "Use --set training.learning_rate=VALUE."),
        ("--learning-rate", "Use --set training.learning_rate=VALUE."),
        ("--batch_size", "Use --set training.per_device_train_batch_size=VALUE."),
        ("--weight-decay", "Use --set training.weight_decay=VALUE."),
        ("--metrics", "Use --set report.metrics=VALUE."),
        ("--output-dir", "Use --out DIR."),
        ("--push-to-hub", "Use toolkit push RUN OWNER/NAME, which uploads a finished run."),
    ],
)
def test_an_option_of_other_programs_is_told_by_what_does_that_here(option, said, capsys):
    assert outcome(["run", "text-classification", option, "3"]) == 2
    shown = capsys.readouterr().err.splitlines()[-1]
    assert shown == f"Error: No such option {option!r}. {said}"


def test_an_option_that_a_command_has_no_settings_for_gets_no_such_advice(capsys):
    assert outcome(["serve", "run", "--epochs", "3"]) == 2
    assert "--set" not in capsys.readouterr().err


def test_completion_script_is_clicks_own():
    done = subprocess.run(
        [sys.executable, "-m", "toolkit"], capture_output=True, text=True, check=False,
        env={"_TOOLKIT_COMPLETE": "zsh_source", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert "compdef" in done.stdout


def test_public_names():
    import toolkit

    assert all(hasattr(toolkit, name) for name in toolkit.__all__)
    assert {*toolkit.__all__, "__version__"} == set(toolkit._HOMES)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        toolkit.nothing  # noqa: B018 - the access is the test


def test_libraries_say_nothing_of_their_own(tmp_path):
    (tmp_path / "bad.parquet").write_text("no parquet")
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", "check", "text-classification",
         "--data", str(tmp_path / "bad.parquet")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: ")
    assert not done.stdout


def test_wrong_training_settings_are_told_at_once_with_the_nearest_names(tmp_path, capsys):
    path = tmp_path / "r.yaml"
    path.write_text(
        "include: text-classification\n"
        "training:\n"
        "  eval_strategy: sometimes\n"
        "  lr_scheduler_type: cosin\n"
        "  train_sampling_strategy: sorted\n"
        "  learning_rate: .nan\n"
        "  per_device_eval_batch_size: 0\n"
        "  num_train_epochs: -1\n"
        "  weight_decay: -0.1\n"
        "  resume_from_checkpoint: old\n"
    )
    assert outcome(["check", str(path)]) == 2
    shown = capsys.readouterr().err
    assert "8 things are wrong" in shown
    for line, words in enumerate(
        ("'sometimes'. Known: no, steps", "Did you mean 'cosine'", "group_by_length", "finite",
         "from 1", "above 0", "from 0", "read by nothing"), start=3,
    ):  # fmt: skip
        assert f"{path}:{line} " in shown
        assert words in shown


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.metric_for_best_model=acuracy", "Did you mean 'accuracy'"),
        ("options.class_weights={fruitt: 2}", "names fruitt; the classes are bird, fruit, tool"),
        ("options.class_weights={fruit: -2}", "should be greater than 0"),
        ("options.text=label", "options.text: is the column 'label', as is options.label"),
    ],
)
def test_what_only_training_would_meet_is_told_before(setting, message, table, tiny_model, capsys):
    code = outcome(
        ["check", "text-classification", "--data", str(table), "--model", str(tiny_model),
         "--set", setting]
    )  # fmt: skip
    assert code == 2
    assert message in capsys.readouterr().err


def test_early_stopping_without_validation(table, tiny_model, capsys):
    code = outcome(
        ["check", "text-classification", "--data", str(table), "--model", str(tiny_model),
         "--set", "training.early_stopping_patience=2", "--set", "training.eval_strategy=no"]
    )  # fmt: skip
    assert code == 2
    assert "needs validation" in capsys.readouterr().err


@pytest.mark.parametrize("value", [{"t": "the old hammer"}, ["the", "old"]])
def test_texts_that_are_none(value, tmp_path, tiny_model, capsys):
    path = tmp_path / "rows.jsonl"
    rows = [{"text": value, "label": "ab"[n % 2]} for n in range(40)]
    path.write_text("\n".join(map(json.dumps, rows)))
    code = outcome(
        ["check", "text-classification", "--data", str(path), "--model", str(tiny_model)]
    )
    assert code == 2
    assert "text: holds" in capsys.readouterr().err


def test_a_terminal_that_lacks_the_letters_of_the_data(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("include: text-classification\ndescription: Zürich 😀\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", "show", str(path)],
        capture_output=True, encoding="cp1252", check=False,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )  # fmt: skip
    assert done.returncode == 0
    assert r"Zürich \U0001f600" in done.stdout
    assert not done.stderr


def test_an_end_of_file_inside_a_library_is_a_failure_and_no_interruption(monkeypatch, capsys):
    """click reads EOFError as Ctrl-D at a prompt; here a reader met the end of a truncated file."""

    def read() -> None:
        raise EOFError("compressed file ended before the end-of-stream marker")

    monkeypatch.setattr("toolkit.cli.list_command.command.callback", lambda **_: read())
    assert outcome(["list"]) == 1
    assert "Failed: EOFError: compressed file ended" in capsys.readouterr().err


def test_a_run_ends_with_the_commands_that_come_next_and_keeps_its_own(tmp_path):
    asked = [*arguments("text-classification", "head", tmp_path / "in"), "--out", "my run"]
    asked.remove("--quiet")
    done = warm.run("toolkit", ["run", *asked], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    following = [line.partition("  #")[0] for line in done.stdout.splitlines() if "next: " in line]
    assert following == [
        "next: toolkit report 'my run' --open",
        "next: toolkit predict 'my run' rows.csv -o out.csv",
        "next: toolkit serve 'my run'",
    ]
    record = Run(tmp_path / "my run").record
    assert record["command"] == shlex.join(["toolkit", "run", *asked])
    moment = datetime.datetime.strptime(record["started"], "%Y-%m-%dT%H:%M:%S%z")
    assert datetime.timedelta(0) < datetime.datetime.now(datetime.UTC) - moment
    assert (
        shlex.join(["toolkit", "run", *asked])[:40] in Run(tmp_path / "my run").report.read_text()
    )
