"""Folders that are no run's, or a damaged one's; places where a run cannot be written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bad_inputs.case import GOOD, Case, Content, fifo, folder, link

RECORD: dict[str, Any] = {
    "schema_version": 1, "status": "finished", "recipe": "things", "seed": 0,
    "scenario": "text-classification", "model": {"id": "m", "revision": "r", "source": "folder"},
    "data": {"source": "things.csv", "fingerprint": "f", "rows": {"train": 1, "test": 1},
             "skipped": {}, "overlap": {}, "duplicates": {}, "notes": []},
    "devices": {"type": "cpu", "processes": 1, "notes": [],
                "batch": {"rows_per_step": 1, "reduced": []}},
    "headline": {"metric": "accuracy", "greater_is_better": True},
    "environment": {"python": "3", "hardware": {},
                    "packages": dict.fromkeys(("toolkit", "torch", "transformers"), "1")},
    "metrics": {"test": {"accuracy": {"value": 1.0, "low": 1.0, "high": 1.0}}},
    "slices": {}, "baselines": {}, "baseline_rows": {}, "reload": {"compared": 1, "different": 0},
    "speed": {"total_seconds": 1.0, "fixed_seconds": 1.0, "train_samples_per_second": 1.0,
              "phases": {"train": 0.0, "score": 0.0, "baselines": 0.0}},
}  # fmt: skip
RECIPE = ("scenario: text-classification\nmodel: {model}\ndata: {source: {here}/things.csv}\n"
          "method: lora\n")  # fmt: skip
ADAPTER = {"peft_type": "LORA", "base_model_name_or_path": "owner/base", "revision": None}


def record(**changes: Any) -> str:
    """Return run.json with other values; None takes a key out."""
    found = {**RECORD, **changes}
    return json.dumps({key: value for key, value in found.items() if value is not None})


def export(name: str, files: Mapping[str, Content], place: str, *says: str) -> Case:
    """Return a case of `toolkit export run --merge`."""
    inside = {f"run/{file}": content for file, content in files.items()}
    return Case(name, ("export", "run", "--merge"), place, says, inside)


def resume(name: str, files: Mapping[str, Content], place: str, *says: str) -> Case:
    """Return a case of a run that is to go on in a folder that was made elsewhere."""
    inside = {f"run/{file}": content for file, content in files.items()}
    words = ("run", "text-classification", "--data", "things.csv", "--model", "{model}",
             "--out", "run", "--resume")  # fmt: skip
    return Case(name, words, place, says, {"things.csv": GOOD, **inside})


def out(name: str, at: str, place: str, *says: str, **files: Content) -> Case:
    """Return a case of a place for a run's folder."""
    words = ("run", "text-classification", "--data", "things.csv", "--model", "{model}",
             "--out", at)  # fmt: skip
    return Case(name, words, place, says, {"things.csv": GOOD, **files})


BAD_RECORDS: list[tuple[str, Content, tuple[str, ...]]] = [
    ("tables that are none", record(tables={"a": {"columns": 3}}), ("tables.a", "damaged")),
    ("empty", "", ("damaged",)),
    ("half of it", record()[:99], ("damaged",)),
    ("no JSON", "status: finished\n", ("damaged",)),
    ("utf-16", record().encode("utf-16"), ("damaged",)),
    ("no text", b"\xff\xfe\xfd", ("damaged",)),
    ("NUL bytes", b"\0" * 512, ("damaged",)),
    ("a list", "[]", ("damaged",)),
    ("null", "null", ("damaged",)),
    ("a text", '"finished"', ("damaged",)),
    ("nested too deeply", "[" * 100_000, ("damaged",)),
    ("a number of 5,000 digits", '{"schema_version": ' + "9" * 5000 + "}", ("damaged",)),
    ("no version", record(schema_version=None), ("schema_version",)),
    ("a version to come", record(schema_version=99), ("schema_version 99",)),
    ("a version that is a text", record(schema_version="1"), ("schema_version '1'",)),
    ("a version that is true", record(schema_version=True), ("schema_version True",)),
    ("no status", record(status=None), ("status",)),
    ("a status that is none", record(status="done"), ("status", "'done'")),
    ("a status that is a list", record(status=["finished"]), ("status",)),
    ("a status that breaks the terminal", record(status="\x1b[2Jfinished"), ("status", "\\x1b")),
    ("no metrics", record(metrics=None), ("metrics",)),
    ("no headline", record(headline=None), ("headline",)),
    ("metrics that are a list", record(metrics=[1]), ("metrics",)),
    ("no score of test", record(metrics={"validation": {}}), ("metrics.test",)),
    ("a headline that is not scored", record(headline={"metric": "f1", "greater_is_better": True}),
     ("metrics.test.f1",)),
    ("a baseline without its score", record(baselines={"majority": {}}),
     ("baselines.majority.accuracy",)),
    ("a score that is a text", record(metrics={"test": {"accuracy": {"value": "high"}}}),
     ("metrics.test.accuracy.value", "'high'")),
    ("half an interval", record(metrics={"test": {"accuracy": {"value": 1.0, "low": 1.0}}}),
     ("metrics.test.accuracy", "an interval has low and high")),
    ("a model that is a text", record(model="m"), ("model",)),
    ("data that are null", record(data=[]), ("data",)),
]  # fmt: skip

