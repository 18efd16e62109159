"""Recipes that are none, or that ask for what cannot be."""

from __future__ import annotations

from bad_inputs.case import GOOD, Case, Content, fifo, folder, link

CHECK = ("check", "r.yaml", "--no-estimate")
BASE = "include: text-classification\nmodel: {model}\ndata: {source: things.csv}\n"


def recipe(name: str, content: Content, place: str, *says: str, **more: object) -> Case:
    """Return a case of a file r.yaml beside good rows."""
    files: dict[str, Content] = {"things.csv": GOOD, "r.yaml": content}
    files |= more.pop("beside", {})  # type: ignore[arg-type]
    return Case(name, CHECK, place, says, files, **more)  # type: ignore[arg-type]


def bomb(levels: int) -> str:
    """Return the few lines that unfold into 9 to the power of `levels` texts."""
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, levels):
        text += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n"
    return text


TEXTS = [
    recipe("empty", "", "r.yaml", "mapping of keys to values", apart=True),
    recipe("only comments", "# toolkit run r.yaml\n", "r.yaml", "mapping"),
    recipe("a list", "- scenario: x\n", "r.yaml", "mapping"),
    recipe("a word", "text-classification\n", "r.yaml", "mapping"),
    recipe("json lines", '{"a": 1}\n{"b": 2}\n', "r.yaml:2", "is no YAML"),
    recipe("utf-16", BASE.encode("utf-16"), "r.yaml", "is not UTF-8 text"),
    recipe("latin-1", "description: Zürich\n".encode("latin-1"), "r.yaml", "is not UTF-8 text"),
    recipe("a NUL byte", b"scenario: a\0b\n", "r.yaml", "is no YAML", "#x0000"),
    recipe("an escape code", b"scenario: \x1b[31mred\n", "r.yaml", "is no YAML", "#x001b"),
    recipe("a NUL written as an escape", 'scenario: "a\\0b"\n', "r.yaml:1", "no text"),
    recipe("half a surrogate", 'scenario: "\\ud800"\n', "r.yaml:1", "no text"),
    recipe("tabs for indents", "data:\n\tsource: things.csv\n", "r.yaml:2", "is no YAML"),
    recipe("a bracket that stays open", "options: {text: a\n", "r.yaml:2", "is no YAML"),
    recipe("a quote that stays open", "description: 'it\n", "r.yaml", "is no YAML"),
    recipe("two documents", BASE + "---\n" + BASE, "r.yaml:4", "is no YAML"),
    recipe("a colon without a space", "scenario:text-classification\n", "r.yaml", "mapping"),
    recipe("an alias bomb", bomb(9), "r.yaml:2", "aliases (*name) are not allowed", apart=True),
    recipe("an anchor that holds itself", "options: &a {x: *a}\n", "r.yaml:1", "aliases"),
    recipe("a merge key", "a: &a {x: 1}\nb:\n  <<: *a\n", "r.yaml:3", "aliases"),
    recipe("a merge key without an alias", BASE + "options: {<<: {text: t}}\n",
           "r.yaml:4 options.<<", "unknown key"),
    recipe("a tag that runs code", "description: !!python/object/apply:os.system [touch owned]\n",
           "r.yaml:1", "tags (tag:yaml.org,2002:python/object/apply:os.system) are not allowed",
           apart=True),
    recipe("a tag that makes an object", "data: !!python/object/new:str [x]\n", "r.yaml:1", "tags"),
    recipe("a tag of plain YAML", "seed: !!int '3'\n", "r.yaml:1", "tags"),
    recipe("a tag of one's own", "data: !include other.yaml\n", "r.yaml:1", "tags (!include)"),
    recipe("binary", "data: !!binary aGk=\n", "r.yaml:1", "tags"),
    recipe("a set", "options: !!set {a, b}\n", "r.yaml:1", "tags"),
    recipe("a list as a key", "? [a, b]\n: c\n", "r.yaml:1", "unhashable key"),
    recipe("a thousand brackets", "options: " + "[" * 1000 + "]" * 1000, "r.yaml", "too deeply"),
    recipe("ten thousand braces", "options: " + "{a: " * 10_000, "r.yaml", "too deeply"),
    recipe("a number of 5,000 digits", "seed: " + "9" * 5000, "r.yaml", "digits"),
    recipe("larger than any recipe", "# x\n" * 300_000, "r.yaml", "larger than 100,000 bytes"),
    recipe("a template", BASE + "seed: {{ seed }}\n", "r.yaml:4", "unhashable key"),
]  # fmt: skip

