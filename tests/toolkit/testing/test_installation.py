"""What `toolkit doctor` says of the installation: namesakes, changed files, extras."""

import base64
import hashlib
import tomllib
from pathlib import Path

import pytest

from toolkit.testing import installation
from toolkit.utils.packages import DISTRIBUTION, EXTRAS, __version__

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A function that installs a distribution: its name, its files, and lines of METADATA."""

    def install(name, files=(), metadata="", version="9.9", scripts=""):
        info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}"
        (info / "METADATA").write_text(text)
        (info / "entry_points.txt").write_text(scripts)
        lines = []
        for path, content in dict(files).items():
            place = tmp_path / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
            known = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest())
            lines.append(f"{path},sha256={known.rstrip(b'=').decode()},{len(content)}")
        (info / "RECORD").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(tmp_path)

    return install


def told(what, good=False):
    return [one.detail for one in installation.findings() if one.what == what and one.good is good]


@pytest.mark.parametrize(
    ("name", "brought", "said"),
    [
        ("toolkit", {"files": {"toolkit/cli.py": ""}}, "brings a package `toolkit`"),
        ("tools-of-all-kinds", {"files": {"toolkit.py": ""}}, "brings a package `toolkit`"),
        ("my-commands", {"scripts": "[console_scripts]\ntoolkit = mine:main\n"},
         "brings a command `toolkit`"),
    ],
)  # fmt: skip
def test_a_namesake_is_told_with_the_way_out(installed, name, brought, said):
    installed(name, **brought)
    (what,) = told(f"distribution {name} 9.9")
    assert said in what
    assert f"pip uninstall {name}" in what
    assert f"pip install --force-reinstall --no-deps {DISTRIBUTION}" in what


def test_another_distribution_is_nobodys_namesake(installed):
    installed("toolkit-of-mine", {"toolkit_of_mine/__init__.py": ""})
    assert told("distribution toolkit-of-mine 9.9") == []


def test_a_file_that_another_package_has_overwritten_is_named(installed, tmp_path):
    files = {"toolkit/__init__.py": "ours = 1\n", "toolkit/api.py": "ours = 2\n"}
    installed(DISTRIBUTION, files, version=__version__)
    assert told(DISTRIBUTION) == []
    (tmp_path / "toolkit" / "__init__.py").write_text("theirs = 1\n")
    (what,) = told(DISTRIBUTION)
    assert what.startswith("toolkit/__init__.py changed since installation")


def test_the_version_that_runs_is_that_installed_or_it_is_told(installed):
    installed(DISTRIBUTION, version="0.0.1")
    (what,) = told(DISTRIBUTION)
    assert what.startswith(f"0.0.1 is installed, and {__version__} runs, from ")


def test_a_file_of_the_name_in_this_folder_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert told("toolkit.py") == []
    Path("toolkit.py").write_text("")
    assert len(told("toolkit.py")) == 1


def test_extras_are_there_in_part_of_another_version_or_missing(installed):
    needs = {"vision": "pytest", "serve": "pytest<1", "onnx": "nosuchthing", "tabular": "pytest"}
    lines = [f"Requires-Dist: {need}; extra == '{name}'\n" for name, need in needs.items()]
    lines += ["Requires-Dist: nosuchthing; extra == 'tabular'\n", "Requires-Dist: pytest\n"]
    installed(DISTRIBUTION, metadata="".join(lines), version=__version__)
    found = {one.what.split()[1]: one for one in installation.findings() if "extra" in one.what}
    assert found["vision"].good is True
    assert found["serve"].good is False
    assert "needed: <1" in found["serve"].detail
    assert found["onnx"].good is found["tabular"].good is None
    assert found["onnx"].detail == f"not installed: pip install '{DISTRIBUTION}[onnx]'"
    assert found["tabular"].detail.startswith("nosuchthing missing")


def test_every_extra_for_users_is_reported():
    assert set(EXTRAS) == set(PROJECT["optional-dependencies"]) - {
        "test",
        "fuzz",
        "browser",
        "docs",
    }
    assert PROJECT["name"] == DISTRIBUTION
