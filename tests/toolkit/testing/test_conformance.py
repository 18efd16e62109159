"""The conformance kit: malformed plugins fail the check that is meant for them."""

import json
import os
import sys

import pytest

from toolkit.testing.conformance import CHECKS, check_plugin, findings, format_finding
from toolkit.testing.subject import NotReachedError, Subject

PLUGIN = '''
"""Which letter is the commonest?"""

from toolkit import LabelColumn, Options, Plugin, TextColumn, pretrained
from toolkit.evaluation import classification_baselines, metrics


class LetterOptions(Options):
    text: TextColumn = "text"
    label: LabelColumn = "label"


class Letters(Plugin[LetterOptions]):
    Options = LetterOptions
    names = ["a", "b"]

    def prepare(self, split, name):
        column, label = self.options.text, self.options.label

        def encode(rows):
            ids = [[1 + "ab".find(letter) for letter in text] for text in rows[column]]
            found = {"input_ids": ids, "length": [len(row) for row in ids]}
            if label in rows:
                found["labels"] = [self.names.index(value) for value in rows[label]]
            return found

        return split.map(encode, batched=True, remove_columns=split.column_names)

    def collator(self):
        import torch

        def collate(rows):
            width = max(len(row["input_ids"]) for row in rows)
            pad = [row["input_ids"] + [0] * (width - len(row["input_ids"])) for row in rows]
            mask = [[1] * len(row["input_ids"]) for row in rows]
            mask = [row + [0] * (width - len(row)) for row in mask]
            batch = {"input_ids": torch.tensor(pad), "attention_mask": torch.tensor(mask)}
            if "labels" in rows[0]:
                batch["labels"] = torch.tensor([row["labels"] for row in rows])
            return batch

        return collate

    def load_model(self):
        from transformers import AutoModelForSequenceClassification

        return pretrained.model(AutoModelForSequenceClassification, self.model_path, num_labels=2)

    def decode(self, outputs, rows, prepared):
        found = outputs.logits.softmax(-1).tolist()
        return [{"label": self.names[p[1] > p[0]], "scores": dict(zip(self.names, p))}
                for p in found]

    def metrics(self):
        return {"accuracy": metrics.load("accuracy", labels=self.names)}

    def baselines(self):
        task = classification_baselines.Classification(
            2, False,
            lambda rows: __import__("numpy").array([self.names.index(r["label"]) for r in rows]),
            lambda found, rows: [
                {"label": self.names[int(p[1] > p[0])], "scores": dict(zip(self.names, p.tolist()))}
                for p in found
            ],
        )
        return [classification_baselines.Majority(task)]
'''
RECIPE = """# toolkit run letters
scenario: letters
description: Which letter is the commonest?
model: {from_config: {model_type: bert, vocab_size: 4, hidden_size: 16, num_hidden_layers: 1,
        num_attention_heads: 2, intermediate_size: 16, max_position_embeddings: 32}}
data: {source: rows.jsonl}
training: {learning_rate: 0.01}
"""
MODULE = "letters_plugin"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that installs the plugin, changed by replacements, and its subject."""

    def install(*changes, recipe=RECIPE):
        source = PLUGIN
        for old, new in changes:
            assert old in source
            source = source.replace(old, new)
        package = tmp_path / "site" / MODULE
        shelf = package / "recipes" / "letters"
        info = tmp_path / "site" / "letters-1.0.dist-info"
        for folder in (shelf, info):
            folder.mkdir(parents=True)
        (package / "__init__.py").write_text(source)
        (shelf / "default.yaml").write_text(recipe)
        rows = [{"text": "ab"[n % 2] * (2 + n % 5) + "ba"[n % 2], "label": "ab"[n % 2]}
                for n in range(120)]  # fmt: skip
        (shelf / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: letters\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[toolkit.plugins]\nletters = {MODULE}:Letters\n")
        monkeypatch.syspath_prepend(tmp_path / "site")
        paths = [str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
        return Subject("letters", "letters", tmp_path / "kit")

    yield install
    sys.modules.pop(MODULE, None)


def problems(subject, name):
    """Return what one check finds, or why it is not reached."""
    (check,) = [check for check in CHECKS if check.name == name]
    try:
        return "\n".join(check.look(subject))
    except NotReachedError as error:
        return str(error)


@pytest.mark.parametrize(
    "name",
    [
        "listing",
        "hooks",
        "options",
        "recipes",
        "parts",
        "columns",
        "predictions",
        "shape",
        "batches",
        "metrics",
    ],
)
def test_a_good_plugin_passes(installed, name):
    assert problems(installed(), name) == ""


@pytest.mark.slow
def test_a_good_plugin_passes_all_of_it(installed, tmp_path, socket_enabled):
    installed(
        ('[self.names.index(value) for value in rows[label]]',
         'self.ids(rows[label])'),
        ('    def collator(self):', '    def ids(self, values):\n'
         '        from toolkit.errors import DataError\n\n'
         '        if not all(value in self.names for value in values):\n'
         '            raise DataError(f"labels are {self.names}")\n'
         '        return [self.names.index(value) for value in values]\n\n'
         '    def collator(self):'),
    )  # fmt: skip
    check_plugin("letters", tmp_path / "kit")


MALFORMED = {
    "needs its targets": (
        "predictions", [("for p in found]\n\n    def metrics",
                         "for p, row in zip(found, rows) if self.data is None or row['label']]"
                         "\n\n    def metrics")], "'label'"),
    "reshapes again and again": (
        "shape", [("    def load_model(self):\n",
                   "    def reshape_rows(self, rows, split):\n"
                   "        return rows.map(lambda row: {'text': row['text'] + 'a'})\n\n"
                   "    def load_model(self):\n")], "makes other rows"),
    "a loss that is none": (
        "parts", [("    def load_model(self):\n", "    def loss(self):\n"
                   "        return lambda outputs, labels, num_items_in_batch=None: "
                   "outputs.logits.sum() * float('nan')\n\n"
                   "    def load_model(self):\n")], "the loss of"),
    "not the same as itself": (
        "parts", [("    def load_model(self):\n", "    def same(self, one, other):\n"
                   "        return False\n\n    def load_model(self):\n")], "Letters.same gave no"),
    "misspelled hook": ("hooks", [("def collator", "def colator")], "Did you mean 'collator'?"),
    "hook of another shape": ("hooks", [("def decode(self, outputs, rows, prepared)",
                                         "def decode(self, outputs)")], "cannot be called with"),
    "hook that is a value": ("hooks", [("    def metrics(self):\n        return",
                                        "    metrics = dict(none=1)\n\n    def scores(self):\n"
                                        "        return")], "a hook is a method"),
    "options that let typos pass": (
        "options", [("    text: TextColumn", '    model_config = {"extra": "ignore"}\n'
                     "    text: TextColumn")], "lets unknown keys pass"),
    "option without a word": ("options", [("    text: TextColumn", "    depth: int = 1\n"
                                           "    text: TextColumn")], "depth has no description"),
    "no input column": ("options", [("text: TextColumn", "text: str")], "no option as a column"),
    "rows dropped": ("parts", [("remove_columns=split.column_names)",
                                "remove_columns=split.column_names).select(range(5))")],
                     "must keep every row"),
    "a model that cannot be saved": (
        "parts", [("return pretrained.model(AutoModelForSequenceClassification, self.model_path, "
                   "num_labels=2)", "import torch\n        return torch.nn.Linear(2, 2)")],
        "load_model gave Linear, which has no save_pretrained"),
    "a crash on odd labels": ("labels", [], "ends in"),
    "references for nothing": (
        "parts", [("    def metrics(self)", "    def references(self, rows):\n        return []\n\n"
                   "    def metrics(self)")], "references gave 0 for"),
    "a prediction that hangs on its neighbours": (
        "batches", [("outputs.logits.softmax(-1)", "(outputs.logits * len(rows)).softmax(-1)")],
        "predicted differently alone"),
    "no JSON": ("predictions", [('{"label": self.names[p[1] > p[0]], "scores": dict(zip(self.names,'
                                 ' p))}\n', '{"label": self.names[p[1] > p[0]], "scores": '
                                 'dict(zip(self.names, p)), "raw": outputs}\n')], "is no JSON"),
    "another order": ("predictions", [("                for p in found]\n\n    def metrics",
                                       "                for p in found] if len(rows) < 4 else "
                                       "[{'row': n, 'of': rows[0]['text']} for n in range(len(rows)"
                                       ")]\n\n    def metrics")], "in reverse order"),
    "no metric": ("metrics", [('{"accuracy": metrics.load("accuracy", labels=self.names)}', "{}")],
                  "metrics gave none"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(MALFORMED))
def test_a_malformed_plugin_fails_the_check_meant_for_it(installed, case):
    name, changes, said = MALFORMED[case]
    assert said in problems(installed(*changes), name)


RUNNING = {
    "metrics of the data": (
        "scores", [('        return {"accuracy": metrics',
                    '        if self.data is None:\n            return {}\n'
                    '        return {"accuracy": metrics')],
        "read again"),
    "a baseline that fails": (
        "baselines", [("return [classification_baselines.Majority(task)]",
                       "return [classification_baselines.Majority(None)]")],
        "baseline majority fails"),
    "an example that is none": (
        "example", [("    def load_model(self):\n", "    def example(self):\n"
                     "        return {self.options.text: ''}\n\n    def load_model(self):\n")],
        "example() gives"),
    "something else shown": (
        "parts", [("    def load_model(self):\n",
                   "    def show(self, row, prediction, reference):\n"
                   "        return [7]\n\n    def load_model(self):\n")], "show returned int"),
    "asks the network": ("run", [("    def load_model(self):\n", "    def load_model(self):\n"
                                  "        import urllib.request\n"
                                  "        urllib.request.urlopen('http://example.invalid')\n")],
                         "there is no network"),
    "no baseline": ("baselines",
                    [("return [classification_baselines.Majority(task)]", "return []")],
                    "nothing to be compared with"),
    "chance of its own": (
        "resume", [("    def collator(self):\n",
                    "    def collator(self):\n        import secrets\n"),
                   ("            return batch\n",
                    "            if 'labels' in batch:\n"
                    "                chance = torch.Generator().manual_seed(secrets.randbits(40))\n"
                    "                batch['input_ids'] = torch.randint(\n"
                    "                    1, 4, batch['input_ids'].shape, generator=chance)\n"
                    "            return batch\n")], "another run"),
}  # fmt: skip


@pytest.mark.nightly
@pytest.mark.parametrize("case", list(RUNNING))
def test_a_plugin_that_runs_wrongly_fails_the_check_meant_for_it(installed, case, socket_enabled):
    name, changes, said = RUNNING[case]
    assert said in problems(installed(*changes), name)


@pytest.mark.slow
def test_what_is_found_says_how_to_fix_it(installed, tmp_path):
    installed(("def collator", "def colator"))
    found = next(f for f in findings("letters", tmp_path / "kit") if f.check.name == "hooks")
    said = format_finding(found)
    assert said.startswith("hooks: The class is a plugin")
    assert "Letters.colator is not a hook" in said
    assert "fix: give the hook the name" in said


def test_an_invalid_recipe_is_named(installed):
    subject = installed(recipe=RECIPE.replace("# toolkit run letters\n", "").replace(
        "data: {", "options: {txt: text}\ndata: {"))  # fmt: skip
    said = problems(subject, "recipes")
    assert "the first line is not the command that runs it" in said
    assert "Did you mean 'text'?" in said