PLACES = [
    recipe("a folder", folder, "r.yaml", "is no file"),
    recipe("a pipe", fifo, "r.yaml", "is no file", apart=True),
    recipe("a device without an end", link("/dev/zero"), "r.yaml", "is no file"),
    recipe("a link to nothing", link("gone.yaml"), "r.yaml", "link"),
    recipe("a link to itself", link("r.yaml"), "r.yaml", "link"),
    recipe("a file that includes itself", "include: r.yaml\n", "r.yaml:1 include", "one level"),
    recipe("a circle of two", "include: other.yaml\n", "r.yaml:1 include", "one level",
           beside={"other.yaml": "include: r.yaml\n"}),
    recipe("an include that is not there", "include: thing.yaml\n", "r.yaml:1 include",
           "no file", "Did you mean 'things.yaml'", beside={"things.yaml": BASE}),
    recipe("an include of a folder", "include: sub.yaml\n", "r.yaml:1 include", "no file",
           beside={"sub.yaml": folder}),
    recipe("an include of a pipe", "include: sub.yaml\n", "r.yaml:1 include", "no file",
           beside={"sub.yaml": fifo}),
    recipe("an include of a list", "include: [a.yaml]\n", "r.yaml:1 include", "not ['a.yaml']"),
    recipe("an include of a name with a typo", "include: text-clasification\n",
           "r.yaml:1 include", "Did you mean 'text-classification'"),
    recipe("an include of a password file", "include: /etc/passwd\n", "r.yaml:1 include",
           "no recipe '/etc/passwd'"),
    recipe("an include of what is no recipe", "include: notes.yaml\n", "notes.yaml", "mapping",
           beside={"notes.yaml": "just words\n"}),
    recipe("a fault in what is included", "include: base.yaml\n", "base.yaml:4 worse",
           "unknown key", beside={"base.yaml": "scenario: text-classification\nmodel: m\n"
                                  "data: things.csv\nworse: 1\n"}),
]  # fmt: skip


def added(name: str, line: str, place: str, *says: str, **more: object) -> Case:
    """Return a case of a good recipe and one more line (its fourth), or another for one of it."""
    block = line.partition(":")[0]
    kept = ["#" if own.startswith(f"{block}:") else own for own in BASE.splitlines()]
    return recipe(name, "\n".join([*kept, line, ""]), place, *says, **more)


