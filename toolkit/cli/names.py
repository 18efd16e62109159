"""The names of the toolkit's own commands, in the order in which a newcomer needs them."""

COMMANDS = (
    "run", "list", "show", "check", "init", "runs", "report", "compare", "predict", "serve",
    "rerun", "export", "push", "fetch", "doctor", "plugin",
)  # fmt: skip
