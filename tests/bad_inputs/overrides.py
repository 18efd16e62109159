"""Settings on the command line that cannot be taken."""

from __future__ import annotations

from bad_inputs.case import GOOD, Case
from bad_inputs.recipes import TOKEN

CHECK = ("check", "text-classification", "--no-estimate")


def setting(name: str, text: str, place: str, *says: str) -> Case:
    """Return a case of one --set."""
    return Case(name, (*CHECK, "--set", text), place, says)


CASES = [
    setting("no equals sign", "seed", "--set seed", "key.path=value"),
    setting("no key", "=3", "--set =3", "key.path=value"),
    setting("an empty key", "training..seed=3", "--set training..seed=3", "key.path=value"),
    setting("only dots", "...=1", "--set ...=1", "key.path=value"),
    setting("nothing", "", "--set", "key.path=value"),
    setting("an unknown block", "trainig.seed=1", "--set trainig", "Did you mean 'training'"),
    setting("an unknown key", "options.txt=a", "--set options.txt", "Did you mean 'text'"),
    setting("a key inside a text", "scenario.name=x", "--set scenario.name", "cannot set a key"),
    setting("a key inside a list", "report.metrics.0=f1", "--set report.metrics.0",
            "cannot set a key"),
    setting("a key that breaks the terminal", "options.\x1b[31m=1", "\\x1b[31m", "unknown key"),
    setting("a value that breaks the terminal", "training.num_train_epochs=\x1b]0;owned\x07",
            "--set training.num_train_epochs", "#x001b"),
    setting("letters from right to left", "options.\u202etxet=1", "\\u202e", "unknown key"),
    setting("markup of the terminal's library", "options.[red]=1", "options.[red]", "unknown key"),
    setting("half a surrogate", "options.text=\udcff", "options.text"),
    setting("an alias", "options.text=*a", "--set options.text", "is no YAML"),
    setting("a tag", "options.text=!!python/name:os.system", "--set options.text", "tags"),
    setting("an open bracket", "report.metrics=[a", "--set report.metrics", "is no YAML"),
    setting("a thousand brackets", "options.text=" + "[" * 1000, "--set options.text",
            "is no YAML"),
    setting("a number of 5,000 digits", "seed=" + "9" * 5000, "--set seed", "is no YAML"),
    setting("a colon without a space", "options.class_weights={fruit:2}",
            "--set options.class_weights", "a colon needs a space", "'{fruit: 2}'"),
    setting("a thousand keys deep", "options." + "a." * 1000 + "b=1", "--set options.a",
            "too deeply"),
    setting("a unit", "training.learning_rate=5e-5/step", "--set training.learning_rate",
            "valid number"),
    setting("a duration", "training.num_train_epochs=3h", "--set training.num_train_epochs",
            "valid number"),
    setting("a byte size", "training.per_device_train_batch_size=16K",
            "--set training.per_device_train_batch_size", "takes a number from 1, or auto"),
    setting("a date", "seed=2024-12-31", "--set seed", "valid integer"),
    setting("yes for true", "training.bf16=jawohl", "--set training.bf16", "valid boolean"),
    setting("no value", "scenario=", "--set scenario", "valid string"),
    setting("a folder to write to", "training.output_dir=/etc", "--set training.output_dir",
            "--out"),
    setting("a token", f"training.hub_token={TOKEN}", "--set training.hub_token", "token"),
    setting("a token as a model", f"model={TOKEN}", "--set model", "token"),
    setting("an include", "include=other.yaml", "--set include", "unknown key"),
    setting("a model that is a block of nothing", "model={}", "--set model", "one of the two"),
    setting("rows that are none", "data=null", "--set data"),
    Case("several at once", (*CHECK, "--set", "sed=1", "--set", "x", "--set", "y"), "--set x",
         ("--set y", "2 things are wrong")),
    Case("a seed that is no number", (*CHECK, "--seed", "x"), "--seed", ("valid integer",)),
    Case("a seed of 5,000 digits", (*CHECK, "--seed", "9" * 400), "seed", ("less than",)),
    Case("a method of another name", (*CHECK, "--method", "LORA2"), "method",
         ("Did you mean 'lora'",)),
    Case("data that is empty", (*CHECK, "--data", ""), "--data", ("a path",)),
    Case("a model that is empty", (*CHECK, "--model", ""), "--model", ()),
    Case("options of classes that are none", (*CHECK, "--data", "things.csv", "--model", "{model}",
         "--set", "options.class_weights={fruitt: 2}"), "options.class_weights",
         ("names fruitt; the classes are fruit, tool",), {"things.csv": GOOD}),
]  # fmt: skip