RECORDS = [
    *(export(f"run.json: {name}", {"run.json": content}, "run/run.json", *says)
      for name, content, says in BAD_RECORDS),
    export("run.json: a folder", {"run.json": folder}, "run", "holds no run.json"),
    export("run.json: a pipe", {"run.json": fifo}, "run", "nothing is read"),
    export("run.json: without an end", {"run.json": link("/dev/zero")}, "run", "nothing is read"),
    export("run.json: a link to itself", {"run.json": link("run.json")}, "run",
           "holds no run.json"),
    export("a folder that is no run", {"notes.txt": "x"}, "run", "holds no run.json"),
    export("not finished", {"run.json": record(status="interrupted")}, "run", "is interrupted"),
    export("no model", {"run.json": record()}, "run", "model"),
    export("a model that is a file", {"run.json": record(), "model": "x"}, "run", "model"),
    export("an adapter without a recipe", {"run.json": record(), "model/adapter_config.json":
           json.dumps(ADAPTER)}, "recipe.yaml", "no such file"),
    export("an adapter whose base is gone", {"run.json": record(), "recipe.yaml": RECIPE,
           "model/adapter_config.json": json.dumps(ADAPTER)}, "owner/base", "cannot be had"),
    export("an adapter of other weights", {"run.json": record(), "recipe.yaml": RECIPE,
           "model/adapter_config.json": json.dumps(
               {**ADAPTER, "base_model_name_or_path": "./.model"}),
           }, "run/model", "holds"),
    export("an adapter that names no base", {"run.json": record(), "recipe.yaml": RECIPE,
           "model/adapter_config.json": "{}"}, "adapter_config.json", "base_model_name_or_path"),
    export("an adapter that is no JSON", {"run.json": record(), "recipe.yaml": RECIPE,
           "model/adapter_config.json": "{"}, "adapter_config.json"),
    export("an adapter that is a list", {"run.json": record(), "recipe.yaml": RECIPE,
           "model/adapter_config.json": "[]"}, "adapter_config.json"),
    export("a recipe that is none", {"run.json": record(), "recipe.yaml": "- a\n",
           "model/adapter_config.json": json.dumps(ADAPTER)}, "recipe.yaml", "mapping"),
    export("a recipe of a pipe", {"run.json": record(), "recipe.yaml": fifo,
           "model/adapter_config.json": json.dumps(ADAPTER)}, "recipe.yaml", "a pipe"),
    Case("no folder at all", ("export", "nowhere", "--merge"), "nowhere", ("no run's folder",)),
    Case("a folder with a typo", ("export", "runs/thing", "--merge"), "runs/thing",
         ("Did you mean 'things'",), {"runs/things/run.json": record()}),
    Case("a file in place of a run", ("export", "things.csv", "--merge"), "things.csv",
         ("no run's folder",), {"things.csv": GOOD}),
    Case("nothing to export", ("export", "run"), "--merge", (), {"run/run.json": record()}),
    Case("an export onto files", ("export", "run", "--merge", "-o", "there"), "there",
         ("not empty (x.txt)",), {"run/run.json": record(), "there/x.txt": "x"}),
    Case("an export onto a file", ("export", "run", "--merge", "-o", "there"), "there",
         ("a file",), {"run/run.json": record(), "there": "x"}),
    Case("an export where nothing can be written", ("export", "run", "--merge", "-o", "/proc/x"),
         "/proc/x", ("cannot be written",), {"run/run.json": record(),
                                             "run/model/config.json": "{}"}),
]  # fmt: skip