VALUES = [
    recipe("nothing in it", "description: x\n", "r.yaml scenario: is missing",
           "r.yaml model: is missing", "r.yaml data: is missing"),
    recipe("a scenario with a typo", BASE.replace("include", "scenario").replace(
        "classification", "clasification"), "r.yaml:1 scenario", "Did you mean"),
    recipe("a scenario that is a list", "scenario: [a]\nmodel: m\ndata: d\n", "r.yaml:1 scenario"),
    added("an unknown key", "modle: x", "r.yaml:4 modle", "Did you mean 'model'"),
    added("a key in capitals", "Training: {}", "r.yaml:4 Training", "Did you mean 'training'"),
    added("a key twice", "seed: 1\nseed: 2", "r.yaml:5 seed", "duplicate key"),
    added("a key twice in a block", "options: {text: a, text: b}", "r.yaml:4 options.text",
          "duplicate key"),
    added("no as a key", "options: {no: 1}", "r.yaml:4 options.no", "unknown key"),
    added("a number as a key", "options: {1: x}", "r.yaml:4 options.1", "in quotes"),
    added("a seed that is a text", "seed: seven", "r.yaml:4 seed", "valid integer"),
    added("a seed that is a fraction", "seed: 1.5", "r.yaml:4 seed", "integer"),
    added("a seed below zero", "seed: -1", "r.yaml:4 seed", "greater than or equal to 0"),
    added("a seed of 64 bits", "seed: 18446744073709551616", "r.yaml:4 seed", "less than"),
    added("a seed that is no number", "seed: .nan", "r.yaml:4 seed", "not nan"),
    added("options as a list", "options: [text]", "r.yaml:4 options", "block of keys"),
    added("options as a text", "options: text", "r.yaml:4 options", "block of keys"),
    added("training as a number", "training: 3", "r.yaml:4 training", "block of keys"),
    added("a method that is a list", "method: [lora]", "r.yaml:4 method", "block of keys"),
    added("a method with a typo", "method: lorra", "r.yaml:4 method", "Did you mean 'lora'"),
    added("a setting of another method", "method: {name: full, rank: 8}", "r.yaml:4 method.rank",
          "unknown key"),
    added("a rank below one", "method: {name: lora, rank: 0}", "r.yaml:4 method.rank"),
    added("a method without its name", "method: {rank: 8}", "r.yaml:4 method.rank", "unknown key"),
    added("a report that is a text", "report: accuracy", "r.yaml:4 report", "block of keys"),
    added("a metric alone", "report: {metrics: accuracy}", "r.yaml:4 report.metrics",
          "valid list"),
    added("a metric with a typo", "report: {metrics: [acuracy]}", "report.metrics",
          "Did you mean 'accuracy'"),
    added("a slice of a column that lacks", "report: {slices: [chanel]}", "report.slices.0",
          "no column 'chanel'"),
    added("an option with a typo", "options: {txt: a}", "r.yaml:4 options.txt",
          "Did you mean 'text'"),
    added("an option of a wrong type", "options: {max_length: long}", "r.yaml:4 options.max_length",
          "valid integer"),
    added("an option out of its range", "options: {max_length: 1}", "r.yaml:4 options.max_length",
          "greater than or equal to 4"),
    added("a threshold in per cent", "options: {threshold: 50}", "r.yaml:4 options.threshold",
          "less than 1"),
    added("a threshold that is no number", "options: {threshold: .nan}",
          "r.yaml:4 options.threshold"),
    added("text and label in one column", "options: {text: label}", "options.text",
          "as is options.label"),
    added("a share in per cent", "data: {source: things.csv, split: {test: 120%}}",
          "r.yaml:4 data.split.test", "valid number"),
    added("shares of more than all", "data: {source: things.csv, split: {test: .7, "
          "validation: .7}}", "data.split", "nothing is left for train"),
    added("a share below zero", "data: {source: things.csv, split: {test: -0.2}}",
          "r.yaml:4 data.split.test"),
    added("a split with a typo", "data: {source: things.csv, split: {tets: .2}}",
          "r.yaml:4 data.split.tets", "Did you mean 'test'"),
    added("group and time", "data: {source: things.csv, split: {group: a, time: b}}",
          "r.yaml:4 data.split", "not both"),
    added("an encoding that is none", "data: {source: things.csv, encoding: utf9}",
          "r.yaml:4 data.encoding", "Python knows no such encoding"),
    added("an encoding that packs", "data: {source: things.csv, encoding: zlib}",
          "r.yaml:4 data.encoding", "Python knows no such encoding"),
    added("a delimiter of two", "data: {source: things.csv, delimiter: ';;'}",
          "r.yaml:4 data.delimiter", "one ASCII character"),
    added("a quote of a line end", "data: {source: things.csv, quote: \"\\n\"}",
          "r.yaml:4 data.quote", "one ASCII character"),
    added("a delimiter that is the quote", "data: {source: things.csv, delimiter: '\"'}",
          "r.yaml:4 data", "delimiter"),
    added("a source that is a number", "data: {source: 5}", "r.yaml:4 data.source", "a path"),
    added("a source that is empty", "data: {source: ''}", "r.yaml:4 data.source", "a path"),
    added("a source of splits that are none", "data: {source: {left: things.csv}}",
          "data.source.left", "is no split"),
    added("a source without train", "data: {source: {test: things.csv}}", "data.source",
          "no train split"),
    added("a split twice", "data: {source: {dev: things.csv, val: things.csv, train: things.csv}}",
          "data.source.val", "second time"),
    added("a renaming of one into two", "data: {source: things.csv, rename: {text: [a, b]}}",
          "r.yaml:4 data.rename.text", "valid string"),
    added("two columns renamed into one", "data: {source: ab.csv, rename: {a: text, b: text}}",
          "data.rename.a", "another 'text'", beside={"ab.csv": GOOD.replace("text,", "a,b,")
                                                     .replace("the old", "the,old")}),
    added("a model that is a list", "model: [a]", "r.yaml", "model"),
    added("a model of two kinds", "model: {id: a/b, from_config: {model_type: bert}}",
          "model", "one of the two"),
    added("a model type with a typo", "model: {from_config: {model_type: brt}}",
          "model.from_config.model_type", "Did you mean 'bert'"),
    added("a field that no config has", "model: {from_config: {model_type: bert, hidden: 8}}",
          "model.from_config.hidden", "BertConfig"),
    added("a config that cannot be", "model: {from_config: {model_type: bert, hidden_size: 30, "
          "num_attention_heads: 4}}", "model"),
    added("a config of texts for sizes", "model: {from_config: {model_type: bert, "
          "hidden_size: big}}", "model.from_config", "hidden_size"),
    added("a config of code", "model: {from_config: {model_type: bert, auto_map: "
          "{AutoModel: evil.Model}}}", "model.from_config.auto_map", "no field"),
    added("a learning rate that is a text", "training: {learning_rate: fast}",
          "r.yaml:4 training.learning_rate", "valid number"),
    added("a learning rate that is no number", "training: {learning_rate: .nan}",
          "r.yaml:4 training.learning_rate", "finite"),
    added("a learning rate without an end", "training: {learning_rate: .inf}",
          "r.yaml:4 training.learning_rate", "finite"),
    added("a learning rate below zero", "training: {learning_rate: -1}",
          "r.yaml:4 training.learning_rate", "from 0"),
    added("a number with a comma", "training: {learning_rate: '1,5e-4'}",
          "r.yaml:4 training.learning_rate", "valid number"),
    added("a batch size of nothing", "training: {per_device_train_batch_size: 0}",
          "r.yaml:4 training.per_device_train_batch_size", "from 1"),
    added("epochs that are none", "training: {num_train_epochs: -3}",
          "r.yaml:4 training.num_train_epochs", "above 0"),
    added("a setting of another name", "training: {epochs: 3}", "r.yaml:4 training.epochs",
          "no field of TrainingArguments"),
    added("a schedule with a typo", "training: {lr_scheduler_type: cosin}",
          "r.yaml:4 training.lr_scheduler_type", "Did you mean 'cosine'"),
    added("a best metric that is not scored", "training: {metric_for_best_model: bleu}",
          "training.metric_for_best_model", "Scored:"),
    added("a schedule that needs more", "training: {early_stopping_patience: 2, "
          "eval_strategy: \"no\"}", "training.early_stopping_patience", "validation"),
    added("an optimizer that is none", "training: {optim: adamw_quick}", "r.yaml:4 training.optim",
          "Known:"),
    added("a way of steps with a typo", "training: {step: capturd}", "r.yaml:4 training.step",
          "Did you mean 'captured'"),
    added("steps that are a number", "training: {step: 3}", "r.yaml:4 training.step"),
]  # fmt: skip

