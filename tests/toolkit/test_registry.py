"""Scenarios by name: listed without importing, resolved on demand, a broken one disturbs none."""

from __future__ import annotations

import sys

import pytest

from toolkit import registry
from toolkit.errors import PluginError, UserError
from toolkit.plugin import Plugin, get

GOOD = """
from toolkit.plugin import Plugin

class Scenario(Plugin):
    def load_model(self):
        raise NotImplementedError
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution on the path as pip leaves one: a module, its metadata, entry points."""

    def installed(name, points, group="toolkit.plugins", metadata=True, **modules):
        folder = tmp_path / name
        info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        lines = "".join(f"{point} = {target}\n" for point, target in points.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")
        (info / "RECORD").write_text("")
        if metadata:
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(text)
            monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    before = set(sys.modules)
    yield installed
    for module in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]


def test_built_in_scenarios_enter_by_the_same_door():
    (entry,) = [e for e in registry.entries() if e.name == "text-classification"]
    assert entry.distribution == "finetune-toolkit"
    assert issubclass(get("text-classification"), Plugin)


def test_names_are_listed_without_importing_anything(install):
    install("their-dist", {"loud": "their_loud:Scenario"}, their_loud="raise SystemExit('no')")
    (entry,) = [e for e in registry.entries() if e.name == "loud"]
    assert (entry.distribution, entry.version) == ("their-dist", "1.0")
    assert entry.target == "their_loud:Scenario"
    assert "their_loud" not in sys.modules
    assert registry.missing_module(entry) is None


def test_names_are_sorted(install):
    install("their-dist", {"zebra": "z:A", "ant": "a:A"})
    names = [entry.name for entry in registry.entries()]
    assert names == sorted(names)
    assert {"ant", "zebra", "text-classification"} <= set(names)


def test_a_strangers_scenario_is_resolved(install):
    install("their-dist", {"theirs": "their_module:Scenario"}, their_module=GOOD)
    assert get("theirs").__name__ == "Scenario"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("raise RuntimeError('boom')", "cannot be imported: RuntimeError: boom"),
        ("import no_such_thing", "cannot be imported: ModuleNotFoundError"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        ("x = 1", "cannot be imported: AttributeError"),
        ("Scenario = 3", "is not a subclass of toolkit.Plugin but 3"),
        ("class Scenario: pass", "is not a subclass of toolkit.Plugin"),
        (GOOD.replace("load_model", "other"), "does not define load_model"),
        (GOOD + "    api_version = 3\n", "is written for api_version 3; this toolkit has 2: "),
        (
            GOOD + "    def decode(self, outputs, rows):\n        return []\n",
            "api_version 1; this toolkit has 2 (decode takes (outputs, rows, prepared)): ",
        ),
        (
            GOOD + "    def floors(self):\n        return ()\n",
            "is written for api_version 1; this toolkit has 2 (floors is baselines now): ",
        ),
        (
            "from toolkit.errors import DataError\nraise DataError('needs libfoo')",
            "needs libfoo",
        ),
    ],
)
def test_a_broken_scenario_says_why_and_disturbs_no_other(install, text, what):
    install("bad-dist", {"bad": "bad_module:Scenario"}, bad_module=text)
    install("good-dist", {"good": "good_module:Scenario"}, good_module=GOOD)
    with pytest.raises(UserError) as caught:
        get("bad")
    assert what in str(caught.value)
    if "libfoo" not in what:
        assert str(caught.value).startswith("scenario 'bad' of bad-dist 1.0 (bad_module:Scenario)")
    assert get("good").__name__ == "Scenario"


def test_a_missing_module_shows_without_importing(install):
    install("gone-dist", {"gone": "gone_module:Scenario", "empty": ":x"})
    entries = {entry.name: entry for entry in registry.entries()}
    assert registry.missing_module(entries["gone"]) == "there is no module 'gone_module'"
    assert registry.missing_module(entries["empty"]) == "there is no module ''"


def test_a_name_brought_twice_names_both_sides(install):
    install("one-dist", {"same": "one_module:Scenario"}, one_module=GOOD)
    install("two-dist", {"same": "two_module:Scenario"}, two_module=GOOD)
    assert len([e for e in registry.entries() if e.name == "same"]) == 2
    with pytest.raises(PluginError) as caught:
        get("same")
    for side in ("one-dist (one_module:Scenario)", "two-dist (two_module:Scenario)"):
        assert side in str(caught.value)
    assert "uninstall one of them" in str(caught.value)


def test_a_stranger_cannot_take_the_name_of_a_built_in(install):
    install("evil-dist", {"text-classification": "evil:Scenario"}, evil=GOOD)
    with pytest.raises(PluginError, match="toolkit .*evil-dist|evil-dist .*toolkit"):
        get("text-classification")


def test_one_distribution_found_twice_on_the_path_is_one(install, monkeypatch, tmp_path):
    folder = install("their-dist", {"theirs": "their_module:Scenario"}, their_module=GOOD)
    copy = tmp_path / "copy" / "their_dist-1.0.dist-info"
    copy.mkdir(parents=True)
    for item in (folder / "their_dist-1.0.dist-info").iterdir():
        (copy / item.name).write_text(item.read_text())
    monkeypatch.syspath_prepend(str(copy.parent))
    assert get("theirs").__name__ == "Scenario"


def test_what_a_broken_uninstall_left_does_not_end_the_listing(install):
    install("half-dist", {"half": "half_module:Scenario"}, metadata=False, half_module=GOOD)
    (entry,) = [e for e in registry.entries() if e.name == "half"]
    assert (entry.distribution, entry.version) == ("(unknown)", "")


def test_an_unknown_name_gets_the_nearest_and_all():
    with pytest.raises(PluginError) as caught:
        get("Text-clasification")
    said = str(caught.value)
    assert "there is no scenario 'Text-clasification'" in said
    assert "Did you mean 'text-classification'?" in said
    assert "Installed: " in said
    with pytest.raises(PluginError) as caught:
        get("zzz")
    assert "Did you mean" not in str(caught.value)