AGAIN = [
    *(Case(f"run.json: {name}", ("rerun", "run"), "run/run.json", says, {"run/run.json": content})
      for name, content, says in BAD_RECORDS),
    Case("not finished", ("rerun", "run"), "run", ("is failed",),
         {"run/run.json": record(status="failed")}),
    Case("no run", ("rerun", "runs/thing"), "runs/thing", ("Did you mean 'things'",),
         {"runs/things/run.json": record()}),
    Case("no recipe", ("rerun", "run"), "recipe.yaml", ("no such file",),
         {"run/run.json": record()}),
    Case("a recipe that is none", ("rerun", "run"), "recipe.yaml", ("is no YAML",),
         {"run/run.json": record(), "run/recipe.yaml": "a: ["}),
    Case("a recipe with a tag that runs code", ("rerun", "run"), "recipe.yaml:1", ("tags",),
         {"run/run.json": record(), "run/recipe.yaml": "a: !!python/name:os.system\n"}),
    Case("rows that are gone", ("rerun", "run", "--strict"), "/gone.csv", ("no such file",),
         {"run/run.json": record(), "run/recipe.yaml": RECIPE.replace("things.csv", "gone.csv")}),
    Case("other rows, where none may differ", ("rerun", "run", "--strict"), "data (fingerprint",
         ("was f",), {"run/run.json": record(), "run/recipe.yaml": RECIPE, "things.csv": GOOD}),
]  # fmt: skip

WHOLE = ("tables that are none", "a version to come", "no status", "data that are null")
UNFINISHED = {"run.json": record(status="failed"), "recipe.yaml": RECIPE}
RESUMED = [
    # One that is empty or torn is written anew (toolkit/runner/test_resume.py).
    *(resume(f"a run.json of {name}", {"run.json": content, "checkpoints/x": ""},
             "run/run.json", *says)
      for name, content, says in BAD_RECORDS if name in WHOLE),
    resume("no run", {"notes.txt": "x"}, "run", "holds no run.json"),
    resume("another recipe", UNFINISHED, "of the run in"),
    resume("no recipe", {"run.json": record(status="failed")}, "recipe.yaml", "no such file"),
    resume("a recipe that is none", {**UNFINISHED, "recipe.yaml": "- a\n"}, "recipe.yaml",
           "mapping"),
    *(resume(f"a record whose recipe is {name}",
             {**UNFINISHED, "run.json": record(status="failed", settings=settings)},
             "settings of the record", *says)
      for name, settings, says in (("a list", [1], ("is damaged",)), ("no YAML", "a: [", ("is",)),
                                   ("none", "- a", ("no recipe",)),
                                   ("another's", "scenario: x\nmodle: y", ("modle",)))),
    resume("a recipe elsewhere", {**UNFINISHED, "recipe.yaml": link("../other.yaml")},
           "run/recipe.yaml", "link"),
    resume("a model that is elsewhere", {**UNFINISHED, "model": link("../elsewhere")},
           "run/model", "link"),
    resume("checkpoints that are elsewhere", {**UNFINISHED, "checkpoints": link("/var")},
           "run/checkpoints", "link"),
    resume("a file written beside that is elsewhere",
           {**UNFINISHED, "run.json.partial": link("../stolen.json")}, "run/run.json.partial",
           "link"),
    resume("a lock that is elsewhere", {**UNFINISHED, "run.lock": link("../stolen.lock")},
           "run/run.lock", "link"),
]  # fmt: skip

PLACES = [
    out("a file", "things.csv", "--out things.csv", "is a file"),
    out("a folder with files", "there", "--out there", "is not empty (x.txt)",
        **{"there/x.txt": "x"}),
    out("a folder of a finished run", "there", "--out there", "is not empty (run.json)",
        **{"there/run.json": record()}),
    out("a folder of a run that failed", "there", "--out there", "--resume goes on with it",
        **{"there/run.json": record(status="failed")}),
    out("a place where nothing can be written", "/proc/there", "--out /proc/there",
        "cannot be written"),
    out("a folder below a file", "things.csv/run", "--out things.csv/run", "cannot be written"),
    out("a device", "/dev/null", "--out /dev/null", "is a file"),
    out("a pipe", "there", "--out there", "is a file", there=fifo),
    out("a link to nothing", "there", "--out there", "cannot be written", there=link("gone")),
    out("a link to itself", "there", "--out there", "cannot be written", there=link("there")),
    out("a name that is too long", "x" * 300, "--out xxx", "cannot be written"),
    out("a name that is empty", "", "--out", ),
    out("the folder it is run in", ".", "--out .", "is not empty"),
]  # fmt: skip

CASES = [
    *(Case(f"export: {case.name}", *list(vars(case).values())[1:]) for case in RECORDS),
    *(Case(f"rerun: {case.name}", *list(vars(case).values())[1:]) for case in AGAIN),
    *(Case(f"resume: {case.name}", *list(vars(case).values())[1:]) for case in RESUMED),
    *(Case(f"out: {case.name}", *list(vars(case).values())[1:]) for case in PLACES),
]
