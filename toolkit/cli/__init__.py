"""The command line: one file a command, each of them thin: parse, call, print."""

#: In the order in which a newcomer needs them.
COMMANDS = (
    "run", "sweep", "list", "show", "check", "init", "runs", "report", "compare", "predict",
    "evaluate", "serve", "rerun", "export", "push", "fetch", "doctor", "plugin",
)  # fmt: skip