# What a stranger's recipe must not do: write elsewhere, publish, run code, carry secrets.
TOKEN = "hf_" + "aBcDeFgHiJ" * 4
HOSTILE = [
    *(added(f"training.{name}: {value}", f"training: {{{name}: {value}}}",
            f"r.yaml:4 training.{name}")
      for name, value in (
          ("output_dir", "/etc"), ("push_to_hub", "true"), ("hub_model_id", "evil/model"),
          ("hub_token", "secret"), ("hub_strategy", "end"), ("hub_private_repo", "false"),
          ("hub_always_push", "true"), ("hub_revision", "x"), ("report_to", "all"),
          ("report_to", "[wandb]"), ("trackio_space_id", "evil/space"),
          ("trackio_bucket_id", "evil/bucket"), ("trackio_static_space_id", "evil/static"),
          ("resume_from_checkpoint", "/var/x"), ("logging_dir", "/var/x"), ("seed", "1"),
          ("do_train", "false"))),
    added("a token in the recipe", f"description: {TOKEN}", "r.yaml:4 description", "token"),
    added("a token deep in the recipe", f"options: {{text: [x, {TOKEN}]}}", "r.yaml:4 options.text",
          "token"),
    *(added(f"code that comes with a model, {place}", text, f"r.yaml:4 {place}", "never run here",
            "take a model of a type that transformers itself knows")
      for place, text in (
          ("trust_remote_code", "trust_remote_code: true"),
          ("model.trust_remote_code", "model: {id: a/b, trust_remote_code: true}"),
          ("model.from_config.trust_remote_code",
           "model: {from_config: {model_type: bert, trust_remote_code: true}}"),
          ("data.trust_remote_code", "data: {source: a.csv, trust_remote_code: yes}"),
          ("options.trust_remote_code", "options: {trust_remote_code: true}"),
          ("training.trust_remote_code", "training: {trust_remote_code: true}"),
          ("method.trust_remote_code", "method: {name: head, trust_remote_code: true}"),
          ("model.trust-remote-code", "model: {id: a/b, trust-remote-code: true}"))),
    added("an attention kernel of the Hub", "model: {from_config: {model_type: bert, "
          "attn_implementation: evil/kernel}}", "model.from_config.attn_implementation",
          "no field"),
]  # fmt: skip

CASES = [*TEXTS, *PLACES, *VALUES, *HOSTILE]
