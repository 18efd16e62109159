"""A package that is broken in whatever way is named with the reason, and disturbs no other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

from toolkit import registry
from toolkit.cli.main import outcome
from toolkit.plugin import get
from toolkit.testing import isolation

GOOD = """
from toolkit import Options, Plugin, TextColumn

class Settings(Options):
    text: TextColumn = "text"

class Scenario(Plugin):
    Options = Settings

    def load_model(self):
        raise NotImplementedError
"""
RECIPE = "# toolkit run x\nscenario: {}\ndescription: {}\nmodel: m\ndata: {{source: x.csv}}\n"
#: distribution -> (module's text, what doctor says of it)
MODULES = {
    "raising": ("raise RuntimeError('boom')", "cannot be imported: RuntimeError: boom"),
    "hanging": ("import time\ntime.sleep(600)", "did not finish importing in 10 s"),
    "crashing": ("import os\nos._exit(3)", "ended the process that imported it (exit code 3)"),
    "shouting": ("print('{')\nraise SystemExit('no')", "cannot be imported: SystemExit: no"),
    "outdated": (GOOD + "    api_version = 0\n", "is written for api_version 0; this"),
    "lacking": ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
    "working": ("print('hello')" + GOOD, "works"),
    "staying": ("import threading, time\nthreading.Thread(target=time.sleep, args=[600]).start()"
                + GOOD, "works"),
}  # fmt: skip
BROKEN = [name for name, (_, said) in MODULES.items() if said != "works"]
BAD_RECIPES = {
    "odd": ("scenario: [", "is no YAML"),
    "typo": (RECIPE.format("working", "x") + "options: {txet: t}\n", "options.txet"),
    "setting": (RECIPE.format("working", "x") + "training: {epochs: 2}\n", "training.epochs"),
    "bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n"
                  for a, b in zip("abcdefgh", "bcdefghi", strict=True))
        + "description: *i\n", "aliases (*name) are not allowed",
    ),
    "huge": ("#" * 200_000, "no recipe"),
}  # fmt: skip


@pytest.fixture(scope="module")
def packages(shared_site):
    """One package of every kind of broken, two of one name, and two that work."""
    for name, (text, _) in MODULES.items():
        needs = ["no-such-thing>=2", "click<1"] if name == "lacking" else ()
        points = {registry.GROUP: {name: f"{name}_module:Scenario"}}
        files = {f"{name}_module/__init__.py": text}
        if name == "working":
            shelf = "working_module/recipes/working"
            files[f"{shelf}/default.yaml"] = RECIPE.format("working", "fine")
            files |= {f"{shelf}/{bad}.yaml": text for bad, (text, _) in BAD_RECIPES.items()}
        shared_site.add(f"{name}-dist", points, files, needs)
    for side in ("one", "other"):
        points = {registry.GROUP: {"same": f"{side}_module:Scenario"}}
        shared_site.add(f"{side}-dist", points, {f"{side}_module.py": GOOD})
    return shared_site


@pytest.fixture(scope="module")
def diagnosis(packages):
    """What `toolkit doctor` says of each of them, and its exit code."""
    from contextlib import redirect_stdout
    from io import StringIO

    said = StringIO()
    with redirect_stdout(said), pytest.raises(SystemExit) as ended:
        outcome(["doctor", "--limit", "10"])
    return ended.value.code, said.getvalue().splitlines()


def line(diagnosis, start):
    (found,) = [line for line in diagnosis[1] if line[5:].startswith(start)]
    return found


@pytest.mark.parametrize("name", MODULES)
def test_doctor_names_scenario_distribution_and_reason(diagnosis, name):
    said = line(diagnosis, f"scenario {name} ({name}-dist 1.0): ")
    assert MODULES[name][1] in said
    assert said.startswith("ok  " if name not in BROKEN else "FAIL")


def test_doctor_fails_and_says_that_the_others_work(diagnosis):
    code, lines = diagnosis
    assert code == 1
    built_in = [line for line in lines if "(finetune-toolkit " in line]
    assert built_in
    assert all(line.startswith("ok  ") for line in built_in)


def test_doctor_names_both_sides_of_a_name_brought_twice(diagnosis):
    for side in ("one", "other"):
        said = line(diagnosis, f"scenario same ({side}-dist 1.0): ")
        assert "one-dist (one_module:Scenario) and other-dist (other_module:Scenario)" in said
        assert said.startswith("FAIL")


def test_doctor_reads_what_a_distribution_requires(diagnosis):
    said = line(diagnosis, "distribution lacking-dist 1.0: ")
    assert "requires no-such-thing>=2, which is not installed" in said
    assert re.search(r"requires click<1; installed is 8\.", said)
    assert "brings scenario working" in line(diagnosis, "distribution working-dist 1.0: ")


@pytest.mark.parametrize("name", BAD_RECIPES)
def test_doctor_names_a_broken_recipe_and_who_ships_it(diagnosis, name):
    said = line(diagnosis, f"recipe working/{name} (working-dist): ")
    assert said.startswith("FAIL")
    assert BAD_RECIPES[name][1] in said
    assert f"working_module/recipes/working/{name}.yaml" in said


def test_a_good_recipe_beside_broken_ones_is_not_named(diagnosis):
    assert not [line for line in diagnosis[1] if "recipe working (" in line]


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["plugin", "list"]])
def test_listing_imports_none_of_them(packages, arguments):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "toolkit", *arguments],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not {name for name in imported if name.endswith("_module")}
    if arguments != ["--help"]:
        assert all(f"  {name}" in done.stdout or name in done.stdout for name in MODULES)


def test_list_marks_what_shows_without_an_import(packages, capsys):
    assert outcome(["list"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("[installed twice: see toolkit doctor]") == 1
    assert "  working/odd (from working-dist)\n      [broken: " in shown
    assert "  working (from working-dist)\n      fine" in shown
    assert "[broken: its description is no text]" in shown


def test_others_are_used_while_some_are_broken(packages, capsys):
    assert outcome(["show", "working"]) == 0
    assert "# options of working" in capsys.readouterr().out
    assert outcome(["show", "text-classification"]) == 0


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("entry_points.txt", b"[toolkit.plugins]\nno equals sign\n"),
        ("entry_points.txt", b"\xff\xfe[toolkit.plugins]\na = b:C\n"),
        ("METADATA", b"Name: \xff\n"),
    ],
)
def test_damaged_metadata_of_one_distribution_ends_nothing(site, capsys, file, content):
    site.add("working-dist", {registry.GROUP: {"fine": "fine_module:Scenario"}},
             {"fine_module.py": GOOD})  # fmt: skip
    info = site.add("damaged-dist", {registry.GROUP: {"hurt": "hurt_module:Scenario"}}, {})
    (info / file).write_bytes(content)
    for command in (["list"], ["--help"]):
        assert outcome(command) == 0
        capsys.readouterr()
    names = [entry.name for entry in registry.entries()]
    assert {"fine", "text-classification"} <= set(names)
    assert get("fine").__name__ == "Scenario"
    (place, why), = registry.damaged().items()  # fmt: skip
    assert place == "damaged_dist-1.0.dist-info"
    assert "cannot be read" in why


def test_what_hangs_does_not_outlive_the_trial(site):
    note = site.folder / "pid"
    text = f"import os, time\nopen({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    site.add("slow-dist", {registry.GROUP: {"z-slow": "slow_module:X"}}, {"slow_module.py": text})
    found = isolation.everything(500.0)
    assert next(found).entry.name != "z-slow"
    while not (note.exists() and note.read_text()):
        time.sleep(0.05)
    found.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
