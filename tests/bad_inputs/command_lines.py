"""Command lines that no command takes."""

from __future__ import annotations

from bad_inputs.case import Case


def line(name: str, words: tuple[str, ...], place: str, *says: str, **more: object) -> Case:
    """Return a case of a command line."""
    return Case(name, words, place, says, **more)  # type: ignore[arg-type]


RUN = ("run", "text-classification")
CASES = [
    line("an unknown command", ("frobnicate",), "frobnicate", "No such command", apart=True),
    line("a command with a typo", ("rnu",), "rnu", "Did you mean", "run"),
    line("a command in capitals", ("RUN",), "RUN", "Did you mean", "run"),
    line("a recipe for a command", ("text-classification",), "text-classification",
         "toolkit run text-classification"),
    line("a file for a command", ("r.yaml",), "r.yaml", "toolkit run r.yaml"),
    line("a command that breaks the terminal", ("\x1b[31mrun",), "\\x1b[31mrun"),
    line("an unknown option", (*RUN, "--epochs", "3"), "--epochs", "No such option"),
    line("an option with a typo", (*RUN, "--sed", "3"), "--sed", "--seed"),
    line("an option of another command", (*RUN, "--price", "3"), "--price", "No such option"),
    line("an option without its value", (*RUN, "--data"), "--data", "requires an argument"),
    line("no recipe", ("run",), "RECIPE"),
    line("two recipes", ("run", "a", "b"), "b"),
    line("no recipe to show", ("show",), "RECIPE"),
    line("a recipe that is not there", ("run", "absent.yaml"), "absent.yaml", "no such file"),
    line("a recipe with a typo", ("show", "text-classification/banking7"),
         "text-classification/banking7", "Did you mean 'text-classification/banking77'"),
    line("a recipe's name in capitals", ("show", "Text-Classification"), "Text-Classification",
         "Did you mean 'text-classification'"),
    line("a recipe's name that climbs", ("show", "../text-classification"),
         "../text-classification", "no recipe"),
    line("a recipe's name that is empty", ("show", ""), "''"),
    line("a recipe's name that breaks the terminal", ("show", "\x1b]0;owned\x07"), "\\x1b"),
    line("a recipe's name with a NUL", ("show", "a\0.yaml"), "a\\x00.yaml"),
    line("a recipe's name that is too long", ("show", "x" * 9999 + ".yaml"), ".yaml",
         "no such file"),
    line("a recipe that is shown and no YAML", ("show", "r.yaml"), "r.yaml", "is no YAML", "#x0007",
         files={"r.yaml": "a: [\x07"}),
    line("a price below zero", ("check", "text-classification", "--price", "-1"), "--price"),
    line("a price that is no number", ("check", "text-classification", "--price", "nan"),
         "--price"),
    line("no process", (*RUN, "--processes", "0"), "--processes"),
    line("processes below zero", (*RUN, "--processes", "-2"), "--processes"),
    line("processes that are no number", (*RUN, "--processes", "many"), "--processes"),
    line("nodes without a rank", (*RUN, "--nodes", "2"), "--node-rank"),
    line("a rank beyond the nodes", (*RUN, "--nodes", "2", "--node-rank", "2", "--rendezvous",
         "h:1"), "--node-rank"),
    line("a meeting place that is none", (*RUN, "--nodes", "2", "--node-rank", "0",
         "--rendezvous", "nowhere"), "--rendezvous"),
    line("no nodes", (*RUN, "--nodes", "0"), "--nodes"),
    line("init of nothing", ("init", "nothing"), "nothing", "no recipe"),
    line("init onto a file", ("init", "text-classification", "r.yaml"), "r.yaml",
         "exists already", files={"r.yaml": "x"}),
    line("init onto a link to nothing", ("init", "text-classification", "r.yaml"), "r.yaml",
         "exists already", files={"r.yaml": lambda path: path.symlink_to("elsewhere")}),
    line("init of what is no recipe's name", ("init", "text-classification", "r.txt"), "r.txt",
         "must end with .yaml"),
    line("init into no folder", ("init", "text-classification", "no/r.yaml"), "no",
         "does not exist"),
    line("init where nothing can be written", ("init", "text-classification", "/proc/r.yaml"),
         "/proc/r.yaml", "cannot be written"),
    line("init of a name that is too long", ("init", "text-classification", "x" * 300 + ".yaml"),
         "xxx", "cannot be written"),
    line("init of a recipe that is none", ("init", "r.yaml", "s.yaml"), "r.yaml", "mapping",
         files={"r.yaml": "- a\n"}),
    line("--debug behind the command", (*RUN, "--debug"), "--debug", "No such option"),
]  # fmt: skip
